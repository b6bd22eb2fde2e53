"""CALVIN's robot, scene and cameras on PyBullet, put together without hydra and gym.

The parts are calvin_env's own classes and configs. Only the class that ties them together, `PlayTableSimEnv`, is left
out: it imports gym, hydra and OpenCV's window, which hold calvin_env on Python 3.8. What it does in `load`, `reset` and
`step` is repeated here call by call, so that physics and pixels are the same.
"""

# PyBullet, omegaconf and calvin_env are optional, and come without types.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.calvin.checkout import Checkout
from vlasync.envs.calvin.contacts import Bodies
from vlasync.envs.playtable.tasks import BLOCKS, Snapshot
from vlasync.errors import RenderingError, VlasyncError
from vlasync.spec import Camera

Renderer = Literal["egl", "cpu"]
"""egl: OpenGL, as CALVIN's recordings were drawn. cpu: Bullet's software renderer, without shadows; other pixels."""

MODULES = {
    "pybullet": "pybullet",
    "omegaconf": "omegaconf",
    "git": "gitpython",
    "quaternion": "numpy-quaternion",
    "scipy": "scipy",
}
"""What calvin_env's robot, scene and cameras import, and the packages that bring it."""

PHYSICS_RATE_HZ, CONTROL_RATE_HZ = 240, 30
GRAVITY = -9.8

ROBOT = "panda_longer_finger"


def missing_packages() -> list[str]:
    """Packages that the simulator needs and that are not installed."""
    return [package for module, package in MODULES.items() if importlib.util.find_spec(module) is None]


class Simulation:
    """One scene in one process: calvin_env addresses Bullet's first client, so opening a scene closes the one before.

    Attributes:
        bodies: Bullet's numbers of what is in the scene.
    """

    _running: ClassVar[Simulation | None] = None

    def __init__(
        self, checkout: Checkout, *, scene: str, cameras: Mapping[str, Camera], renderer: Renderer = "egl"
    ) -> None:
        """Load a scene.

        Args:
            checkout: of CALVIN.
            scene: `A` to `D`.
            cameras: sizes of the images.
            renderer: what draws them.

        Raises:
            VlasyncError: a package is missing, or the checkout is not whole.
            RenderingError: there is no EGL.
        """
        if missing := missing_packages():
            raise VlasyncError(
                f"the CALVIN simulator needs {', '.join(missing)}; `pip install {' '.join(missing)}`, "
                f"then `vlasync doctor --calvin-root {checkout.root}`"
            )
        configs = _read_configs(checkout, scene, cameras)
        if Simulation._running is not None:
            Simulation._running.close()
        self._bullet = importlib.import_module("pybullet")
        self._connect(egl=renderer == "egl" and bool(cameras))
        Simulation._running = self
        self._build(checkout, configs)
        self._load()
        self._cameras = {name: self._camera(config) for name, config in configs["cameras"].items()}
        self.images()  # OpenGL's first pictures have no shadows

    def reset(self, robot_obs: NDArray[np.float64], scene_obs: NDArray[np.float64]) -> None:
        """Put robot `[15]` and scene `[24]` into a state.

        Everything is loaded anew first (0.3 s): Bullet remembers more of earlier episodes than `restoreState` brings
        back, and so no episode depends on the one before.
        """
        self._require_running()
        self._load()
        self._scene.reset(scene_obs)
        self._robot.reset(robot_obs)
        self._robot.gripper_action = -1 if robot_obs[14] == -1 else 1
        self._bullet.stepSimulation()

    def step(self, action: NDArray[np.float64]) -> None:
        """One control step with a relative action `[7]` in world axes, whose gripper command is -1 or +1."""
        self._require_running()
        self._robot.apply_action(action)
        for _ in range(PHYSICS_RATE_HZ // CONTROL_RATE_HZ):
            self._bullet.stepSimulation()
        self._scene.step()

    @property
    def target_pose(self) -> NDArray[np.float64]:
        """`[6]` position and extrinsic xyz Euler angles that the arm is sent to; a copy."""
        return np.concatenate([self._robot.target_pos, self._robot.target_orn])

    def robot_obs(self) -> NDArray[np.float64]:
        """`[15]`, as CALVIN gives it."""
        return np.asarray(self._robot.get_observation()[0], dtype=np.float64)

    def scene_obs(self) -> NDArray[np.float64]:
        """`[24]`, as CALVIN gives it."""
        return np.asarray(self._scene.get_obs(), dtype=np.float64)

    def images(self) -> dict[str, NDArray[np.uint8]]:
        """`[H, W', 3]` of each camera, in the order that was asked for."""
        return {name: np.asarray(camera.render()[0], dtype=np.uint8) for name, camera in self._cameras.items()}

    def snapshot(self) -> Snapshot:
        """What a task's condition may ask for, at this instant."""
        bullet, blocks = self._bullet, self.bodies.blocks
        poses = [bullet.getBasePositionAndOrientation(block) for block in blocks]
        scene = self.scene_obs()
        return Snapshot(
            robot_obs=self.robot_obs(),
            scene_obs=scene,
            doors=scene[:2].copy(),
            lights=scene[4:6].astype(np.int8),
            block_pos=np.array([position for position, _ in poses]),
            block_quat=np.array([rotation for _, rotation in poses]),
            block_vel=np.array([np.concatenate(bullet.getBaseVelocity(block)) for block in blocks]),
            block_contacts=np.stack(
                [self.bodies.touched_by_block(bullet.getContactPoints(bodyA=block)) for block in blocks]
            ),
            robot_contacts=self.bodies.touched_by_robot(bullet.getContactPoints(bodyA=self.bodies.robot)),
        )

    def close(self) -> None:
        """Leave Bullet."""
        if Simulation._running is self:
            self._bullet.disconnect()
            Simulation._running = None

    def _require_running(self) -> None:
        if Simulation._running is not self:
            raise VlasyncError("this CALVIN simulation is closed; a process runs one at a time, the newest")

    def _connect(self, *, egl: bool) -> None:
        bullet = self._bullet
        bullet.connect(bullet.DIRECT)
        if egl:
            plugin = importlib.util.find_spec("eglRenderer")
            if plugin is None or bullet.loadPlugin(plugin.origin, "_eglRendererPlugin") < 0:
                bullet.disconnect()
                raise RenderingError(
                    "PyBullet found no EGL; install it (`apt-get install libegl1 libgl1-mesa-dri`), or take the CPU "
                    "renderer, whose pictures have no shadows: policies score less on them"
                )

    def _build(self, checkout: Checkout, configs: dict[str, Any]) -> None:
        """Make robot and scene of calvin_env's classes, still out of the world."""
        if (path := str(checkout.simulator)) not in sys.path:
            sys.path.insert(0, path)
        omegaconf = importlib.import_module("omegaconf")
        robot_class = importlib.import_module("calvin_env.robot.robot").Robot
        scene_class = importlib.import_module("calvin_env.scene.play_table_scene").PlayTableScene
        scene_config = configs["scene"] | {"objects": omegaconf.OmegaConf.create(configs["scene"]["objects"])}
        self._robot = robot_class(**configs["robot"], cid=0)
        self._scene = scene_class(**scene_config, p=self._bullet, cid=0, np_random=np.random.default_rng(0))

    def _load(self) -> None:
        """Put robot, then scene, into an empty world, as CALVIN does: contacts are solved in this order."""
        bullet = self._bullet
        bullet.resetSimulation()
        bullet.setPhysicsEngineParameter(deterministicOverlappingPairs=1)
        bullet.setTimeStep(1 / PHYSICS_RATE_HZ)
        bullet.setGravity(0, 0, GRAVITY)
        self._robot.load()
        self._scene.load()
        table = self._scene.fixed_objects[0].get_info()
        red, blue, pink = self._block_numbers()
        self.bodies = Bodies(
            robot=self._robot.robot_uid,
            blocks=(red, blue, pink),
            table=table["uid"],
            table_links={number: name for name, number in table["links"].items()},
        )

    def _block_numbers(self) -> list[int]:
        numbers = {block.name: block.uid for block in self._scene.movable_objects}
        return [numbers[f"block_{color}"] for color in BLOCKS]

    def _camera(self, config: dict[str, Any]) -> Any:
        """A camera by calvin_env's class for it, `static` or `gripper`."""
        module = importlib.import_module(f"calvin_env.camera.{config['name']}_camera")
        camera_class = getattr(module, f"{config['name'].capitalize()}Camera")
        return camera_class(**config, cid=0, robot_id=self._robot.robot_uid, objects=[])


def _read_configs(checkout: Checkout, scene: str, cameras: Mapping[str, Camera]) -> dict[str, Any]:
    """The arguments of robot, scene and cameras, from calvin_env's config files and their references to one another."""
    omegaconf = importlib.import_module("omegaconf").OmegaConf

    def load(file: Path) -> Any:
        return omegaconf.load(file)

    configs = omegaconf.create(
        {
            "data_path": str(checkout.data),
            "robot": omegaconf.merge(load(checkout.config("robot/panda")), load(checkout.config(f"robot/{ROBOT}"))),
            "scene": load(checkout.scene_config(scene)),
            "cameras": {
                name: omegaconf.merge(
                    load(checkout.config(f"cameras/cameras/{name}")), {"width": size.width, "height": size.height}
                )
                for name, size in cameras.items()
            },
        }
    )
    plain = omegaconf.to_container(configs, resolve=True)
    for arguments in (plain["robot"], plain["scene"], *plain["cameras"].values()):
        for hydra_key in ("_target_", "_recursive_", "defaults"):
            arguments.pop(hydra_key, None)
    return plain
