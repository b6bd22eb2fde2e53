"""How many steps of 1/30 s the play table makes in a second, in one process, against CALVIN's own simulator.

    OMP_NUM_THREADS=1 python benchmarks/playtable_speed.py [--write]

Random actions, both cameras in several sizes or none. Processor time is given beside wall time because it hardly
depends on what else the machine does; the wall time of an idle machine lies close to it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import tyro

from figures import keep
from vlasync.envs.playtable import PlayTable
from vlasync.spec import Camera

CALVIN_STEPS_PER_SECOND = 12.0
"""CALVIN's environment with both cameras at 200 and 84 pixels, CPU renderer, one process on a machine with two cores;
measured beforehand (11.8 to 12.9), not in this run, so the ratio to it is only a rough one."""

SIZES = {
    "200 / 84 (CALVIN)": {"static": 200, "gripper": 84},
    "96 / 64": {"static": 96, "gripper": 64},
    "64 / 64": {"static": 64, "gripper": 64},
    "no cameras": {},
}
"""Pixels on a side, by camera."""


@dataclass(frozen=True, kw_only=True)
class PlayTableSpeed:
    """What to measure.

    Attributes:
        steps: timed steps per measurement.
        repeats: the best of so many measurements counts, because other work disturbs them.
        write: append the figures to `benchmarks/RESULTS.md`.
    """

    steps: int = 200
    repeats: int = 5
    write: bool = False


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Steps per second of wall time and of processor time (all threads of this process)."""

    wall: float
    processor: float


def main(config: PlayTableSpeed) -> None:
    """Measure, print, and keep the figures if asked to."""
    rates = {name: best_rate(sizes, config) for name, sizes in SIZES.items()}
    print(f"{'cameras':20}{'steps/s':>10}{'per CPU s':>12}{'x CALVIN':>10}")
    for name, rate in rates.items():
        print(f"{name:20}{rate.wall:10.0f}{rate.processor:12.0f}{rate.wall / CALVIN_STEPS_PER_SECOND:10.1f}")
    if config.write:
        figures = ", ".join(f"{name}: {rate.wall:.0f} ({rate.processor:.0f})" for name, rate in rates.items())
        keep("playtable_speed", f"steps/s (per CPU second): {figures}")


def best_rate(sizes: dict[str, int], config: PlayTableSpeed) -> Rate:
    """The best of several measurements on one simulation."""
    table = PlayTable(cameras={name: Camera(height=size, width=size) for name, size in sizes.items()})
    measured = [rate(table, config.steps) for _ in range(config.repeats + 1)][1:]  # the first one compiles shaders
    table.close()
    return Rate(wall=max(one.wall for one in measured), processor=max(one.processor for one in measured))


def rate(table: PlayTable, steps: int) -> Rate:
    """Time `steps` random actions after a reset; the gripper's command changes twice a second."""
    rng = np.random.default_rng(0)
    table.reset(seed=0)
    actions = rng.uniform(-1, 1, (steps, 7))
    actions[:, 6] = np.where(np.arange(steps) // 15 % 2, -1.0, 1.0)
    wall, processor = time.perf_counter(), time.process_time()
    for action in actions:
        table.step(action)
    return Rate(
        wall=steps / (time.perf_counter() - wall),
        processor=steps / (time.process_time() - processor),
    )


if __name__ == "__main__":
    main(tyro.cli(PlayTableSpeed))
