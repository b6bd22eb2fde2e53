"""Which bodies of the play table touch, in the columns that the task conditions use."""

# MuJoCo's compiled modules ship without stubs.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.tasks import BLOCKS, CONTACT_PARTNERS, ROBOT_CONTACT_BODIES

ROBOT, TABLE, PLANE = "robot", "table", "plane"


class ContactReader:
    """Reads a simulation's contact pairs; pairs within the model's contact gap (0.5 mm) count, as they do in Bullet."""

    def __init__(self, model: mujoco.MjModel) -> None:
        names = [_partner(model, model.geom_bodyid[geom]) for geom in range(model.ngeom)]
        self._partner = np.array([CONTACT_PARTNERS.index(name) for name in names])
        self._robot_body = np.array([_robot_column(name) for name in names])

    def block_contacts(self, data: mujoco.MjData) -> NDArray[np.bool_]:
        """`[3, 13]`, whether a block touches each of `CONTACT_PARTNERS`."""
        found = np.zeros((len(BLOCKS), len(CONTACT_PARTNERS)), dtype=bool)
        for one, other in self._pairs(data):
            for geom, against in ((one, other), (other, one)):
                name = CONTACT_PARTNERS[self._partner[geom]]
                if name.startswith("block_"):
                    found[BLOCKS.index(name.removeprefix("block_")), self._partner[against]] = True
        return found

    def robot_contacts(self, data: mujoco.MjData) -> NDArray[np.bool_]:
        """`[6]`, whether the robot touches each of `ROBOT_CONTACT_BODIES`."""
        found = np.zeros(len(ROBOT_CONTACT_BODIES), dtype=bool)
        robot = CONTACT_PARTNERS.index(ROBOT)
        for one, other in self._pairs(data):
            for geom, against in ((one, other), (other, one)):
                if self._partner[geom] == robot:
                    found[self._robot_body[against]] = True
        return found

    @staticmethod
    def _pairs(data: mujoco.MjData) -> NDArray[np.int32]:
        """`[n, 2]` geoms of each contact."""
        return data.contact.geom[: data.ncon]


def _partner(model: mujoco.MjModel, body: int) -> str:
    """The name under which the task conditions know a body."""
    name = model.body(body).name
    if name == "world":
        return PLANE
    if name.startswith("block_"):
        return name
    return f"{TABLE}/{name}" if name.endswith("_link") else ROBOT


def _robot_column(partner: str) -> int:
    name = TABLE if partner.startswith(TABLE) else {ROBOT: "robot_self"}.get(partner, partner)
    return ROBOT_CONTACT_BODIES.index(name)
