"""The state's units, by the size of its numbers."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import CLEAN

from vlasync.checks.audit import audit
from vlasync.checks.detectors import AuditConfig
from vlasync.types import Episode

NUMBERS = AuditConfig(images=False)


def scaled(episode: Episode, columns: slice, factor: float) -> Episode:
    state = np.array(episode.state)
    state[:, columns] *= factor
    return replace(episode, state=state)


@pytest.mark.parametrize(
    ("columns", "factor", "name"),
    [
        (slice(0, 3), 1000.0, "tcp_position"),
        (slice(3, 6), 180 / np.pi, "tcp_euler"),
        (slice(6, 7), 1000.0, "gripper_width"),
    ],
)
def test_another_unit_is_named_once_and_hides_nothing_else(columns: slice, factor: float, name: str) -> None:
    (problem,) = audit([*CLEAN[:-1], scaled(CLEAN[-1], columns, factor)], NUMBERS).problems
    assert (problem.code, problem.where) == ("state-units", CLEAN[-1].name)
    assert f"`{name}`" in problem.message


def test_a_broken_frame_does_not_pass_for_another_unit() -> None:
    state = np.array(CLEAN[0].state)
    state[5, 0] = 400.0
    assert {problem.code for problem in audit([replace(CLEAN[0], state=state)], NUMBERS).problems} == {
        "action-mismatch"
    }
