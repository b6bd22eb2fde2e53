"""All chains of an evaluation: over processes, kept one by one, merged with what other machines have run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch

from vlasync.envs.playtable import PlayTable
from vlasync.errors import VlasyncError
from vlasync.evaluation.protocol.actors import Driver, ExpertActor
from vlasync.evaluation.protocol.chain import PlannedChain, run_chain
from vlasync.evaluation.protocol.outcomes import ChainOutcome, keep, kept
from vlasync.evaluation.rollout import Actor
from vlasync.execution import FIRST_ACTION, Execution
from vlasync.policy import Policy
from vlasync.processes import results_of
from vlasync.progress import stage
from vlasync.spec import Camera

MAX_STEPS = 360
"""Control steps per task in CALVIN's protocol."""


@dataclass(frozen=True, kw_only=True)
class ProtocolConfig:
    """Which chains are run, and how.

    Attributes:
        run: run folder; the outcomes lie below it.
        driver: who drives.
        checkpoint: its folder, decided before the first chain; None for the expert.
        scene: of the play table.
        max_steps: control steps after which a task has failed.
        execution: what of the predicted chunks is executed.
        shard: `(i, n)`: run the chains whose number leaves the remainder i when divided by n, for one of n machines.
        workers: simulator processes; the outcomes do not depend on it.
        filmed: numbers of chains whose actions are kept, for videos.
    """

    run: Path
    driver: Driver
    checkpoint: Path | None
    scene: str = "D"
    max_steps: int = MAX_STEPS
    execution: Execution = FIRST_ACTION
    shard: tuple[int, int] = (0, 1)
    workers: int = 2
    filmed: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        index, count = self.shard
        if not 0 <= index < count:
            raise VlasyncError(f"shard: got {index}/{count}; expected i/n with i from 0 to n - 1")
        for name in ("max_steps", "workers"):
            if getattr(self, name) < 1:
                raise VlasyncError(f"{name}: got {getattr(self, name)}; expected at least 1")

    @property
    def folder(self) -> Path:
        """Where the outcomes lie; its name says all that decides them, so none is taken for another's."""
        who = self.driver if self.checkpoint is None else f"{self.driver}@{self.checkpoint.name}"
        return self.run / "chains" / f"{who}_{self.scene}_{self.execution.file_name}_{self.max_steps}"


def run_chains(config: ProtocolConfig, chains: Sequence[PlannedChain]) -> list[ChainOutcome]:
    """Run the chains of this shard that are still missing.

    A chain that was interrupted, by Ctrl-C or because its process died, is run again from its start, to the same end.

    Args:
        config: how to run them.
        chains: those of all shards; see `plan_chains`.

    Returns:
        The outcomes that are there now, in order of their numbers: all of them, or this shard's and those that other
        shards have left in the same folder.

    Raises:
        CheckpointError: a file is not the outcome of its chain.
        WorkerDiedError: simulators die again and again.
    """
    done = _kept_outcomes(config, chains)
    index, count = config.shard
    missing = [chain for chain in chains if chain.index % count == index and chain.index not in done]
    with stage("evaluate", len(missing) + len(done)) as bar:
        bar.advance(len(done), status=running_averages(list(done.values())))
        for outcome in results_of(partial(_run_chain, config), missing, workers=config.workers):
            done[outcome.index] = outcome
            bar.advance(status=running_averages(list(done.values())))
    return list(_kept_outcomes(config, chains).values())  # other shards may have come to their end meanwhile


def running_averages(outcomes: Sequence[ChainOutcome]) -> str:
    """The average length so far and the shares of chains with at least 1 to 5 tasks solved."""
    if not outcomes:
        return ""
    lengths = [outcome.solved for outcome in outcomes]
    shares = " ".join(f"{sum(length >= least for length in lengths) / len(lengths):.0%}" for least in range(1, 6))
    return f"average length {sum(lengths) / len(lengths):.2f}, at least 1..5: {shares}"


def _kept_outcomes(config: ProtocolConfig, chains: Sequence[PlannedChain]) -> dict[int, ChainOutcome]:
    """What is there already, by number."""
    found = (kept(config.folder, chain, with_actions=chain.index in config.filmed) for chain in chains)
    return {outcome.index: outcome for outcome in found if outcome is not None}


def _run_chain(config: ProtocolConfig, chain: PlannedChain) -> ChainOutcome:
    """In a worker: run one chain and keep its outcome."""
    torch.set_num_threads(1)  # as many workers as processors: more threads would only wait for one another
    policy = _actor(config.checkpoint)
    env = _table(config.scene, tuple(policy.spec.cameras.items()))
    outcomes = run_chain(policy, env, chain, max_steps=config.max_steps, execution=config.execution)
    return keep(config.folder, chain, outcomes, with_actions=chain.index in config.filmed)


@cache
def _actor(checkpoint: Path | None) -> Actor:
    """Who drives in this process, loaded once."""
    return ExpertActor() if checkpoint is None else Policy.load(checkpoint, device="cpu")


@cache
def _table(scene: str, cameras: tuple[tuple[str, Camera], ...]) -> PlayTable:
    """The play table of this process."""
    return PlayTable(scene=scene, cameras=dict(cameras))
