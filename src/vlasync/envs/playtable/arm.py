"""Where the arm stands at a start: near CALVIN's neutral pose, or anywhere by inverse kinematics.

Metres, radians, world frame.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from vlasync.envs.playtable.control import InverseKinematics
from vlasync.envs.playtable.model import load_model

# CALVIN's start of every evaluation chain: TCP position and extrinsic xyz Euler angles, gripper width, seven joints,
# gripper command.
_NEUTRAL_TCP = (0.02586889, -0.2313129, 0.5712808, 3.09045411, -0.02908596, 1.50013585)
_NEUTRAL_JOINTS = (-1.21779124, 1.03987629, 2.11978254, -2.34205014, -0.87015899, 1.64119093, 0.55344928)
NEUTRAL = (*_NEUTRAL_TCP, 0.07999963, *_NEUTRAL_JOINTS, 1.0)
"""`robot_obs [15]` of CALVIN's neutral arm."""

# Pseudo-inverse of the Panda's TCP Jacobian at the neutral joints, rotation held: radians per metre along x, y, z.
# Over +-5 cm the TCP lands within 1 cm of the wish and tilts by less than 2 degrees.
_JOINTS_PER_METRE = np.array(
    [
        (1.196, -0.904, -1.996, 2.362, -0.695, 0.235, -1.523),
        (2.655, -1.829, -1.055, 1.364, 0.383, 1.031, 1.152),
        (0.214, -0.352, 1.671, 1.882, 1.418, -1.860, -0.448),
    ]
)
_TCP_JITTER = 0.05

# The inverse kinematics come from the neutral pose to any pose over the table in this many steps.
_IK_STEPS = 40


def near_neutral(rng: np.random.Generator) -> NDArray[np.float64]:
    """`robot_obs [15]` of the neutral arm with its TCP moved by up to 5 cm along each axis."""
    offset = rng.uniform(-_TCP_JITTER, _TCP_JITTER, size=3)
    robot = np.array(NEUTRAL)
    robot[:3] += offset
    robot[7:14] += offset @ _JOINTS_PER_METRE
    return robot


def arm_at(
    position: NDArray[np.float64], euler: NDArray[np.float64], *, width: float, command: float
) -> NDArray[np.float64]:
    """`robot_obs [15]` of the arm with its TCP at a pose over the table.

    Args:
        position: `[3]` of the TCP.
        euler: `[3]` its extrinsic xyz angles.
        width: opening of the gripper.
        command: number that last commanded the gripper.
    """
    joints = np.array(_NEUTRAL_JOINTS)
    for share in np.linspace(1 / _IK_STEPS, 1.0, _IK_STEPS):
        pose = (1.0 - share) * np.array(_NEUTRAL_TCP) + share * np.concatenate([position, euler])
        joints = _kinematics().solve(joints, pose[:3], pose[3:])
    return np.concatenate([position, euler, [width], joints, [command]])


@cache
def _kinematics() -> InverseKinematics:
    """Of the arm, which is the same in all scenes."""
    return InverseKinematics(load_model(), np.array(_NEUTRAL_JOINTS))
