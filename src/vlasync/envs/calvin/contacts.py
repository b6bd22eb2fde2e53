"""Bullet's contact points in the columns that the task conditions use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.tasks import CONTACT_PARTNERS, ROBOT_CONTACT_BODIES

_BODY_B, _LINK_B = 2, 4
"""Places of the other body and its link in what `pybullet.getContactPoints(bodyA=...)` gives for each point."""


@dataclass(frozen=True, kw_only=True)
class Bodies:
    """Bullet's numbers of the bodies in a scene.

    Attributes:
        robot: the robot.
        blocks: red, blue and pink block.
        table: the table.
        table_links: number of each link of the table to its name; -1 is its base.
    """

    robot: int
    blocks: tuple[int, int, int]
    table: int
    table_links: Mapping[int, str]

    def partner(self, body: int, link: int) -> str:
        """Which of `CONTACT_PARTNERS` a body and its link are; what is nothing else is the floor."""
        if body == self.robot:
            return "robot"
        if body == self.table:
            return f"table/{self.table_links[link]}"
        return ("block_red", "block_blue", "block_pink")[self.blocks.index(body)] if body in self.blocks else "plane"

    def touched_by_block(self, points: Sequence[Sequence[Any]]) -> NDArray[np.bool_]:
        """`[13]`, whether a block with these contact points touches each of `CONTACT_PARTNERS`."""
        touched = {self.partner(point[_BODY_B], point[_LINK_B]) for point in points}
        return np.array([name in touched for name in CONTACT_PARTNERS])

    def touched_by_robot(self, points: Sequence[Sequence[Any]]) -> NDArray[np.bool_]:
        """`[6]`, whether a robot with these contact points touches each of `ROBOT_CONTACT_BODIES`."""
        touched = {self.partner(point[_BODY_B], point[_LINK_B]).split("/")[0] for point in points}
        return np.array([("robot" if name == "robot_self" else name) in touched for name in ROBOT_CONTACT_BODIES])
