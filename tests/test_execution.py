"""What of the chunks is executed: each kind against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlasync.errors import VlasyncError
from vlasync.execution import Execution
from vlasync.spec import SyncSpec

CHUNK = 5


def execute(execution: Execution, chunks: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The actions `[T, 7]` of a policy that predicts `chunks[t]` at step t, and the steps at which it was asked."""
    plan, actions, asked = execution.begin(SyncSpec.CALVIN), [], []
    for step, chunk in enumerate(chunks):
        if plan.due:
            plan.take(chunk)
            asked.append(step)
        actions.append(plan.next())
    return np.stack(actions), asked


@pytest.fixture
def chunks() -> np.ndarray:
    rng = np.random.default_rng(0)
    chunks = rng.uniform(-1, 1, (12, CHUNK, 7))
    chunks[..., 6] = np.where(chunks[..., 6] > 0, 1.0, -1.0)
    return chunks


def test_first_executes_the_first_action_of_each_chunk(chunks):
    actions, asked = execute(Execution(), chunks)
    np.testing.assert_array_equal(actions, chunks[:, 0])
    assert asked == list(range(len(chunks)))


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_open_loop_executes_chunks_from_their_start(chunks, steps):
    actions, asked = execute(Execution(kind="open_loop", steps=steps), chunks)
    assert asked == list(range(0, len(chunks), steps))
    np.testing.assert_array_equal(actions, [chunks[step - step % steps, step % steps] for step in range(len(chunks))])


def test_an_ensemble_is_the_weighted_mean_of_all_plans_for_a_step(chunks):
    actions, asked = execute(Execution(kind="ensemble", decay=0.3), chunks)
    assert asked == list(range(len(chunks)))
    for step, action in enumerate(actions):
        issued = range(max(0, step - CHUNK + 1), step + 1)  # the oldest first
        weights = np.exp(-0.3 * np.arange(len(issued)))
        planned = np.array([chunks[at, step - at] for at in issued])
        np.testing.assert_allclose(action[:6], (weights / weights.sum()) @ planned[:, :6], atol=1e-12)
        assert action[6] == (1.0 if (weights * planned[:, 6]).sum() > 0 else -1.0)


def test_an_ensemble_of_agreeing_chunks_changes_nothing():
    path = np.random.default_rng(1).uniform(-1, 1, (20, 7))
    path[:, 6] = np.repeat([1.0, -1.0], 10)
    chunks = np.stack([path[step : step + CHUNK] for step in range(len(path) - CHUNK)])
    actions, _ = execute(Execution(kind="ensemble"), chunks)
    np.testing.assert_allclose(actions, path[: len(chunks)], atol=1e-12)


def test_a_video_shows_what_is_still_planned(chunks):
    plan = Execution(kind="open_loop", steps=3).begin(SyncSpec.CALVIN)
    plan.take(chunks[0])
    np.testing.assert_array_equal(plan.ahead, chunks[0])
    plan.next()
    np.testing.assert_array_equal(plan.ahead, chunks[0][[1, 2, 3, 4, 4]])


@given(st.sampled_from(["first", "open_loop:1", "open_loop:7", "ensemble:0", "ensemble:0.01", "ensemble:2.5"]))
def test_text_and_record_say_the_same(text):
    assert str(Execution.parse(text)) == text
    assert Execution.parse(str(Execution.parse(text))) == Execution.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "last", "first:2", "open_loop", "open_loop:0", "open_loop:-1", "open_loop:x", "ensemble:-1", "ensemble:nan"],
)
def test_anything_else_is_refused(text):
    with pytest.raises(VlasyncError, match="execution"):
        Execution.parse(text)


def test_no_more_can_be_executed_than_is_predicted(chunks):
    with pytest.raises(VlasyncError, match=r"open_loop:6: the policy predicts 5 actions"):
        execute(Execution(kind="open_loop", steps=6), chunks)
