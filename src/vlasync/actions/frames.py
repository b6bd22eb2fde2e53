"""Exact conversion of actions between the conventions that a SyncSpec can declare, for numpy and torch.

Every conversion goes through the poses that actions aim at: the source spec turns action and reference pose into a
goal, the target spec writes that goal relative to its own reference (`poses.py`). Nothing is clipped on the way,
whatever `action_clip` says.

One thing bounds exactness: `relative_to_target` actions that are differences of other Euler angles than the world's
extrinsic ones, which poses carry along. At a distance d (rad) from gimbal lock they lead back to within 1e-15 / d.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from vlasync.actions.poses import Pose, decode, encode, require_meaning
from vlasync.actions.rotations import wrap
from vlasync.errors import SpecMismatchError, VlasyncError
from vlasync.spec import SyncSpec

Array = TypeVar("Array", NDArray[Any], torch.Tensor)


def convert(
    actions: Array, state: Array, source: SyncSpec, target: SyncSpec, *, commanded: Array | None = None
) -> Array:
    """Actions of one convention written in another.

    References: a `relative_to_measured` action refers to the pose that the state of its row measures. Where all rows
    share one state (a chunk predicted from it), and for `relative_to_target`, it refers to the goal of the action
    before it, rows following one another along axis -2. With `chunk_frame="first_step"` all rows refer to what the
    first one refers to.

    Args:
        actions: `[..., n]`, n = `source.action_size`.
        state: `[..., S]` a state for each action, or, with one dimension less, for each chunk `[..., K, n]`.
        source: what `actions` mean; its `state_layout` names the pose in `state` (world, metres and radians).
        target: what the result means.
        commanded: `[..., 6]` pose (metres, extrinsic xyz Euler angles, world) that the robot was sent to before each
            action or, with one dimension less, before the first; the first measured one by default. Counts for
            `relative_to_target` alone.

    Returns:
        `[..., m]`, m = `target.action_size`, of the type, precision and device of `actions`; `actions` itself where
        both specs mean the same. Differentiable in torch.

    Raises:
        SpecMismatchError: the specs differ in `action_index`: rows would have to be shifted, not converted.
        VlasyncError: a spec declares a combination without meaning, or a shape does not fit.
    """
    require_meaning(source)
    require_meaning(target)
    if source.action_index != target.action_index:
        raise SpecMismatchError(
            f"actions cannot be converted: action_index is {source.action_index} here and {target.action_index} there; "
            "shift the rows of whole episodes instead"
        )
    _require_shapes(actions, state, source)
    if source.representation() == target.representation():
        return actions

    def work(numbers: torch.Tensor, state: torch.Tensor, commanded: torch.Tensor | None = None) -> torch.Tensor:
        position, angles = (state[..., source.state_slice(name)] for name in ("tcp_position", "tcp_euler"))
        references = _References(Pose.of(position, angles), commanded, numbers)
        goal = references.goals(numbers[..., :-1], source)
        opening = (numbers[..., -1:] - source.gripper_closed) / (source.gripper_open - source.gripper_closed)
        gripper = target.gripper_closed + opening * (target.gripper_open - target.gripper_closed)
        return torch.cat([references.actions(goal, target), gripper], dim=-1)

    return _in_torch(work, actions, state, *(() if commanded is None else (commanded,)))


def increments(pose_now: Array, pose_next: Array, spec: SyncSpec) -> Array:
    """The action, gripper left out, that leads from one pose to the next in the convention of `spec`.

    Args:
        pose_now: `[..., 6]` pose before the action: metres, extrinsic xyz Euler angles, world.
        pose_next: `[..., 6]` pose after it.
        spec: declares the convention.

    Returns:
        `[..., n - 1]`, n = `spec.action_size`, unclipped.

    Raises:
        VlasyncError: the spec declares a combination without meaning.
    """
    require_meaning(spec)
    return _in_torch(lambda now, then: encode(_pose(then), _pose(now), spec), pose_now, pose_next)


def integrate(pose: Array, action: Array, spec: SyncSpec) -> Array:
    """The pose `[..., 6]` that an action `[..., n - 1]` leads to: the inverse of `increments`, angles in [-pi, pi)."""
    require_meaning(spec)

    def work(now: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        goal = decode(numbers, _pose(now), spec)
        return torch.cat([goal.position, wrap(goal.world_angles())], dim=-1)

    return _in_torch(work, pose, action)


class _References:
    """The poses that actions refer to, and so the way from actions to goals and back."""

    def __init__(self, measured: Pose, commanded: torch.Tensor | None, actions: torch.Tensor) -> None:
        self._timeless = actions.ndim == 1
        self._measured, self._measured_each = _by_row(measured, actions)
        self._commanded, self._commanded_each = self._measured, False
        if commanded is not None:
            self._commanded, self._commanded_each = _by_row(_pose(commanded), actions)

    def goals(self, numbers: torch.Tensor, spec: SyncSpec) -> Pose:
        """The goals of actions `[..., n - 1]`."""
        reference, chained = self._of(spec)
        if not chained:
            return decode(numbers, reference, spec)
        goals = []
        for row in numbers.split(1, dim=-2):
            goals.append(reference := decode(row, reference, spec))
        known = [goal.angles for goal in goals if goal.angles is not None]
        return Pose(
            position=torch.cat([goal.position for goal in goals], dim=-2),
            matrix=torch.cat([goal.matrix for goal in goals], dim=-3),
            angles=torch.cat(known, dim=-2) if known else None,
        )

    def actions(self, goals: Pose, spec: SyncSpec) -> torch.Tensor:
        """The actions `[..., n - 1]` that aim at `goals`."""
        reference, chained = self._of(spec)
        if not chained:
            return encode(goals, reference, spec)
        rows = []
        for number in range(goals.position.shape[-2]):
            goal = goals.row(number)
            rows.append(encode(goal, reference, spec))
            # The triple of angles in which this row was written is what the next one starts from.
            reference = replace(goal, angles=goal.world_angles(near=reference.world_angles()))
        return torch.cat(rows, dim=-2)

    def _of(self, spec: SyncSpec) -> tuple[Pose, bool]:
        """Reference poses, and whether each row refers to the goal of the row before it instead."""
        to_target = spec.action_mode == "relative_to_target"
        reference = self._commanded if to_target else self._measured
        each = self._commanded_each if to_target else self._measured_each
        if self._timeless or spec.action_mode == "absolute":
            return reference, False
        if spec.chunk_frame == "first_step":
            return reference.row(0), False
        return (reference, False) if each else (reference.row(0), True)


def _by_row(pose: Pose, actions: torch.Tensor) -> tuple[Pose, bool]:
    """Poses with the time axis of `actions`, and whether they had one of their own."""
    if pose.position.ndim == actions.ndim:
        return pose, True
    assert pose.angles is not None  # both measured and commanded poses are given by their angles
    return Pose(pose.position.unsqueeze(-2), pose.matrix.unsqueeze(-3), pose.angles.unsqueeze(-2)), False


def _pose(numbers: torch.Tensor) -> Pose:
    """Poses from `[..., 6]`."""
    return Pose.of(numbers[..., :3], numbers[..., 3:])


def _in_torch(work: Callable[..., torch.Tensor], first: Array, *others: Array) -> Array:
    """`work` on tensors of the finest precision given; the result has type, precision and device of `first`."""
    inputs = [
        torch.as_tensor(np.array(array) if isinstance(array, np.ndarray) else array) for array in (first, *others)
    ]
    precision = torch.promote_types(torch.float32, inputs[0].dtype)
    for tensor in inputs[1:]:
        precision = torch.promote_types(precision, tensor.dtype)
    result = work(*(tensor.to(inputs[0].device, precision) for tensor in inputs))
    if isinstance(first, torch.Tensor):
        return result.to(first.dtype)
    return result.numpy().astype(first.dtype, copy=False)


def _require_shapes(actions: Array, state: Array, source: SyncSpec) -> None:
    """One state per action, or per chunk."""
    rows, chunks = tuple(actions.shape[:-1]), tuple(actions.shape[:-2])
    fits = tuple(state.shape[:-1]) == rows or (actions.ndim > 1 and tuple(state.shape[:-1]) == chunks)
    if actions.shape[-1] != source.action_size or state.shape[-1] != source.state_size or not fits:
        raise VlasyncError(
            f"actions {tuple(actions.shape)} and state {tuple(state.shape)} do not fit: expected actions "
            f"[..., {source.action_size}] with a state [..., {source.state_size}] for each action or for each chunk"
        )
