"""What the expert reads from an observation, and the directions it thinks in. Metres, radians, world frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.layouts import Layout
from vlasync.envs.playtable.tasks import BLOCKS
from vlasync.spec import SyncSpec
from vlasync.types import Observation

Vector = NDArray[np.float64]

RIGHT, AWAY, UP = np.eye(3)
OPEN, CLOSED = SyncSpec.CALVIN.gripper_open, SyncSpec.CALVIN.gripper_closed

_STATE_PARTS = ("tcp_position", "tcp_euler", "gripper_width", "gripper_command")
# Widths of a gripper that has closed on a block, which is 0.04 m thick.
_GRASP_WIDTH = (0.02, 0.06)
# A block whose centre is no further than this from the TCP is between the fingers.
_IN_HAND = 0.035


def point(x: float, y: float, z: float) -> Vector:
    """`[3]`."""
    return np.array([x, y, z])


@dataclass(frozen=True, kw_only=True)
class View:
    """What the expert knows.

    Attributes:
        tcp: `[3]` position of the TCP.
        euler: `[3]` its extrinsic xyz Euler angles.
        width: opening of the gripper.
        closing: whether the last command was to close it.
        scene: `[24]` CALVIN's `scene_obs`.
        layout: where the fixtures stand.
    """

    tcp: Vector
    euler: Vector
    width: float
    closing: bool
    scene: Vector
    layout: Layout

    @classmethod
    def of(cls, observation: Observation, layout: Layout) -> View:
        """Read the state by the names of CALVIN's layout."""
        if observation.scene is None:
            raise ValueError("the expert needs the simulator's state (Observation.scene), got None")
        part = {name: observation.state[SyncSpec.CALVIN.state_slice(name)] for name in _STATE_PARTS}
        return cls(
            tcp=part["tcp_position"],
            euler=part["tcp_euler"],
            width=float(part["gripper_width"][0]),
            closing=bool(part["gripper_command"][0] == CLOSED),
            scene=observation.scene,
            layout=layout,
        )

    @property
    def slider(self) -> float:
        """Joint position of the sliding door, which grows to the left."""
        return float(self.scene[0])

    @property
    def drawer(self) -> float:
        """Joint position of the drawer, which grows as it opens."""
        return float(self.scene[1])

    @property
    def switch(self) -> float:
        """Joint position of the switch, which grows upwards."""
        return float(self.scene[3])

    def center(self, color: str) -> Vector:
        """Centre `[3]` of a block."""
        return self.scene[self._column(color) :][:3]

    def block_euler(self, color: str) -> Vector:
        """Extrinsic xyz Euler angles `[3]` of a block."""
        return self.scene[self._column(color) + 3 :][:3]

    def nearest_block(self) -> str:
        """Colour of the block whose centre is nearest to the TCP."""
        return min(BLOCKS, key=lambda color: float(np.linalg.norm(self.center(color) - self.tcp)))

    def grasped(self) -> str | None:
        """Colour of the block that the fingers have closed on."""
        color = self.nearest_block()
        near = bool(np.linalg.norm(self.center(color) - self.tcp) < _IN_HAND)
        return color if near and self.closing and _GRASP_WIDTH[0] < self.width < _GRASP_WIDTH[1] else None

    def others(self, color: str) -> list[Vector]:
        """Centres `[3]` of the other two blocks."""
        return [self.center(other) for other in BLOCKS if other != color]

    @staticmethod
    def _column(color: str) -> int:
        return 6 + 6 * BLOCKS.index(color)
