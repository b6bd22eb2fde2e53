"""The play table as an environment: timing, resets, lights, contacts, and what it refuses."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.arm import NEUTRAL
from vlasync.envs.playtable.expert import Expert
from vlasync.envs.playtable.starts import sample_start
from vlasync.envs.playtable.tasks import BLOCKS
from vlasync.errors import VlasyncError
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Observation

# One block on the table, one in the cabinet, one in the open drawer, whose floor is 10 cm lower.
ON_TABLE, IN_CABINET, IN_DRAWER = (0.03, -0.12, 0.46), (-0.24, 0.09, 0.46), (0.15, -0.30, 0.36)
DRAWER_OPEN = 0.22


def scene(*places: tuple[float, float, float], drawer: float = DRAWER_OPEN) -> np.ndarray:
    blocks = [[*place, 0, 0, np.pi / 2] for place in places]
    return np.concatenate([[0, drawer, 0, 0, 0, 0], *blocks])


def action(gripper: float = 1.0, **increments: float) -> np.ndarray:
    names = ("x", "y", "z", "roll", "pitch", "yaw")
    return np.array([*(increments.get(name, 0.0) for name in names), gripper])


def move(table: PlayTable, metres: tuple[float, float, float], gripper: float = 1.0) -> None:
    """Send the target along a straight line, then wait until the arm is there."""
    steps = max(1, int(np.ceil(np.abs(metres).max() / 0.02)))
    x, y, z = np.array(metres) / 0.02 / steps
    for _ in range(steps):
        table.step(action(gripper, x=x, y=y, z=z))
    for _ in range(10):
        table.step(action(gripper))


@pytest.fixture(scope="module")
def table() -> PlayTable:
    return PlayTable(cameras={})


@pytest.mark.filterwarnings("ignore:.*(infinity|not having a spec).*")
def test_gymnasium_accepts_it():
    # The checker wonders that states have no bounds, and that the table is not in Gymnasium's registry.
    small = {"static": Camera(height=16, width=24), "gripper": Camera(height=16, width=16)}
    table = PlayTable(cameras=small, render_mode="rgb_array")
    check_env(table)
    table.close()


def test_actions_of_the_space_are_those_that_step_takes(table):
    table.reset(seed=0)
    table.action_space.seed(0)
    for _ in range(20):
        drawn = table.action_space.sample()
        assert drawn in table.action_space
        table.step(drawn)
    assert np.zeros(7) not in table.action_space


def test_the_spec_says_that_increments_move_the_target(table):
    assert table.sync_spec.action_mode == "relative_to_target"
    differing = {item.field for item in table.sync_spec.difference(SyncSpec.CALVIN)}
    assert differing == {"action_mode", "cameras"}
    assert all(item.convertible for item in table.sync_spec.difference(SyncSpec.CALVIN) if item.field != "cameras")


def test_the_same_seed_and_actions_give_the_same_bytes():
    cameras = {"static": Camera(height=48, width=48), "gripper": Camera(height=32, width=32)}
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 7))
    actions[:, 6] = np.sign(actions[:, 6])
    runs = []
    for table in (PlayTable(cameras=cameras), PlayTable(cameras=cameras)):
        seen = [table.reset(seed=5)[0], *(table.step(one)[0] for one in actions)]
        again = [table.reset(seed=5)[0], *(table.step(one)[0] for one in actions)]
        runs += [seen, again]
        table.close()
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            np.testing.assert_array_equal(one["state"], other["state"])
            np.testing.assert_array_equal(one["scene"], other["scene"])
            for name in cameras:
                np.testing.assert_array_equal(one["images"][name], other["images"][name])


def test_a_recorded_frame_is_restored(table, shared_data: Path):
    frames = sorted((shared_data / "calvin_sample" / "training").glob("episode_*.npz"))[::25]
    for path in frames:
        with np.load(path, allow_pickle=False) as frame:
            robot_obs, scene_obs = frame["robot_obs"], frame["scene_obs"]
        seen, _ = table.reset(robot_obs=robot_obs, scene_obs=scene_obs)
        angles = np.r_[3:6]
        turned = (seen["state"][angles] - robot_obs[angles] + np.pi) % (2 * np.pi) - np.pi
        np.testing.assert_allclose(np.delete(seen["state"] - robot_obs, angles), 0, atol=3e-3)
        np.testing.assert_allclose(turned, 0, atol=4e-3)
        # Within one physics step a block that the fingers hold may turn by a degree and a half.
        blocks, recorded = (values[6:].reshape(3, 6) for values in (seen["scene"], scene_obs))
        np.testing.assert_allclose(seen["scene"][:6], scene_obs[:6], atol=2e-3)
        np.testing.assert_allclose(blocks[:, :3], recorded[:, :3], atol=5e-3)
        np.testing.assert_allclose((blocks - recorded + np.pi)[:, 3:] % (2 * np.pi) - np.pi, 0, atol=0.03)


def test_a_reset_forgets_the_episode_before(table):
    robot_obs, scene_obs = sample_start("push_red_block_left", np.random.default_rng(2))
    first, _ = table.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    move(table, (0.05, 0.1, -0.1), gripper=-1.0)
    again, _ = table.reset(options={"robot_obs": robot_obs, "scene_obs": scene_obs})
    np.testing.assert_array_equal(first["state"], again["state"])
    np.testing.assert_array_equal(first["scene"], again["scene"])


def test_random_starts_differ_and_leave_the_blocks_at_rest(table):
    first, _ = table.reset(seed=1)
    second, _ = table.reset()
    assert not np.array_equal(first["scene"], second["scene"])
    for _ in range(30):
        seen, *_ = table.step(action())
    heights = seen["scene"][6:].reshape(3, 6)[:, 2]
    np.testing.assert_allclose(heights, 0.46, atol=1e-3)
    assert all(table.snapshot().rests(block) for block in range(len(BLOCKS)))


def test_random_actions_do_not_blow_it_up(table):
    rng = np.random.default_rng(0)
    table.reset(seed=0)
    table.action_space.seed(0)
    for step in range(2000):
        drift = rng.uniform(-1, 1, 3) if step % 40 == 0 else drift  # noqa: F821  # set in step 0
        drawn = table.action_space.sample()
        drawn[:3] = np.clip(drawn[:3] + drift, -1, 1)
        seen, *_ = table.step(drawn)
        assert np.isfinite(seen["state"]).all()
        assert np.isfinite(seen["scene"]).all()
        x, y, z = seen["scene"][6:].reshape(3, 6)[:, :3].T
        assert np.abs([x, y]).max() < 3.0
        assert z.min() > 0.0
        assert z.max() < 1.5
        assert np.abs(seen["state"][:3]).max() < 1.5


def test_the_led_toggles_once_for_each_press(table):
    table.reset(scene_obs=scene(ON_TABLE, IN_CABINET, IN_DRAWER, drawer=0.0))
    move(table, (-0.146, 0.111, -0.05), gripper=-1.0)
    states = []
    for _ in range(2):
        move(table, (0, 0, -0.05), gripper=-1.0)
        pressed, *_ = table.step(action(-1.0))
        assert pressed["scene"][2] > 0.010
        move(table, (0, 0, 0.05), gripper=-1.0)
        released, *_ = table.step(action(-1.0))
        assert released["scene"][2] < 0.002
        states += [pressed["scene"][5], released["scene"][5]]
    assert states == [1, 1, 0, 0]


@pytest.mark.parametrize("task", ["turn_on_lightbulb", "turn_off_lightbulb"])
def test_the_bulb_follows_the_switch(table, task):
    robot_obs, scene_obs = sample_start(task, np.random.default_rng(0))
    raw, _ = table.reset(robot_obs=robot_obs, scene_obs=scene_obs)
    expert, seen = Expert(task), []
    for _ in range(60):
        raw, *_ = table.step(expert.act(Observation(**raw)))
        seen.append(raw["scene"][3:5])
    switch, bulb = np.array(seen).T
    np.testing.assert_array_equal(bulb, switch > 0.044)
    assert set(bulb) == {0, 1}


def test_lights_are_restored_whatever_the_joints_say(table):
    given = scene(ON_TABLE, IN_CABINET, IN_DRAWER)
    given[4:6] = 1.0  # both on, with the switch down
    table.reset(scene_obs=given)
    seen, *_ = table.step(action())
    np.testing.assert_array_equal(seen["scene"][4:6], [1, 1])
    np.testing.assert_array_equal(table.snapshot().lights, [1, 1])


def test_contacts_name_what_carries_a_block(table):
    table.reset(scene_obs=scene(ON_TABLE, IN_CABINET, IN_DRAWER))
    for _ in range(20):
        table.step(action())
    seen = table.snapshot()
    assert [seen.touched(block) for block in range(3)] == [
        {"table/base_link"},
        {"table/plank_link"},
        {"table/drawer_link"},
    ]
    assert not seen.robot_contacts.any()


def test_contacts_of_stacked_and_fallen_blocks(table):
    stacked, fallen = (*ON_TABLE[:2], 0.50), (0.8, -0.8, 0.02)
    table.reset(scene_obs=scene(ON_TABLE, stacked, fallen))
    for _ in range(20):
        table.step(action())
    seen = table.snapshot()
    assert [seen.touched(block) for block in range(3)] == [
        {"table/base_link", "block_blue"},
        {"block_red"},
        {"plane"},
    ]


def test_a_lifted_block_touches_the_robot_alone(table):
    table.reset(scene_obs=scene(ON_TABLE, IN_CABINET, IN_DRAWER, drawer=0.0))
    move(table, (0, 0.11, 0))
    move(table, (0, 0, -0.107))
    move(table, (0, 0, 0), gripper=-1.0)
    held = table.snapshot()
    assert "robot" in held.touched(0)
    move(table, (0, 0, 0.10), gripper=-1.0)
    lifted = table.snapshot()
    assert lifted.touched(0) == {"robot"}
    assert lifted.block_pos[0, 2] > 0.54
    np.testing.assert_array_equal(lifted.robot_contacts, [True, False, False, False, False, False])


def test_a_snapshot_is_what_the_observation_says(table):
    seen, _ = table.reset(seed=3)
    snapshot = table.snapshot()
    before = dataclasses.asdict(snapshot)
    np.testing.assert_array_equal(snapshot.robot_obs, seen["state"])
    np.testing.assert_array_equal(snapshot.scene_obs, seen["scene"])
    np.testing.assert_array_equal(snapshot.block_pos, seen["scene"][6:].reshape(3, 6)[:, :3])
    move(table, (0.1, 0.1, -0.1))
    for name, values in before.items():
        np.testing.assert_array_equal(getattr(snapshot, name), values)  # later steps leave it alone


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros(7), r"action\[6\] is 0.0"),
        (action(0.99), r"action\[6\] is 0.99"),
        (np.ones(6), "expected 7 finite"),
        (action(x=np.nan), "expected 7 finite"),
    ],
)
def test_wrong_actions_are_refused(table, wrong, message):
    table.reset(seed=0)
    with pytest.raises(VlasyncError, match=message):
        table.step(wrong)


def test_wrong_resets_and_settings_are_refused(table):
    with pytest.raises(VlasyncError, match="robot_obs"):
        table.reset(robot_obs=np.array(NEUTRAL[:14]))
    with pytest.raises(VlasyncError, match="scene_obs"):
        table.reset(scene_obs=np.full(24, np.inf))
    with pytest.raises(VlasyncError, match="no camera 'wrist'"):
        PlayTable(cameras={"wrist": Camera(height=8, width=8)})
    with pytest.raises(VlasyncError, match="render_mode='rgb_array'"):
        PlayTable(cameras={}, render_mode="rgb_array")


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def test_without_opengl_there_are_no_images_but_there_is_physics():
    code = (
        "import ctypes.util; ctypes.util.find_library = lambda name: None\n"
        "from vlasync.envs.playtable import PlayTable\n"
        "PlayTable(cameras={}).reset(seed=0); print('physics works')\n"
        "PlayTable()"
    )
    output = run_python(code)
    assert "physics works" in output
    assert "RenderingError: no OpenGL that works without a screen was found; install one: `apt-get" in output


def test_a_program_that_has_imported_mujoco_gets_images():
    code = "import mujoco\nfrom vlasync.envs.playtable import PlayTable\nprint(PlayTable().reset()[0]['images'].keys())"
    assert "dict_keys(['static', 'gripper'])" in run_python(code)


def test_an_unknown_backend_is_one_clear_error():
    output = run_python("import vlasync.envs.playtable", MUJOCO_GL="bogus")
    assert "RenderingError: MUJOCO_GL=bogus" in output
    assert "unset it" in output
