"""Which detectors an audit runs: one line for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlasync.checks.actions.gripper import GripperCheck
from vlasync.checks.actions.motion import MotionCheck
from vlasync.checks.actions.statistics import StatisticsCheck
from vlasync.checks.clock import ClockCheck
from vlasync.checks.findings import Detector
from vlasync.checks.images.check import image_checks
from vlasync.checks.language.spans import LanguageCheck
from vlasync.checks.language.task import TaskCheck
from vlasync.checks.streams import StreamCheck
from vlasync.checks.units import UnitsCheck
from vlasync.spec import SyncSpec
from vlasync.types import Episode


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """What an audit looks at.

    Attributes:
        images: look at pixels too; without, an audit reads the small streams only.
        sample: number of episodes to check, spread evenly over the dataset; all by default.
        workers: processes, this one among them, for a dataset that takes longer than starting them.
        window_size: frames of a training window, which a sentence should be long enough for.
        statistics: SyncSpec with the normalisation that a policy applies, to hold against the actions.
    """

    images: bool = True
    sample: int | None = None
    workers: int = 2
    window_size: int = 8
    statistics: SyncSpec | None = None


def detectors(config: AuditConfig, preview: Sequence[Episode], *, episodes: int) -> list[Detector]:
    """One fresh detector of each kind; those that read pixels come last.

    Args:
        config: what to look at.
        preview: episodes spread over the dataset, from which to learn what it usually looks like; none where
            `config.images` is off. Their numbers are sound; pixels of some may still be unreadable (DatasetError).
        episodes: how many will be looked at.
    """
    return [
        StreamCheck(),
        ClockCheck(),
        LanguageCheck(config.window_size),
        TaskCheck(),
        UnitsCheck(),
        MotionCheck(),
        GripperCheck(),
        *([] if config.statistics is None else [StatisticsCheck(config.statistics)]),
        *image_checks(preview, episodes=episodes),
    ]
