"""The real CALVIN simulator behind the play table's interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from vlasync.envs.calvin.checkout import Checkout
from vlasync.envs.calvin.simulation import Renderer, Simulation
from vlasync.envs.playtable.layouts import DEFAULT_SCENE, find_layout
from vlasync.envs.playtable.starts import requested_state
from vlasync.envs.playtable.tasks import Snapshot
from vlasync.envs.spaces import ActionSpace, observation_space, require_action, require_cameras
from vlasync.spec import Camera, SyncSpec


class CalvinEnv(gymnasium.Env[dict[str, Any], NDArray[Any]]):
    """CALVIN's table in PyBullet: observations, actions and snapshots as those of `PlayTable`.

    Attributes:
        sync_spec: what observations and actions mean.
        layout: where things stand in this scene.
        checkout: where the simulator and its sentences are.
    """

    metadata: dict[str, Any] = {"render_modes": [], "render_fps": 30}  # noqa: RUF012  # as in Gymnasium

    def __init__(
        self,
        root: Path,
        *,
        scene: str = DEFAULT_SCENE,
        cameras: Mapping[str, Camera] | None = None,
        renderer: Renderer = "egl",
    ) -> None:
        """Load the simulator.

        Args:
            root: of the user's checkout of CALVIN.
            scene: `A` to `D`.
            cameras: sizes of `static` and `gripper` images; CALVIN's by default, `{}` for no images.
            renderer: what draws the images.

        Raises:
            RenderingError: images are asked for and there is no EGL.
            VlasyncError: the checkout, a package, the scene or a camera is not there.
        """
        cameras = SyncSpec.CALVIN.cameras if cameras is None else dict(cameras)
        require_cameras(cameras, where="CalvinEnv")
        self.checkout = Checkout.find(root)
        self.layout = find_layout(scene)
        self.sync_spec = SyncSpec.CALVIN.replace(action_mode="relative_to_target", cameras=cameras)
        self.action_space = ActionSpace()
        self.observation_space = observation_space(cameras)
        self._simulation = Simulation(self.checkout, scene=scene, cameras=cameras, renderer=renderer)

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,
        robot_obs: NDArray[np.float64] | None = None,
        scene_obs: NDArray[np.float64] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Put the table into a state; as in CALVIN one physics step passes before the first observation.

        Args:
            seed: of the blocks' places.
            options: `robot_obs` and `scene_obs` may also be given here, Gymnasium's way.
            robot_obs: `[15]`, of which joints, gripper width and command bind; CALVIN's neutral pose by default.
            scene_obs: `[24]`; random blocks by default.

        Returns:
            Observation and an empty info.
        """
        super().reset(seed=seed)
        self._simulation.reset(*requested_state(robot_obs, scene_obs, options, self.np_random, self.layout))
        return self._observe(), {}

    def step(self, action: NDArray[Any]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Move the target pose by a relative action `[7]`, command the gripper, and let 1/30 s pass.

        Raises:
            VlasyncError: the action is not 7 finite numbers, or the gripper command is not -1 or +1.
        """
        self._simulation.step(require_action(action, self.sync_spec))
        return self._observe(), 0.0, False, False, {}

    @property
    def target_pose(self) -> NDArray[np.float64]:
        """`[6]` pose that the arm is sent to, position and extrinsic xyz Euler angles in world axes; a copy."""
        return self._simulation.target_pose

    def snapshot(self) -> Snapshot:
        """What a task's condition may ask for, at this instant."""
        return self._simulation.snapshot()

    def close(self) -> None:
        """Leave Bullet."""
        self._simulation.close()

    def _observe(self) -> dict[str, Any]:
        simulation = self._simulation
        return {"images": simulation.images(), "state": simulation.robot_obs(), "scene": simulation.scene_obs()}
