"""Hand-overs: wherever actions pass from one part to the next, both sides say what their numbers mean.

    demonstrations -> training store -> windows -> normaliser -> checkpoint -> policy -> environment

Equal SyncSpecs pass, a difference of geometry or units is converted and put on record, anything else is an error.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray

from vlasync.actions.frames import convert, require_meaning
from vlasync.errors import SpecMismatchError
from vlasync.spec import Difference, SyncSpec

Array = TypeVar("Array", NDArray[Any], torch.Tensor)

_CHANGES_NO_NUMBER = frozenset({"action_clip"})
"""Convertible fields whose difference leaves every number as it is: conversion never clips."""


@dataclass(frozen=True, kw_only=True)
class HandOver:
    """How actions get from `source` to `target`; made by `hand_over`.

    Attributes:
        where: the two sides, for messages and records (`policy -> environment`).
        source: what the actions mean on the side that gives them.
        target: what they mean on the side that takes them.
        converted: fields that the conversion changes.
        passed_on: fields that differ and are taken for equal, by declaration of the side that takes the actions.
    """

    where: str
    source: SyncSpec
    target: SyncSpec
    converted: tuple[Difference, ...] = ()
    passed_on: tuple[Difference, ...] = ()

    @property
    def changes(self) -> tuple[str, ...]:
        """What is converted or passed on, in words, one entry per field; empty where both sides agree."""
        converted = [f"{item.field} {item.ours!r} becomes {item.theirs!r}" for item in self.converted]
        kept = [f"{item.field} {item.ours!r} is taken for {item.theirs!r}, unchanged" for item in self.passed_on]
        return tuple(converted + kept)

    @property
    def conversions(self) -> tuple[str, ...]:
        """`changes`, each with the hand-over it belongs to, for records that list several hand-overs."""
        return tuple(f"{self.where}: {words}" for words in self.changes)

    def apply(self, actions: Array, state: Array, *, commanded: Array | None = None) -> Array:
        """Actions as the target side reads them; the very same array where no number changes.

        Args:
            actions: `[..., n]` in the source's representation, row by row with `state`, or a chunk `[..., K, n]` that
                was issued at one `state` of one dimension less.
            state: `[..., S]` sliced by the source's `state_layout`.
            commanded: `[..., 6]` pose commanded before the first action, see `vlasync.actions.frames.convert`.

        Returns:
            `[..., n']`, n' = `target.action_size`; nothing is clipped.
        """
        if all(item.field in _CHANGES_NO_NUMBER for item in self.converted):
            return actions
        meant = self.target.replace(**{item.field: item.ours for item in self.passed_on})
        return convert(actions, state, self.source, meant, commanded=commanded)


def hand_over(source: SyncSpec, target: SyncSpec, *, where: str, pass_on: Collection[str] = ()) -> HandOver:
    """Compare both sides of a hand-over.

    Args:
        source: what the actions mean on the side that gives them.
        target: what they mean on the side that takes them.
        where: the two sides, for messages and records.
        pass_on: fields that may differ and are handed over as they are.

    Raises:
        SpecMismatchError: a field differs that no conversion bridges; the message shows both values of each.
        VlasyncError: actions have to be converted, and a side declares a combination of fields without meaning.
    """
    if source is target:
        return HandOver(where=where, source=source, target=target)
    found = source.difference(target)
    passed_on = tuple(item for item in found if item.field in pass_on)
    converted = tuple(item for item in found if item.field not in pass_on)
    if stuck := [item for item in converted if not item.convertible]:
        raise SpecMismatchError(
            f"{where}: the two sides disagree, and no conversion can bridge it\n"
            + "\n".join(f"  {item}" for item in stuck)
        )
    if converted:
        require_meaning(source)
        require_meaning(target)
    return HandOver(where=where, source=source, target=target, converted=converted, passed_on=passed_on)


def hand_to_environment(policy: SyncSpec, environment: SyncSpec, *, where: str = "policy -> environment") -> HandOver:
    """The hand-over to an environment that moves a target pose.

    Increments on the measured pose are written in the environment's frame, rotation and scale exactly, and are then
    added to its target pose as they are: CALVIN's own benchmark does so, and both poses agree where the arm keeps up
    with its target. Absolute poses become the increments that bring the target pose there, so `HandOver.apply` needs
    that pose as `commanded`.

    Raises:
        SpecMismatchError: see `hand_over`.
    """
    modes = (policy.action_mode, environment.action_mode)
    pass_on = {"action_mode"} if modes == ("relative_to_measured", "relative_to_target") else set()
    return hand_over(policy, environment, where=where, pass_on=pass_on)
