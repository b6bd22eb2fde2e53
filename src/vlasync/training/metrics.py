"""What a run reports: one JSON line per logged step, in `metrics.jsonl`."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from vlasync.files import write_text
from vlasync.models.flops import FlopCount
from vlasync.runs import LogLine, read_metrics


class MetricsFile:
    """`metrics.jsonl` of a run; opening it for a resumed run drops the lines after the resumed step."""

    def __init__(self, path: Path, *, resumed_step: int) -> None:
        self.path = path
        kept = [line for line in read_metrics(path) if line.step <= resumed_step]
        write_text(path, "".join(json.dumps(asdict(line)) + "\n" for line in kept))

    def append(self, line: LogLine) -> None:
        """Add one line at the end."""
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(line)) + "\n")


class Meter:
    """Means of the loss terms and the speed since the last line, and the minutes of training in all."""

    def __init__(self, *, minutes: float, peak_flops: float | None = None) -> None:
        """Start the clock.

        Args:
            minutes: of training before, over all restarts.
            peak_flops: floating point operations a second that this process's device can do, see `flops.peak_flops`;
                None says nothing about its use.
        """
        self._minutes_before = minutes
        self._peak_flops = peak_flops
        self._flops_per_step: int | None = None
        self._started = self._line_started = time.monotonic()
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._steps = 0
        self._frames = 0
        self._last: dict[str, float] = {}

    @property
    def minutes(self) -> float:
        """Minutes of training so far, over all restarts."""
        return self._minutes_before + (time.monotonic() - self._started) / 60.0

    @property
    def status(self) -> str:
        """A short text for the progress bar."""
        speed = self._frames / max(time.monotonic() - self._line_started, 1e-9)
        return f"loss {self._last['loss']:.4f}  {speed:.0f} frames/s"

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around each optimiser step; the first one's operations are counted, and stand for those of the others."""
        if self._peak_flops is None or self._flops_per_step is not None:
            yield
            return
        count = FlopCount()
        with count:
            yield
        self._flops_per_step = count.needed

    def add(self, terms: dict[str, float], *, frames: int) -> None:
        """Take in the terms of one optimiser step over `frames` frames."""
        self._last = terms
        for name, value in terms.items():
            self._sums[name] += value
        self._steps += 1
        self._frames += frames

    def line(self, step: int, validation_loss: float | None) -> LogLine:
        """The log line of step `step`, from the means since the last one."""
        now = time.monotonic()
        means = {name: value / self._steps for name, value in self._sums.items()}
        means["learning_rate"] = self._last["learning_rate"]
        line = LogLine(
            step=step,
            minutes=self.minutes,
            frames_per_second=self._frames / (now - self._line_started),
            mfu=self._utilisation(now - self._line_started),
            validation_loss=validation_loss,
            **means,
        )
        self._sums.clear()
        self._steps = self._frames = 0
        self._line_started = now
        return line

    def _utilisation(self, seconds: float) -> float | None:
        """Model FLOPs of the steps since the last line over those that the device could have done in `seconds`."""
        if self._peak_flops is None or self._flops_per_step is None:
            return None
        return self._flops_per_step * self._steps / (seconds * self._peak_flops)
