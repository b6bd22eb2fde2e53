"""Puts the audit to the test: plants a defect, runs the audit and judges what it says."""

from __future__ import annotations

import copy
import io
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from vlasync.checks.audit import audit
from vlasync.checks.detectors import AuditConfig
from vlasync.checks.findings import Problem
from vlasync.checks.images.check import image_checks
from vlasync.checks.survey import PREVIEW_EPISODES, chosen
from vlasync.testing.defect import Defect, Distortion, FileDefect, Scope, StatisticsDefect
from vlasync.types import Episode

AnyDefect = TypeVar("AnyDefect", bound=Defect | StatisticsDefect)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How the audit did on one planted defect.

    Attributes:
        defect: name of the defect.
        strength: name of its strength.
        scope: where it was planted.
        code: what it should be called.
        found: the codes of all problems, sorted.
        false_names: codes that the defect does not explain.
        misplaced: places named for it in which it was not planted.
        seconds: the audit's running time.
    """

    defect: str
    strength: str
    scope: Scope
    code: str
    found: tuple[str, ...]
    false_names: tuple[str, ...]
    misplaced: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Found, named rightly, in the right place, and nothing else claimed."""
        return self.code in self.found and not self.false_names and not self.misplaced


def false_alarms(
    episodes: Sequence[Episode], change: Distortion, config: AuditConfig | None = None
) -> tuple[Problem, ...]:
    """What the audit claims of clean episodes after a harmless change; nothing, where all is well."""
    return tuple(_audit(list(map(change, episodes)), config)[0])


def trial(
    defect: Defect | StatisticsDefect,
    strength: str,
    scope: Scope,
    episodes: Sequence[Episode],
    config: AuditConfig | None = None,
) -> Trial | None:
    """Plant a defect into clean episodes and audit them; None where these episodes cannot show it."""
    planted = defect.plant(episodes, strength, scope)
    if planted is None:
        return None
    config = config or AuditConfig()
    config = replace(config, statistics=planted.statistics or config.statistics)
    problems, seconds = _audit(planted.episodes, config)
    whole = {episode.name for episode in planted.episodes} - planted.broken
    return _judge(defect, strength, scope, problems, seconds, whole)


def as_claimed(defect: AnyDefect, episodes: Sequence[Episode]) -> AnyDefect:
    """The defect, whose one episode is such a one of which the audit claims beforehand that it would show there.

    Whether images that come late show depends on what moves before each camera. The audit says where they would, of
    clean `episodes` and before anything is planted; held to its word, it has to find all of them.
    """
    if not isinstance(defect, Defect) or defect.code != "image-lag":
        return defect
    preview = [episodes[number] for number in chosen(len(episodes), PREVIEW_EPISODES)]
    (check,) = image_checks(preview, episodes=len(episodes))
    names = set()
    for episode in episodes:
        alone = copy.deepcopy(check)
        alone.look(episode)
        claims = alone.inferred().get("image_lag_would_show_in", {})
        if len(claims) == len(episode.images) and all(claim["episodes"] for claim in claims.values()):
            names.add(episode.name)
    return replace(defect, shows=lambda episode: episode.name in names)


def file_trial(defect: FileDefect, strength: str, dataset: Path, config: AuditConfig | None = None) -> Trial:
    """Damage a copy of a dataset with the splits `training` and `validation`, and audit it."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "dataset"
        shutil.copytree(dataset, copy, copy_function=shutil.copyfile)
        defect.strengths[strength](copy)
        problems, seconds = _audit(copy, config)
    return _judge(defect, strength, "one episode", problems, seconds, ())


def _audit(data: Path | Sequence[Episode], config: AuditConfig | None) -> tuple[Sequence[Problem], float]:
    """What the audit finds, and its running time; silent, for one of hundreds of audits needs no bar of its own."""
    start = time.perf_counter()
    with redirect_stdout(io.StringIO()):
        problems = audit(data, config).problems
    return problems, time.perf_counter() - start


def _judge(
    defect: Defect | StatisticsDefect | FileDefect,
    strength: str,
    scope: Scope,
    problems: Sequence[Problem],
    seconds: float,
    whole: Collection[str],
) -> Trial:
    """Compare what was found with what was planted; `whole` are the episodes that were left as they are."""
    explained: Mapping[str, str] = {defect.code: "", **defect.also}
    codes = {problem.code for problem in problems}
    places = [place for problem in problems for place in problem.where.split("; ") if problem.code in explained]
    return Trial(
        defect=defect.name,
        strength=strength,
        scope=scope,
        code=defect.code,
        found=tuple(sorted(codes)),
        false_names=tuple(sorted(codes - explained.keys())),
        misplaced=tuple(place for place in places if any(_names(place, name) for name in whole)),
        seconds=seconds,
    )


def _names(place: str, episode: str) -> bool:
    """The place is this episode or lies in it: its name stands first, followed by what is wrong there."""
    rest = place.removeprefix(episode)
    return rest != place and (not rest or rest[0] in ",: ")
