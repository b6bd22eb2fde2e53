"""The play table as a Gymnasium environment with CALVIN's timing, observations and actions.

One step is 8 physics steps of 1/240 s with constant joint targets, then the logic of button, switch and lights, then
the observation: 30 Hz. Rewards are 0 and episodes have no end; `tasks.achieved` judges between two snapshots.
"""

# MuJoCo's compiled modules ship without stubs.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vlasync.envs.playtable.arm import NEUTRAL
from vlasync.envs.playtable.contacts import ContactReader
from vlasync.envs.playtable.control import ARM_JOINTS, FINGER_JOINTS, FINGER_OPEN_M, InverseKinematics, TargetPose
from vlasync.envs.playtable.layouts import DEFAULT_SCENE, Layout, find_layout
from vlasync.envs.playtable.model import load_model
from vlasync.envs.playtable.rendering import CameraRenderer
from vlasync.envs.playtable.starts import requested_state
from vlasync.envs.playtable.tasks import BLOCKS, Snapshot
from vlasync.envs.spaces import ActionSpace, observation_space, require_action, require_cameras
from vlasync.errors import VlasyncError
from vlasync.spec import Camera, SyncSpec

PHYSICS_STEPS = 8
SCENE_JOINTS = ("slider", "drawer", "button", "switch")

# Joint positions, m, at which the button toggles the LED and the switch turns the bulb on or off.
BUTTON_PRESSED, SWITCH_ON = 0.010, 0.044

LIGHT_OFF = (1.0, 1.0, 1.0, 1.0)
BULB_ON = (1.0, 1.0, 0.0, 1.0)
LED_ON = (0.0, 1.0, 0.0, 1.0)


class PlayTable(gymnasium.Env[dict[str, Any], NDArray[np.float64]]):
    """A Franka Panda at a table: that of one of CALVIN's scenes A to D, or of a layout of your own.

    Observations are dicts that make a `vlasync.types.Observation`: `images` (camera -> `[H, W', 3]` uint8), `state`
    `[15]` (CALVIN's `robot_obs`) and `scene` `[24]` (`scene_obs`). Actions are `[7]`: an increment of the target pose
    in world axes, in units of 0.02 m and 0.05 rad, and a gripper command that is exactly -1 (close) or +1 (open).

    Attributes:
        sync_spec: what observations and actions mean.
        layout: where things stand in this scene.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012  # as in Gymnasium

    def __init__(
        self,
        *,
        scene: str | Layout = DEFAULT_SCENE,
        cameras: Mapping[str, Camera] | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Build the simulation.

        Args:
            scene: one of `layouts.LAYOUTS`, or a layout of your own.
            cameras: sizes of `static` and `gripper` images; CALVIN's by default, `{}` for no images.
            render_mode: `rgb_array` lets `render()` return the static camera's image.

        Raises:
            RenderingError: images are asked for and no headless OpenGL is installed.
            VlasyncError: there is no such scene, no such camera, or the render mode cannot be had.
        """
        self.layout = scene if isinstance(scene, Layout) else find_layout(scene)
        cameras = SyncSpec.CALVIN.cameras if cameras is None else dict(cameras)
        require_cameras(cameras, where="PlayTable")
        if render_mode not in (None, "rgb_array") or (render_mode and "static" not in cameras):
            raise VlasyncError(
                f"PlayTable: render_mode={render_mode!r}; expected 'rgb_array' with a static camera, or None"
            )
        self.sync_spec = SyncSpec.CALVIN.replace(action_mode="relative_to_target", cameras=cameras)
        self.render_mode = render_mode
        self._model = load_model(self.layout)
        self._data = mujoco.MjData(self._model)
        self._renderer = CameraRenderer(self._model, cameras)
        self._contacts = ContactReader(self._model)
        self._ik = InverseKinematics(self._model, np.array(NEUTRAL[7:14]))
        self._index()
        self._bulb = self._led = False
        self._button_down = self._switch_on = False
        self._set_state(np.array(NEUTRAL), np.zeros(24))
        self.action_space = ActionSpace()
        self.observation_space = observation_space(cameras)

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,
        robot_obs: NDArray[np.float64] | None = None,
        scene_obs: NDArray[np.float64] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Put the table into a state: a given one, or blocks at random with everything else at rest.

        As in CALVIN one physics step passes before the first observation. Unlike there, the gripper command that the
        observation shows is the given one and not a leftover of the previous episode, so that episodes do not depend on
        one another.

        Args:
            seed: of the blocks' places.
            options: `robot_obs` and `scene_obs` may also be given here, Gymnasium's way.
            robot_obs: `[15]`, of which joints, gripper width and command bind; CALVIN's neutral pose by default.
            scene_obs: `[24]`; random blocks by default.

        Returns:
            Observation and an empty info.
        """
        super().reset(seed=seed)
        self._set_state(*requested_state(robot_obs, scene_obs, options, self.np_random, self.layout))
        return self._observe(), {}

    def step(self, action: NDArray[np.float64]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Move the target pose by a relative action `[7]`, command the gripper, and let 1/30 s pass.

        Raises:
            VlasyncError: the action is not 7 finite numbers, or the gripper command is not -1 or +1.
        """
        action = require_action(action, self.sync_spec)
        self._target.move(action, self.sync_spec)
        self._command = float(action[6])
        self._joint_target = self._ik.solve(self._joint_target, self._target.position, self._target.euler)
        self._data.ctrl[:7] = self._joint_target
        self._data.ctrl[7:] = FINGER_OPEN_M if self._command == self.sync_spec.gripper_open else 0.0
        mujoco.mj_step(self._model, self._data, nstep=PHYSICS_STEPS)
        self._refresh()
        self._switch_lights()
        return self._observe(), 0.0, False, False, {}

    @property
    def target_pose(self) -> NDArray[np.float64]:
        """`[6]` pose that the arm is sent to, position and extrinsic xyz Euler angles in world axes; a copy."""
        return np.concatenate([self._target.position, self._target.euler])

    def snapshot(self) -> Snapshot:
        """What a task's condition may ask for, at this instant."""
        data = self._data
        poses = data.qpos[self._block_positions]  # [3, 7], quaternion wxyz
        return Snapshot(
            robot_obs=self._robot_obs(),
            scene_obs=self._scene_obs(),
            doors=data.qpos[self._scene_positions[:2]].copy(),
            lights=np.array([self._bulb, self._led], dtype=np.int8),
            block_pos=poses[:, :3].copy(),
            block_quat=np.roll(poses[:, 3:], -1, axis=1),
            block_vel=np.stack([self._block_velocity(body) for body in self._block_bodies]),
            block_contacts=self._contacts.block_contacts(data),
            robot_contacts=self._contacts.robot_contacts(data),
        )

    def render(self) -> NDArray[np.uint8] | None:
        """The static camera's image `[H, W', 3]` in `rgb_array` mode."""
        return self._renderer.render(self._data, "static") if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Free the OpenGL contexts."""
        self._renderer.close()

    def _index(self) -> None:
        """Look up where the state of arm, fingers, fixtures and blocks lies."""
        model = self._model
        self._tcp = model.site("tcp").id
        self._arm_positions = [model.joint(name).qposadr[0] for name in ARM_JOINTS]
        self._finger_positions = [model.joint(name).qposadr[0] for name in FINGER_JOINTS]
        self._scene_positions = [model.joint(name).qposadr[0] for name in SCENE_JOINTS]
        self._block_positions = np.array(
            [model.joint(f"block_{color}").qposadr[0] + np.arange(7) for color in BLOCKS]
        )  # [3, 7]
        self._block_bodies = [model.body(f"block_{color}").id for color in BLOCKS]
        self._bulb_geom, self._led_geom = model.geom("bulb").id, model.geom("led").id

    def _set_state(self, robot: NDArray[np.float64], scene: NDArray[np.float64]) -> None:
        data = self._data
        mujoco.mj_resetData(self._model, data)
        data.qpos[self._arm_positions] = self._joint_target = robot[7:14].copy()
        data.qpos[self._finger_positions] = robot[6] / 2
        data.qpos[self._scene_positions] = scene[:4]
        self._bulb, self._led = bool(scene[4]), bool(scene[5])
        self._button_down, self._switch_on = bool(scene[2] > BUTTON_PRESSED), bool(scene[3] > SWITCH_ON)
        for columns, pose in zip(self._block_positions, scene[6:].reshape(3, 6), strict=True):
            data.qpos[columns[:3]] = pose[:3]
            data.qpos[columns[3:]] = Rotation.from_euler("xyz", pose[3:]).as_quat(scalar_first=True)
        closed = robot[14] == self.sync_spec.gripper_closed
        self._command = self.sync_spec.gripper_closed if closed else self.sync_spec.gripper_open
        data.ctrl[:7] = self._joint_target
        data.ctrl[7:] = robot[6] / 2
        mujoco.mj_forward(self._model, data)
        self._target = TargetPose(*self._tcp_pose())
        mujoco.mj_step(self._model, data)
        self._refresh()
        self._colour_lights()

    def _refresh(self) -> None:
        """Bring poses and contacts up to the positions after the last physics step."""
        mujoco.mj_fwdPosition(self._model, self._data)
        mujoco.mj_comVel(self._model, self._data)

    def _switch_lights(self) -> None:
        """A press of the button toggles the LED; the bulb follows the switch when it crosses its middle."""
        button, switch = self._data.qpos[self._scene_positions[2:]]
        if (pressed := bool(button > BUTTON_PRESSED)) != self._button_down:
            self._button_down = pressed
            self._led ^= pressed
        if (on := bool(switch > SWITCH_ON)) != self._switch_on:
            self._switch_on = self._bulb = on
        self._colour_lights()

    def _colour_lights(self) -> None:
        self._model.geom_rgba[self._bulb_geom] = BULB_ON if self._bulb else LIGHT_OFF
        self._model.geom_rgba[self._led_geom] = LED_ON if self._led else LIGHT_OFF

    def _observe(self) -> dict[str, Any]:
        images = {name: self._renderer.render(self._data, name) for name in self.sync_spec.cameras}
        return {"images": images, "state": self._robot_obs(), "scene": self._scene_obs()}

    def _tcp_pose(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position `[3]` and extrinsic xyz Euler angles `[3]` of the TCP in the world frame."""
        rotation = Rotation.from_matrix(self._data.site_xmat[self._tcp].reshape(3, 3))
        return self._data.site_xpos[self._tcp].copy(), rotation.as_euler("xyz", suppress_warnings=True)

    def _robot_obs(self) -> NDArray[np.float64]:
        qpos = self._data.qpos
        width = qpos[self._finger_positions].sum()
        return np.concatenate([*self._tcp_pose(), [width], qpos[self._arm_positions], [self._command]])

    def _scene_obs(self) -> NDArray[np.float64]:
        qpos = self._data.qpos
        poses = qpos[self._block_positions]
        euler = Rotation.from_quat(poses[:, 3:], scalar_first=True).as_euler("xyz", suppress_warnings=True)
        blocks = np.concatenate([poses[:, :3], euler], axis=1).reshape(18)
        return np.concatenate([qpos[self._scene_positions], [self._bulb, self._led], blocks])

    def _block_velocity(self, body: int) -> NDArray[np.float64]:
        """`[6]` linear (m/s), then angular (rad/s) velocity in world axes; MuJoCo gives them the other way round."""
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(self._model, self._data, mujoco.mjtObj.mjOBJ_BODY, body, velocity, 0)
        return np.roll(velocity, 3)
