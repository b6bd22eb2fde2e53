"""The benchmark of action execution on a policy that only waits."""

import numpy as np
import pytest

import execution as benchmark
from vlasync.envs.playtable import PlayTable
from vlasync.execution import Execution
from vlasync.spec import SyncSpec
from vlasync.types import ActionChunk


class Waiting:
    """Predicts four times to stand still."""

    spec = SyncSpec.CALVIN.replace(cameras={})

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.asked = 0

    def reset(self, instruction: str) -> None:
        assert instruction

    def predict(self, observation) -> ActionChunk:
        self.asked += 1
        return ActionChunk(actions=np.tile([0, 0, 0, 0, 0, 0, 1.0], (4, 1)), spec=self.spec)


@pytest.mark.parametrize(
    ("kind", "memory", "asked"), [("first", 1, 120), ("open_loop:3", 1, 40), ("open_loop:3", 8, 120)]
)
def test_a_row_counts_trials_and_what_the_policy_took(kind, memory, asked):
    policy = Waiting(memory)
    row = benchmark.measure(policy, PlayTable(cameras={}), Execution.parse(kind), ("open_drawer", "close_drawer"), 1)
    assert policy.asked == 2 * asked
    assert (row.execution, row.solved.successes, row.solved.trials) == (kind, 0, 2)
    assert row.cells()[:3] == (kind, "0 of 2 (0 %)", "-")
