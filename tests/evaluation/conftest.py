"""Made-up results and recordings of the form that a run leaves behind."""

import numpy as np
import pytest

from vlasync.evaluation.recordings import RolloutRecording
from vlasync.evaluation.results import CurvePoint, EvaluationResults, TaskResult, TrainablePart, TrainingRow
from vlasync.spec import Normalization, SyncSpec

TASKS = (
    "open_drawer",
    "close_drawer",
    "move_slider_left",
    "move_slider_right",
    "turn_on_led",
    "turn_on_lightbulb",
    "push_blue_block_right",
    "lift_red_block_table",
)


def record_rollout(task: str = "open_drawer", *, success: bool = True, steps: int = 40) -> RolloutRecording:
    rng = np.random.default_rng(steps)
    time = np.arange(steps)
    executed = np.stack([np.sin(time / (6 + d)) * 0.8 for d in range(7)], axis=1)
    executed[:, 6] = np.where(time < steps / 2, 1.0, -1.0)
    ahead = np.minimum(time[:, None] + np.arange(10), steps - 1)
    predicted = executed[ahead] + rng.normal(0, 0.05, (steps, 10, 7))
    size = np.linspace(0, 255, 200)
    static = np.stack([np.add.outer(size * 0.6, size * 0.3 + t) % 255 for t in time])
    return RolloutRecording(
        task=task,
        instruction=f"please {task.replace('_', ' ')} all the way",
        success=success,
        frames={
            "static": np.repeat(static[..., None], 3, axis=3).astype(np.uint8),
            "gripper": np.repeat(static[:, :84, :84, None], 3, axis=3).astype(np.uint8),
        },
        predicted=predicted,
        executed=executed,
        achieved=executed * 0.9,
        seed=7,
    )


@pytest.fixture(scope="session", name="record_rollout")
def record_rollout_fixture():
    return record_rollout


@pytest.fixture(scope="session")
def recordings() -> list[RolloutRecording]:
    return [record_rollout(), record_rollout("push_blue_block_right", success=False, steps=60)]


@pytest.fixture(scope="session")
def results() -> EvaluationResults:
    normalization = Normalization(
        kind="quantile",
        low=(-0.9, -0.8, -1.0, -0.2, -0.2, -0.7, -1.0),
        high=(0.9, 0.8, 1.0, 0.2, 0.2, 0.7, 1.0),
        identity=(3, 4, 6),
        fitted_on=SyncSpec.CALVIN.representation(),
        count=33_000,
    )
    steps = range(10, 3000, 10)
    return EvaluationResults(
        tasks=tuple(TaskResult(task, 20 - (index == 6), 20) for index, task in enumerate(TASKS)),
        untrained=tuple(TaskResult(task, int(index in (2, 6)), 20) for index, task in enumerate(TASKS)),
        swapped_instruction=tuple(TaskResult(task, 0, 20) for task in TASKS),
        curve=tuple(CurvePoint(minutes, rate, 40) for minutes, rate in ((1, 0.1), (2, 0.6), (4, 0.9), (8, 0.98))),
        stage_minutes={"record": 2.1, "audit": 0.2, "train": 8.0, "evaluate": 3.4},
        seeds={"record": 0, "train": 1, "evaluate": 1000},
        spec=SyncSpec.CALVIN.replace(normalization=normalization),
        audit={
            "problems": [],
            "frames": 33_000,
            "episodes": 600,
            "inferred": {"action_index": 0, "action_residual_rms_by_lag": {"0": 0.0, "1": 0.053639}},
        },
        trainable=(
            TrainablePart(part="vision", trainable=210_000, total=210_000),
            TrainablePart(part="text embedding", trainable=0, total=65_000),
            TrainablePart(part="[LRN]", trainable=128, total=128),
        ),
        training_log=tuple(
            TrainingRow(
                step=step,
                minutes=step / 375,
                loss=0.5 / step**0.5,
                pose=0.49 / step**0.5,
                gripper=1 / step**0.5,
                validation_loss=0.6 / step**0.5 if step % 100 == 0 else None,
            )
            for step in steps
        ),
        versions={"python": "3.11", "vlasync": "0.1.0"},
        machine="x86_64, 2 CPU cores",
    )
