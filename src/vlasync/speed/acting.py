"""How long a policy takes for a step: in closed-loop order, from pixels to an action on the host."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from vlasync.policy import Policy
from vlasync.spec import SyncSpec
from vlasync.speed.budget import budget_of
from vlasync.types import Observation

_WARM_UP, _PROFILED = 3, 10  # steps beyond a full window; steps that the profiler looks at


@dataclass(frozen=True, kw_only=True)
class ActingSpeed:
    """What steps of a policy took, in milliseconds on the clock.

    Attributes:
        steps: how many were timed.
        p50: the median.
        p95: what 95 % of them stayed under.
        p99: what 99 % of them stayed under.
        first: the step after the reset, whose window holds one frame.
        parts: where the time goes, the mean by part; see `budget.PARTS`.
    """

    steps: int
    p50: float
    p95: float
    p99: float
    first: float
    parts: Mapping[str, float]


def measure_acting(policy: Policy, instruction: str, *, steps: int) -> ActingSpeed:
    """Time a policy: reset, then one frame after the other, each of another noise.

    Args:
        policy: what acts; it follows `instruction` afterwards.
        instruction: what it is told.
        steps: to be timed.
    """
    frames = noise_frames(policy.spec)
    policy.reset(instruction)
    for _ in range(policy.memory + _WARM_UP):
        policy.act(next(frames))
    policy.reset(instruction)
    milliseconds = [_timed(policy, next(frames)) for _ in range(steps)]
    parts = budget_of(policy.vla, lambda: policy.act(next(frames)), repeats=_PROFILED)
    p50, p95, p99 = percentiles(milliseconds)
    return ActingSpeed(steps=steps, p50=p50, p95=p95, p99=p99, first=milliseconds[0], parts=parts)


def percentiles(milliseconds: Sequence[float]) -> tuple[float, float, float]:
    """What 50, 95 and 99 % of the times stay under."""
    p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99)).tolist()
    return p50, p95, p99


def noise_frames(spec: SyncSpec) -> Iterator[Observation]:
    """Observations of noise without an end: the time of a step does not depend on what it sees."""
    random = np.random.default_rng(0)
    made = [
        Observation(
            images={
                name: random.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
                for name, camera in spec.cameras.items()
            },
            state=random.normal(size=spec.state_size),
        )
        for _ in range(8)
    ]
    return cycle(made)


def _timed(policy: Policy, frame: Observation) -> float:
    """Milliseconds of one step; its action is on the host, so the device has done its work."""
    started = time.perf_counter()
    policy.act(frame)
    return 1e3 * (time.perf_counter() - started)
