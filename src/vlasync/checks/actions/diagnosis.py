"""What is the matter with one episode's actions, when they are not exactly what the declaration calls for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.actions import verdicts
from vlasync.checks.actions.commands import ACHIEVED, Lead, goal_lead
from vlasync.checks.actions.conventions import Expectation
from vlasync.checks.actions.explain import EXPLAINED, Explanation, affine_share, best, explanations
from vlasync.checks.actions.scaling import EXACT_SHARE, rounding
from vlasync.checks.actions.tracks import Track, bound_told, cut_off, differences, first_frame, without_gaps
from vlasync.checks.actions.verdicts import Verdict
from vlasync.checks.alignment import aligned
from vlasync.checks.findings import Evidence, name_frames
from vlasync.spec import SyncSpec

OUTLIER = 10.0
"""A frame is broken where its residual is this many times that of the median frame."""

MORE = 0.1
"""Share of the motion by which gain and offset must explain more than a convention does."""

POSITION_FIELDS = ("action_index", "action_mode", "action_frame", "position_scale_m")
"""SyncSpec fields that translations tell."""

ROTATION_FIELDS = ("rotation", "rotation_composition", "rotation_scale_rad")
"""SyncSpec fields that rotations tell."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A verdict on an episode, or on some of its frames, how sure it is, and what shows it."""

    verdict: Verdict
    where: str
    confidence: float
    evidence: Evidence | None


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What one episode's actions turned out to be.

    Attributes:
        findings: against the declaration.
        sure: whatever other episodes say, these hold; else they are the likeliest that this one shows.
        told: SyncSpec fields that the numbers tell, and their values.
        lead: of the goals over the path, where it was looked for.
    """

    findings: list[Finding] = field(default_factory=list)
    sure: bool = True
    told: dict[str, Any] = field(default_factory=dict)
    lead: Lead | None = None


def told_by(found: Sequence[Explanation]) -> dict[str, Any]:
    """The SyncSpec fields in which all of some equally good explanations agree, and their values."""
    told: dict[str, Any] = {}
    for number, fields in enumerate((POSITION_FIELDS, ROTATION_FIELDS)):
        moved = all((one.position, one.rotation)[number].moved for one in found)
        for name in fields if moved else ():
            values = {_value(one, name) for one in found}
            if len(values) == 1 and None not in values:
                told[name] = values.pop()
    return told


def diagnose(track: Track, expectations: Sequence[Expectation]) -> Diagnosis:
    """Find out what an episode's actions are.

    Args:
        track: the episode.
        expectations: what every candidate convention calls for, the declared one first if it is among them.
    """
    spec = track.spec
    fits = track.actions.shape[1] == spec.action_size - 1
    actions = without_gaps(track)
    tried = explanations(actions, expectations, spec)
    found = best(tried, spec)
    expected = expectations[0].numbers if fits else None
    if _is_affine(actions, expectations, found, spec):
        normalized = _finding(track, verdicts.NORMALIZED, 0.95, _evidence_of_motion(track, expected))
        return Diagnosis(findings=[normalized], sure=False)
    if found and found[0].exact:
        return _explained(track, tried, found, expectations)
    lead = goal_lead(track.pose, track.actions, spec) if fits else None
    if lead is not None and lead.commanded:
        return _commanded(track, lead)
    if found:
        return _explained(track, tried, found, expectations)
    if spec.action_mode == "relative_to_target":
        return Diagnosis(lead=lead)
    mismatch = _finding(track, verdicts.MISMATCH, 0.9, _evidence_of_motion(track, expected))
    return Diagnosis(findings=[mismatch], sure=False, lead=lead)


def _explained(
    track: Track, tried: Sequence[Explanation], found: Sequence[Explanation], expectations: Sequence[Expectation]
) -> Diagnosis:
    """Name what distinguishes the best explanation from the declaration, or the frames that do not follow it."""
    chosen, spec = found[0], track.spec
    contradicted = verdicts.verdicts(chosen, spec)
    if spec.action_mode == "relative_to_target":
        if not chosen.exact:
            return Diagnosis()
        contradicted.append(verdicts.ACHIEVED_NOT_COMMANDED)
    told = told_by(found)
    numbers = next(one.numbers for one in expectations if one.spec is chosen.spec)
    if not contradicted:
        return _as_declared(track, numbers, told)
    others = [one for one in tried if one not in found]
    if chosen.exact:
        confidence = 1 - 0.5 * max((one.share for one in others), default=0.0) / chosen.share
    else:
        confidence = 1 - 0.5 * chosen.residual / max(min((one.residual for one in others), default=1.0), EXPLAINED)
    findings = []
    for verdict in contradicted:
        curve = verdicts.lag_curve if verdict.code == "action-lag" else verdicts.convention_bars
        findings.append(_finding(track, verdict, confidence, curve(tried, chosen)))
    return Diagnosis(findings=findings, sure=chosen.exact, told=told | _bound_of(track, chosen, numbers))


def _as_declared(track: Track, expected: NDArray[np.float64], told: dict[str, Any]) -> Diagnosis:
    """Name the frames that do not follow a declaration which the others follow, as far as noise allows."""
    difference = differences(track, expected)
    cut = cut_off(track, expected)
    bound = bound_told(track, expected)
    findings = []
    if (difference[cut] > 0).any() and bound:
        verdict = verdicts.undeclared_bound(bound["action_clip"], track.spec)
        findings.append(_finding(track, verdict, 0.9, _evidence_of_motion(track, expected)))
    usual = np.median(difference, axis=0)
    broken = difference > np.maximum(OUTLIER * usual, rounding(track.spec, expected.shape[1]))
    frames = np.flatnonzero((broken & ~cut).any(axis=1)) + first_frame(track.spec)
    if len(frames):
        where = f"{track.name}, {name_frames(frames.tolist())}"
        evidence = _evidence_of_motion(track, expected)
        findings.append(Finding(verdict=verdicts.MISMATCH, where=where, confidence=1.0, evidence=evidence))
    return Diagnosis(findings=findings, told=told | bound)


def _bound_of(track: Track, chosen: Explanation, numbers: NDArray[np.float64]) -> dict[str, Any]:
    """The bound of actions that follow another convention than declared."""
    factors = np.concatenate([chosen.position.factors, chosen.rotation.factors])
    spec = track.spec.replace(action_index=chosen.lag)
    return bound_told(replace(track, spec=spec), numbers * factors) if chosen.exact else {}


def _commanded(track: Track, lead: Lead) -> Diagnosis:
    told = {"action_mode": "relative_to_target"} if lead.chained else {}
    if track.spec.action_mode == "relative_to_target" and lead.chained:
        return Diagnosis(told=told, lead=lead)
    verdict = verdicts.commanded(lead, track.spec)
    achieved = lead.by_frames[ACHIEVED]
    finding = _finding(track, verdict, 1 - lead.distance_m / achieved, verdicts.lead_curve(lead))
    return Diagnosis(findings=[finding], sure=False, told=told, lead=lead)


def _is_affine(
    actions: NDArray[np.float64], expectations: Sequence[Expectation], found: Sequence[Explanation], spec: SyncSpec
) -> bool:
    """A gain and an offset for each number explain more than the best explanation without offsets."""
    explained = 0.0
    if found and found[0].exact:
        if "each" not in (found[0].position.scaling, found[0].rotation.scaling):
            return False
        explained = found[0].share
    share = max(affine_share(actions, expectation, spec.action_index) for expectation in expectations)
    return share > max(explained + MORE, EXACT_SHARE)


def _finding(track: Track, verdict: Verdict, confidence: float, evidence: Evidence | None) -> Finding:
    return Finding(verdict=verdict, where=track.name, confidence=confidence, evidence=evidence)


def _evidence_of_motion(track: Track, expected: NDArray[np.float64] | None) -> Evidence | None:
    if expected is None:
        return None
    recorded, numbers = aligned(track.actions, expected, track.spec.action_index)
    return verdicts.motion_curve(recorded, numbers)


def _value(explanation: Explanation, name: str) -> Any:
    """The value of a SyncSpec field under an explanation; None where it has none."""
    if name == "action_index":
        return explanation.lag
    if name in ("position_scale_m", "rotation_scale_rad"):
        factors = (explanation.position if name == "position_scale_m" else explanation.rotation).factors
        alike = np.allclose(factors, factors[0], rtol=0.01) and factors[0] > 0
        return _plain(getattr(explanation.spec, name) / float(factors[0])) if alike else None
    if name == "rotation_composition" and explanation.spec.action_mode == "absolute":
        return None
    return getattr(explanation.spec, name)


def _plain(scale: float) -> float:
    """A scale without the traces of its measurement, so that alike episodes vote alike: a degree, or a few digits."""
    plain = (math.pi / 180, float(f"{scale:.3g}"))
    return next((value for value in plain if math.isclose(scale, value, rel_tol=1e-5)), float(f"{scale:.6g}"))
