"""What each policy head makes of each history: success on the demo's tasks, and frames a second.

    python benchmarks/heads_histories.py [--only flow/interleaved] [--write]

Each combination is trained by the demo's recipe, in fewer steps, on the demo's recording as `vlasync demo` leaves it,
and evaluated in closed loop on unseen starts under held-out sentences. All on one thread, so that calls can run side by
side, each under its own `--only`. What is finished is used again. `--write` puts it into `docs/heads.md`. A combination
takes some six minutes, all of them an hour of one core.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import tyro

from sections import write_section
from training_speed import frames_per_second
from vlasync.envs.playtable import PlayTable
from vlasync.evaluation.evaluate import EvaluationConfig, Job, run_jobs
from vlasync.evaluation.results import TaskResult, describe_machine, wilson_interval
from vlasync.evaluation.rollout import plan_trials
from vlasync.files import write_text
from vlasync.models.heads.discrete import DiscreteHeadConfig
from vlasync.models.heads.fc import FCHeadConfig
from vlasync.models.heads.flow import FlowHeadConfig
from vlasync.models.heads.gpt import GPTHeadConfig
from vlasync.models.heads.head import HeadConfig
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.history import History
from vlasync.policy import Policy
from vlasync.progress import console
from vlasync.recipes.demo import DEMO_TASKS, demo
from vlasync.training.run import RunConfig, train
from vlasync.types import Observation

PAGE = Path(__file__).parents[1] / "docs" / "heads.md"
SECTION = "heads and histories"

HEADS: Mapping[str, HeadConfig] = {
    "fc": FCHeadConfig(),
    "lstm": LSTMHeadConfig(layers=1),  # the demo's own
    "gpt": GPTHeadConfig(layers=1),
    "discrete": DiscreteHeadConfig(hidden=128, layers=1),  # writes seventy ids for each frame: the costliest by far
    "flow": FlowHeadConfig(layers=1),
}
COMBINATIONS: Mapping[str, tuple[str, History]] = {
    "fc/one_step": ("fc", "one_step"),
    "discrete/one_step": ("discrete", "one_step"),
    "flow/one_step": ("flow", "one_step"),
    "lstm/policy_head": ("lstm", "policy_head"),
    "gpt/policy_head": ("gpt", "policy_head"),
    "discrete/policy_head": ("discrete", "policy_head"),
    "flow/policy_head": ("flow", "policy_head"),
    "fc/interleaved": ("fc", "interleaved"),
    "discrete/interleaved": ("discrete", "interleaved"),
    "flow/interleaved": ("flow", "interleaved"),
}
HEADER = """| head | history | success | 95 % interval | weakest tasks | training, frames/s | a step of a rollout |
|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one combination.

    Attributes:
        tasks: task -> successes.
        trials: per task.
        frames_per_second: of training, per second of one core.
        act_ms: one step of a rollout whose window is full, in ms of one core.
        steps: optimiser steps.
    """

    tasks: dict[str, int]
    trials: int
    frames_per_second: float
    act_ms: float
    steps: int

    @property
    def row(self) -> str:
        """Its cells of the table, behind head and history."""
        successes, trials = sum(self.tasks.values()), self.trials * len(self.tasks)
        low, high = wilson_interval(successes, trials)
        weakest = sorted(
            (TaskResult(task, count, self.trials) for task, count in self.tasks.items()), key=lambda t: t.rate
        )
        words = ", ".join(f"{result.task} {result.rate:.1f}" for result in weakest[:2] if result.rate < 1.0)
        return (
            f"{successes / trials:.2f} | {low:.2f} to {high:.2f} | {words} "
            f"| {self.frames_per_second:.0f} | {self.act_ms:.0f} ms |"
        )


def recipe(head: str, history: History, steps: int) -> RunConfig:
    """The demo's recipe with another head and history, in fewer steps."""
    config = demo()
    return replace(
        config,
        vla=replace(config.vla, head=HEADS[head], history=history),
        training=replace(config.training, steps=steps, milestones=(), keep_last=1),
    )


def try_combination(config: RunConfig, data: Path, run: Path, *, trials: int) -> Result:
    """Train, drive, measure; all that a previous call finished is used again."""
    checkpoint = train(config, data, run)
    evaluation = EvaluationConfig(tasks=DEMO_TASKS, trials=trials, max_steps=80, workers=1)
    jobs = [
        Job(group="trained", checkpoint=checkpoint, trial=trial)
        for trial in plan_trials(DEMO_TASKS, trials, seed=evaluation.seed)
    ]
    outcomes = run_jobs(jobs, run / "evaluation", evaluation)
    return Result(
        tasks={task: sum(outcomes[job.name].success for job in jobs if job.trial.task == task) for task in DEMO_TASKS},
        trials=trials,
        frames_per_second=frames_per_second(config, steps=10, clock=time.process_time),
        act_ms=act_ms(Policy.load(checkpoint, device="cpu")),
        steps=config.training.steps,
    )


def act_ms(policy: Policy, *, repeats: int = 50) -> float:
    """Median of what an action costs once the window is full, in ms of one core."""
    env = PlayTable(cameras=policy.spec.cameras)
    raw, _ = env.reset(seed=0)
    env.close()
    policy.reset("open the drawer")
    window, times = policy.vla.config.window_size, []
    for _ in range(window + repeats):
        started = time.process_time()
        policy.act(Observation(**raw))
        times.append(time.process_time() - started)
    return 1e3 * statistics.median(times[window:])


def read_result(run: Path) -> Result | None:
    """What came of a combination, if it is finished."""
    file = run / "result.json"
    return Result(**json.loads(file.read_text())) if file.is_file() else None


def section(out: Path) -> str:
    """The table of all that is finished, and how it was made."""
    results = {name: result for name in COMBINATIONS if (result := read_result(out / name)) is not None}
    rows = ""
    for name, result in results.items():
        head, history = COMBINATIONS[name]
        rows += f"| `{head}` | `{history}` | {result.row}\n"
    some, training, vla = next(iter(results.values())), demo().training, demo().vla
    frames = some.steps * training.batch_size * vla.window_size
    command = f"python benchmarks/heads_histories.py --steps {some.steps} --trials {some.trials} --write"
    return (
        f"The demo's VLM and recipe in {some.steps} steps ({frames // 1000} k frames) with {some.trials} unseen starts "
        f"for each of its {len(some.tasks)} tasks\nunder held-out sentences. Speeds are in CPU time of one thread "
        f"({describe_machine()};\n`{command}`).\n\n{HEADER}{rows}\n"
    )


def main(
    data: Path = Path("runs/demo/data"),
    out: Path = Path("runs/heads"),
    steps: int = 900,
    trials: int = 10,
    only: tuple[str, ...] = (),
    write: bool = False,
) -> None:
    """Try combinations of head and history.

    Args:
        data: the demo's recording.
        out: gets a run folder for each combination.
        steps: optimiser steps for each.
        trials: starts per task.
        only: combinations as head/history; all by default.
        write: put all that is finished into the page.
    """
    torch.set_num_threads(1)
    if unknown := [name for name in only if name not in COMBINATIONS]:
        raise SystemExit(f"--only {' '.join(unknown)}: there are {', '.join(COMBINATIONS)}")
    for name in only or COMBINATIONS:
        run = out / name
        if (result := read_result(run)) is None:
            result = try_combination(recipe(*COMBINATIONS[name], steps), data, run, trials=trials)
            write_text(run / "result.json", json.dumps(asdict(result), indent=2))
        console.print(f"{name}: {result.row}", markup=False, soft_wrap=True)
    if write:
        write_section(PAGE, SECTION, section(out))


if __name__ == "__main__":
    tyro.cli(main)
