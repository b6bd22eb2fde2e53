"""From a run folder to `results.json` and `report.html`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlasync.errors import VlasyncError
from vlasync.evaluation.evaluate import EvaluationConfig
from vlasync.evaluation.judge import Judgement, judge
from vlasync.evaluation.report import print_summary, write_report
from vlasync.evaluation.results import EvaluationResults, TrainablePart, TrainingRow
from vlasync.models.parts import trainable_table
from vlasync.policy import Policy
from vlasync.progress import console
from vlasync.runs import read_metrics, read_minutes, timed


def evaluate_run(run: Path, config: EvaluationConfig, *, command: str) -> Path:
    """Judge the run, then write `results.json` and `report.html` and print the summary; returns the page's path."""
    with timed(run, "evaluate"):
        judgement = judge(run, config)
    with timed(run, "report"):
        results = summarise(run, config, judgement, command=command)
        page = write_report(results, judgement.recordings, run)
    results = replace(results, stage_minutes=read_minutes(run))  # now with the report's own
    results.save(run / "results.json")
    print_summary(results, console)
    return page


def summarise(run: Path, config: EvaluationConfig, judgement: Judgement, *, command: str) -> EvaluationResults:
    """Everything that a report says, gathered from the run folder and the rollouts."""
    policy = Policy.load(run, device="cpu")
    return EvaluationResults(
        tasks=judgement.trained,
        untrained=judgement.untrained,
        swapped_instruction=judgement.swapped,
        curve=judgement.curve,
        stage_minutes=read_minutes(run),
        seeds={"evaluation": config.seed, **_recipe_seed(run)},
        spec=policy.spec,
        audit=_read_json(run / "audit.json"),
        trainable=tuple(
            TrainablePart(part=count.part, trainable=count.trainable, total=count.total)
            for count in trainable_table(policy.vla)
        ),
        training_log=tuple(
            TrainingRow(
                step=line.step,
                minutes=line.minutes,
                loss=line.loss,
                pose=line.pose,
                gripper=line.gripper,
                validation_loss=line.validation_loss,
            )
            for line in read_metrics(run / "metrics.jsonl")
        ),
        conversions=(*_read_json(run / "data.json").get("conversions", ()), *judgement.conversions),
        command=command,
    )


def recorded_tasks(run: Path) -> tuple[str, ...]:
    """The tasks of the demonstrations that a run was trained on."""
    record = _read_json(run / "data.json")
    if not record.get("tasks"):
        raise VlasyncError(f"{run / 'data.json'}: it names no tasks of the play table; give --tasks")
    return tuple(record["tasks"])


def _recipe_seed(run: Path) -> dict[str, int]:
    recipe = _read_json(run / "recipe.json")
    return {"training": recipe["training"]["seed"]} if recipe else {}


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}
