"""`vlasync evaluate` from its options to the page it writes."""

from __future__ import annotations

from pathlib import Path

from vlasync.evaluation.protocol.options import ProtocolOptions

TRIAL_STEPS = 120
"""Control steps (at 30 Hz) after which a single task has failed, where nothing else is said."""


def run_evaluation(
    run: Path,
    options: ProtocolOptions,
    *,
    tasks: tuple[str, ...],
    trials: int,
    max_steps: int | None,
    workers: int,
) -> Path | None:
    """Evaluate a run by the protocol that is asked for.

    Args:
        run: run folder.
        options: the protocol.
        tasks: trials: tasks to try; those of the run's demonstrations where there are none.
        trials: trials: starts per task.
        max_steps: control steps after which a task has failed; the protocol's own by default.
        workers: processes.

    Returns:
        The page, or None while other shards have not finished.

    Raises:
        VlasyncError: options that contradict one another, or nothing to evaluate.
    """
    if options.protocol == "calvin":
        from vlasync.evaluation.protocol.command import evaluate_chains

        return evaluate_chains(run, options, max_steps=max_steps, workers=workers)
    options.require_simulator()
    from vlasync.evaluation.evaluate import EvaluationConfig
    from vlasync.evaluation.summary import evaluate_run, recorded_tasks
    from vlasync.execution import Execution

    config = EvaluationConfig(
        tasks=tasks or recorded_tasks(run),
        trials=trials,
        baseline_trials=trials,
        max_steps=TRIAL_STEPS if max_steps is None else max_steps,
        workers=workers,
        execution=Execution.parse(options.execute),
    )
    return evaluate_run(run, config, command=f"vlasync evaluate {run}")
