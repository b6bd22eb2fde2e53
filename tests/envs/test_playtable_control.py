"""Control: the arm answers commands as CALVIN's does, within stated tolerances.

The expected numbers were measured on CALVIN's own simulator (PyBullet, scene D), one per step of 1/30 s.
"""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.arm import NEUTRAL
from vlasync.envs.playtable.control import ARM_JOINTS, InverseKinematics, TargetPose
from vlasync.envs.playtable.model import load_model
from vlasync.spec import SyncSpec

X, YAW, WIDTH = 0, 5, 6


@pytest.fixture(scope="module")
def table() -> PlayTable:
    return PlayTable(cameras={})


def response(table: PlayTable, actions: np.ndarray) -> np.ndarray:
    """`[1 + n, 15]` states before and after each action, with the blocks out of the way in the cabinet."""
    blocks = [(-0.3, 0.09, 0.46, 0, 0, 1.57), (-0.2, 0.09, 0.46, 0, 0, 1.57), (-0.05, 0.09, 0.46, 0, 0, 1.57)]
    first, _ = table.reset(scene_obs=np.concatenate([np.zeros(6), *blocks]))
    return np.array([first["state"], *(table.step(action)[0]["state"] for action in actions)])


def actions(count: int, gripper: float = 1.0) -> np.ndarray:
    zeros = np.zeros((count, 7))
    zeros[:, 6] = gripper
    return zeros


def tcp_pose(model: mujoco.MjModel, joints: np.ndarray) -> tuple[np.ndarray, Rotation]:
    data = mujoco.MjData(model)
    for name, angle in zip(ARM_JOINTS, joints, strict=True):
        data.joint(name).qpos = angle
    mujoco.mj_forward(model, data)
    site = data.site("tcp")
    return site.xpos.copy(), Rotation.from_matrix(site.xmat.reshape(3, 3))


def test_calvins_first_joints_give_calvins_first_tcp_pose():
    position, rotation = tcp_pose(load_model(), np.array(NEUTRAL[7:14]))
    np.testing.assert_allclose(position, NEUTRAL[:3], atol=1e-6)
    np.testing.assert_allclose(rotation.as_euler("xyz"), NEUTRAL[3:6], atol=5e-6)


def test_one_increment_along_x(table):
    sent = actions(8)
    sent[0, X] = 1.0
    moved = response(table, sent)[1:, X] - NEUTRAL[X]
    np.testing.assert_allclose(1e3 * moved, [9.75, 15.2, 17.7, 18.9, 19.4, 19.7, 19.8, 19.8], atol=0.4)


def test_increments_along_x_in_every_step(table):
    sent = actions(6)
    sent[:, X] = 1.0
    moved = response(table, sent)[1:, X] - NEUTRAL[X]
    np.testing.assert_allclose(1e3 * moved, [9.8, 24.8, 42.3, 60.8, 79.8, 98.8], atol=4.0)


def test_one_increment_of_yaw(table):
    sent = actions(6)
    sent[0, YAW] = 1.0
    turned = response(table, sent)[1:, YAW] - NEUTRAL[YAW]
    np.testing.assert_allclose(turned, [0.022, 0.038, 0.045, 0.048, 0.049, 0.0495], atol=0.004)


def test_the_gripper_closes_and_opens_at_calvins_pace(table):
    widths = response(table, np.concatenate([actions(8, -1.0), actions(5)]))[:, WIDTH]
    assert widths[0] == pytest.approx(0.08, abs=1e-3)
    np.testing.assert_allclose(widths[1:6], [0.034, 0.015, 0.006, 0.003, 0.001], atol=0.002)
    # Opening begins faster than in CALVIN, whose fingers push with 2 N then; two steps later both agree to 5 mm.
    np.testing.assert_allclose(widths[9:14], [0.025, 0.056, 0.070, 0.076, 0.078], atol=0.025)
    np.testing.assert_allclose(widths[11:14], [0.070, 0.076, 0.078], atol=0.005)


def test_zero_actions_hold_the_pose(table):
    states = response(table, actions(360))
    np.testing.assert_allclose(states[-1, :3], states[0, :3], atol=2e-5)
    np.testing.assert_allclose(states[-1, 7:14], states[0, 7:14], atol=1e-4)


def test_a_blocked_arm_winds_its_target_up(table):
    forward, down, up, rest = actions(10), actions(11), actions(11), actions(10)
    forward[:, 1], down[:, 2], up[:, 2] = 0.6, -1.0, 1.0
    heights = response(table, np.concatenate([forward, down, up, rest]))[:, 2]
    # 22 cm of commands, 12 of which the table stops; on the way back the arm first waits for its target to come up.
    assert heights.min() > 0.44 - 0.01
    np.testing.assert_allclose(heights[22:26], heights[21], atol=0.01)
    assert heights[-1] == pytest.approx(heights[10], abs=2e-3)


def test_increments_add_to_extrinsic_euler_angles():
    target = TargetPose(np.zeros(3), np.array([3.0, 0.1, -0.2]))
    target.move(np.array([1.0, -1.0, 0.5, 1.0, 0.5, -1.0, 1.0]), SyncSpec.CALVIN)
    np.testing.assert_allclose(target.position, [0.02, -0.02, 0.01])
    np.testing.assert_allclose(target.euler, [3.05, 0.125, -0.25])


def test_inverse_kinematics_reaches_what_one_action_can_ask_for():
    model = load_model()
    rest = np.array(NEUTRAL[7:14])
    kinematics = InverseKinematics(model, rest)
    rng = np.random.default_rng(0)
    joints = rest
    position, rotation = tcp_pose(model, rest)
    for _ in range(100):
        offset = 0.02 * rng.uniform(-1, 1, 3)
        wish = NEUTRAL[:3] + 3 * offset if rng.random() < 0.1 else position + offset
        wish = np.clip(wish, np.array(NEUTRAL[:3]) - 0.1, np.array(NEUTRAL[:3]) + 0.1)
        wish = position + np.clip(wish - position, -0.02, 0.02)
        joints = kinematics.solve(joints, wish, rotation.as_euler("xyz"))
        position, reached = tcp_pose(model, joints)
        np.testing.assert_allclose(position, wish, atol=3e-4)
        assert (reached * rotation.inv()).magnitude() < 2e-3
        assert (np.abs(joints) < 3.8).all()


def test_inverse_kinematics_leaves_a_reached_pose_alone():
    rest = np.array(NEUTRAL[7:14])
    kinematics = InverseKinematics(load_model(), rest)
    solved = kinematics.solve(rest, np.array(NEUTRAL[:3]), np.array(NEUTRAL[3:6]))
    np.testing.assert_allclose(solved, rest, atol=1e-5)
