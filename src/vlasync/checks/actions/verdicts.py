"""What an explanation of recorded actions says against the declared convention, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.actions.commands import LEADS, Lead
from vlasync.checks.actions.conventions import DIVERGENT_FIELDS, divergence
from vlasync.checks.actions.explain import Explanation
from vlasync.checks.actions.scaling import Fit
from vlasync.checks.findings import Curves
from vlasync.spec import SyncSpec


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One way in which actions are not what was declared: code, what is wrong, what to do."""

    code: str
    message: str
    advice: str


def verdicts(explanation: Explanation, declared: SyncSpec) -> list[Verdict]:
    """Every part of the declaration that an explanation contradicts."""
    found = [_convention(field, explanation.spec, declared) for field in divergence(declared, explanation.spec)]
    if explanation.lag != declared.action_index:
        found.append(_lag(explanation.lag, declared.action_index))
    for name, fit in (("position", explanation.position), ("rotation", explanation.rotation)):
        if fit.scaling != "declared":
            found.append(_scale(fit, name, declared))
    return found


def commanded(lead: Lead, declared: SyncSpec) -> Verdict:
    """The goals of actions that are declared as achieved are reached later than the next frame."""
    if declared.action_mode == "absolute":
        advice = "train on achieved poses, recomputed from the state, or shift the actions by the frames they lead"
    elif lead.chained:
        advice = 'declare action_mode="relative_to_target", or recompute the actions from the state'
    else:
        advice = "recompute the actions from the state: they lead from the measured pose to a goal not reached at once"
    return Verdict(
        code="action-commanded",
        message=f"actions are declared as achieved, but were commanded: their goals are reached {lead.frames} frames "
        "later, and not exactly",
        advice=advice,
    )


def undeclared_bound(bound: float | None, declared: SyncSpec) -> Verdict:
    """The numbers stop at another bound than the declared one."""
    return Verdict(
        code="action-clipped",
        message=f"actions are cut off at {bound}, where action_clip={declared.action_clip} is declared",
        advice=f"declare action_clip={bound}, or recompute the actions from the state",
    )


ACHIEVED_NOT_COMMANDED = Verdict(
    code="action-commanded",
    message="actions are declared as commanded (relative_to_target), but are exactly the motion that was achieved",
    advice='declare action_mode="relative_to_measured"',
)
"""The opposite of `commanded`."""

NORMALIZED = Verdict(
    code="action-normalized",
    message="actions are the motion times a gain plus an offset of each number: they were normalised already",
    advice="undo it with the statistics it was done with, or record the raw actions; normalising again distorts them",
)
"""Actions on which somebody else's normalisation has been applied."""

MISMATCH = Verdict(
    code="action-mismatch",
    message="action[t] is not the change from state[t] to state[t + 1] in the declared convention, nor in another",
    advice="cut there if these frames are few; else find out what was recorded",
)
"""Actions that nothing explains."""


def lag_curve(found: Sequence[Explanation], chosen: Explanation) -> Curves:
    """The residual of the chosen convention by lag."""
    alike = sorted((one for one in found if one.spec == chosen.spec), key=lambda one: one.lag)
    return Curves(
        title="Motion that the actions do not explain, by lag",
        x_label="lag i of action[t + i] (frames)",
        y_label="share of the motion not explained",
        x=[one.lag for one in alike],
        series={
            "position": [1 - one.position.share for one in alike],
            "rotation": [1 - one.rotation.share for one in alike],
        },
    )


def convention_bars(found: Sequence[Explanation], chosen: Explanation) -> Curves:
    """The residual of every convention at the chosen lag."""
    alike = [one for one in found if one.lag == chosen.lag]
    return Curves(
        title="Motion that the actions do not explain, by convention",
        x_label="convention",
        y_label="share of the motion not explained",
        x=[_name(one.spec) for one in alike],
        series={
            "position": [1 - one.position.share for one in alike],
            "rotation": [1 - one.rotation.share for one in alike],
        },
    )


def motion_curve(recorded: NDArray[np.float64], expected: NDArray[np.float64]) -> Curves:
    """Recorded and expected numbers of the dimension that differs most, over the first frames where they do."""
    difference = np.abs(recorded - expected)
    worst = int(difference.sum(axis=0).argmax())
    first = max(0, int(difference[:, worst].argmax()) - 20)
    shown = slice(first, first + 60)
    return Curves(
        title=f"Dimension {worst} of the actions, recorded and as the motion calls for",
        x_label="frame",
        y_label="action",
        x=list(range(len(recorded)))[shown],
        series={"recorded": recorded[shown, worst].tolist(), "motion": expected[shown, worst].tolist()},
    )


def lead_curve(lead: Lead) -> Curves:
    """Distance between goals and path by lead."""
    return Curves(
        title="Distance between the goal of action[t] and the arm k frames later",
        x_label="k (frames)",
        y_label="distance (mm)",
        x=list(LEADS[: len(lead.by_frames)]),
        series={"median frame": [1000 * distance for distance in lead.by_frames]},
    )


def _name(spec: SyncSpec) -> str:
    parts = [spec.action_frame, spec.rotation]
    return " ".join([*parts, "absolute" if spec.action_mode == "absolute" else spec.rotation_composition])


def _convention(field: str, found: SyncSpec, declared: SyncSpec) -> Verdict:
    real, said = getattr(found, field), getattr(declared, field)
    return Verdict(
        code=DIVERGENT_FIELDS[field],
        message=f"actions have {field} {real}, declared is {said}",
        advice=f'declare {field}="{real}", or convert the actions to {said}',
    )


def _lag(lag: int, declared: int) -> Verdict:
    late = lag - declared
    return Verdict(
        code="action-lag",
        message=f"action[t{lag:+d}], not action[t{f'{declared:+d}' if declared else ''}], is the change from state[t] "
        f"to state[t + 1]: actions come {abs(late)} frame(s) {'late' if late > 0 else 'early'}",
        advice=f"shift the actions by {-late:+d} frame(s) when converting, or declare action_index={lag}",
    )


def _scale(fit: Fit, name: str, declared: SyncSpec) -> Verdict:
    rotation = name == "rotation"
    field, unit = ("rotation_scale_rad", "rad") if rotation else ("position_scale_m", "m")
    scale, factor = getattr(declared, field), float(fit.factors[0])
    real = f"{field}={scale / factor:.4g}"
    if fit.scaling == "common" and (known := unit_of(scale, factor, rotation=rotation)):
        return Verdict(
            code="action-units",
            message=f"the {name} of actions is in {known}, not in units of {scale:g} {unit}",
            advice=f"declare {real}, or convert the actions",
        )
    factors = ", ".join(f"{each:.2g}" for each in fit.factors)
    positive = fit.scaling == "common" and factor > 0
    return Verdict(
        code="action-scale",
        message=f"the {name} of actions is the motion in the declared units times ({factors}) for "
        + ("the three angles" if rotation else "x, y, z"),
        advice="correct scale or sign of these dimensions" + (f", or declare {real}" if positive else ""),
    )


def unit_of(declared: float, factor: float, *, rotation: bool) -> str | None:
    """The unit of actions that are `factor` times what the declared scale calls for, where that is a unit.

    Plain units (metres, millimetres, radians, degrees), and the declared unit of something taken for millimetres or
    degrees before it was divided.
    """
    names = {"radians": 1.0, "degrees": np.pi / 180} if rotation else {"metres": 1.0, "millimetres": 1e-3}
    small = np.pi / 180 if rotation else 1e-3
    smaller = "degrees" if rotation else "millimetres"
    scales = names | {
        f"{smaller} per {declared:g}": declared * small,
        f"{'radians' if rotation else 'metres'} taken for {smaller}": declared / small,
    }
    real = declared / factor
    return next((name for name, scale in scales.items() if factor > 0 and np.isclose(real, scale, rtol=0.01)), None)
