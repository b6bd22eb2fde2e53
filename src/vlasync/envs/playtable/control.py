"""CALVIN's control law: relative actions move a target pose, inverse kinematics turns it into joint targets.

The target, not the measured pose, takes the increments: tracking error does not add up, and a blocked arm winds its
target up. Rotations are added component by component to extrinsic xyz Euler angles, as CALVIN does.
"""

# MuJoCo's compiled modules ship without stubs.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vlasync.spec import SyncSpec

ARM_JOINTS = tuple(f"joint{number}" for number in range(1, 8))
FINGER_JOINTS = ("left_finger", "right_finger")
FINGER_OPEN_M = 0.04

# Levenberg-Marquardt, started from the last solution: damping squared is a constant plus a share of the squared error,
# so that a target out of reach is approached and not chased (Sugihara, IEEE T-RO 27(5), 2011). Four iterations bring a
# target that moved by 0.02 m and 0.05 rad along every axis to within 0.1 mm.
DAMPING = 0.02
ERROR_DAMPING = 0.5
REST_GAIN = 0.02
ITERATIONS = 4


class InverseKinematics:
    """Joint angles of the arm that put the TCP at a pose, near the last solution."""

    def __init__(self, model: mujoco.MjModel, rest: NDArray[np.float64]) -> None:
        """Work on data of its own, so that solving never touches the simulation.

        Args:
            model: the play table.
            rest: `[7]` joint angles that the redundant degree of freedom is pulled to.
        """
        self._model = model
        self._data = mujoco.MjData(model)
        self._site = model.site("tcp").id
        self._joints = np.array([model.joint(name).qposadr[0] for name in ARM_JOINTS])
        self._columns = np.array([model.joint(name).dofadr[0] for name in ARM_JOINTS])
        self._limits = model.jnt_range[[model.joint(name).id for name in ARM_JOINTS]].T
        self._rest = rest
        self._jacobian = np.zeros((6, model.nv))

    def solve(
        self, start: NDArray[np.float64], position: NDArray[np.float64], euler: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Joint angles for a TCP pose in the world frame.

        Args:
            start: `[7]` joint angles to begin from, rad.
            position: `[3]` of the TCP, m.
            euler: `[3]` its extrinsic xyz angles, rad.

        Returns:
            `[7]` rad, within the joint limits.
        """
        quaternion = Rotation.from_euler("xyz", euler).as_quat(scalar_first=True)
        joints = start.copy()
        for _ in range(ITERATIONS):
            joints = np.clip(joints + self._step(joints, position, quaternion), *self._limits)
        return joints

    def _step(
        self, joints: NDArray[np.float64], position: NDArray[np.float64], quaternion: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """One step: dq = J^# e + (I - J^# J) k (q_rest - q), J^# = J^T (J J^T + (lambda^2 + mu |e|^2) I)^-1."""
        data = self._data
        data.qpos[self._joints] = joints
        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_comPos(self._model, data)
        mujoco.mj_jacSite(self._model, data, self._jacobian[:3], self._jacobian[3:], self._site)
        jacobian = self._jacobian[:, self._columns]  # [6, 7]
        error = np.zeros(6)
        error[:3] = position - data.site_xpos[self._site]
        current = np.zeros(4)
        mujoco.mju_mat2Quat(current, data.site_xmat[self._site])
        local = np.zeros(3)
        mujoco.mju_subQuat(local, quaternion, current)
        mujoco.mju_rotVecQuat(error[3:], local, current)
        damping = DAMPING**2 + ERROR_DAMPING * (error @ error)
        inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + damping * np.eye(6))  # [7, 6]
        rest = REST_GAIN * (self._rest - joints)
        return inverse @ error + rest - inverse @ (jacobian @ rest)


class TargetPose:
    """The pose that the arm is sent to; increments are added to it."""

    def __init__(self, position: NDArray[np.float64], euler: NDArray[np.float64]) -> None:
        self.position = position.copy()
        self.euler = euler.copy()

    def move(self, action: NDArray[np.float64], spec: SyncSpec) -> None:
        """Add a relative action `[>=6]`, in units of `spec`."""
        self.position += action[:3] * spec.position_scale_m
        self.euler += action[3:6] * spec.rotation_scale_rad
