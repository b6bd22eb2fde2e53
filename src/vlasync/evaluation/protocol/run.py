"""All chains of an evaluation: over processes, kept one by one, merged with what other machines have run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch

from vlasync.envs.simulators import Simulator, open_simulator
from vlasync.errors import VlasyncError
from vlasync.evaluation.protocol.actors import Driver, ExpertActor
from vlasync.evaluation.protocol.batching import RemotePolicy, ServerAddress, serve
from vlasync.evaluation.protocol.chain import PlannedChain, protocol_sentences, run_chain
from vlasync.evaluation.protocol.outcomes import ChainOutcome, keep, kept
from vlasync.evaluation.rollout import Actor
from vlasync.execution import FIRST_ACTION, Execution
from vlasync.policy import Policy
from vlasync.processes import results_of
from vlasync.progress import stage
from vlasync.share import WHOLE, Share
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
        scene: of the simulator's four.
        calvin_root: checkout of CALVIN, whose simulator is driven; by default the play table is.
        max_steps: control steps after which a task has failed.
        execution: what of the predicted chunks is executed.
        shard: which of the chains are run here.
        workers: simulator processes; the outcomes do not depend on it.
        filmed: numbers of chains whose actions are kept, for videos.
        batch: predictions that one policy makes together, on a GPU if there is one; 0: each worker has a policy of its
            own, on the CPU.
    """

    run: Path
    driver: Driver
    checkpoint: Path | None
    scene: str = "D"
    calvin_root: Path | None = None
    max_steps: int = MAX_STEPS
    execution: Execution = FIRST_ACTION
    shard: Share = WHOLE
    workers: int = 2
    filmed: tuple[int, ...] = ()
    batch: int = 0

    def __post_init__(self) -> None:
        for name, least in (("max_steps", 1), ("workers", 1), ("batch", 0)):
            if getattr(self, name) < least:
                raise VlasyncError(f"{name}: got {getattr(self, name)}; expected at least {least}")

    @property
    def folder(self) -> Path:
        """Where the outcomes lie; its name says all that decides them, so none is taken for another's."""
        who = self.driver if self.checkpoint is None else f"{self.driver}@{self.checkpoint.name}"
        # Batches of another shape, and other devices, round otherwise.
        batched = f"_{_device().type}-{self.batch}" if self.batch and self.checkpoint is not None else ""
        where = self.scene if self.calvin_root is None else f"calvin-{self.scene}"
        return self.run / "chains" / f"{who}_{where}_{self.execution.file_name}_{self.max_steps}{batched}"


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
    missing = [chain for chain in config.shard.of(chains) if chain.index not in done]
    with stage("evaluate", len(missing) + len(done)) as bar, _server(config) as address:
        bar.advance(len(done), status=running_averages(list(done.values())))
        for outcome in results_of(partial(_run_chain, config, address), missing, workers=config.workers):
            done[outcome.index] = outcome
            bar.advance(status=running_averages(list(done.values())))
    return list(_kept_outcomes(config, chains).values())  # other shards may have come to their end meanwhile


def running_averages(outcomes: Sequence[ChainOutcome]) -> str:
    """The average length so far, and the percentage of chains with at least 1 to 5 tasks solved."""
    if not outcomes:
        return ""
    lengths = [outcome.solved for outcome in outcomes]
    shares = " ".join(f"{100 * sum(length >= least for length in lengths) / len(lengths):.0f}" for least in range(1, 6))
    return f"average length {sum(lengths) / len(lengths):.2f} ({shares} %)"


def _kept_outcomes(config: ProtocolConfig, chains: Sequence[PlannedChain]) -> dict[int, ChainOutcome]:
    """What is there already, by number."""
    found = (kept(config.folder, chain, with_actions=chain.index in config.filmed) for chain in chains)
    return {outcome.index: outcome for outcome in found if outcome is not None}


@contextmanager
def _server(config: ProtocolConfig) -> Iterator[ServerAddress | None]:
    """The policy that all workers share, where they do."""
    if not config.batch or config.checkpoint is None:
        yield None
        return
    policy = Policy.load(config.checkpoint, device=_device())
    # Of all tasks, not of these chains alone: the shape of a batch must not depend on which chains are run.
    sentences = protocol_sentences(config.calvin_root)
    with serve(policy, rows=config.batch, sentences=list(sentences.values())) as address:
        yield address


def _device() -> torch.device:
    """The GPU of this process, if there is one; processes on one machine are numbered by `LOCAL_RANK`."""
    return torch.device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu")


def _run_chain(config: ProtocolConfig, address: ServerAddress | None, chain: PlannedChain) -> ChainOutcome:
    """In a worker: run one chain and keep its outcome."""
    torch.set_num_threads(1)  # as many workers as processors: more threads would only wait for one another
    policy = _actor(config.checkpoint, address, config.scene, config.calvin_root)
    env = _simulator(config.scene, tuple(policy.spec.cameras.items()), config.calvin_root)
    outcomes = run_chain(policy, env, chain, max_steps=config.max_steps, execution=config.execution)
    return keep(config.folder, chain, outcomes, with_actions=chain.index in config.filmed)


@cache
def _actor(checkpoint: Path | None, address: ServerAddress | None, scene: str, calvin_root: Path | None) -> Actor:
    """Who drives in this process, loaded once."""
    if address is not None:
        return RemotePolicy(address)
    if checkpoint is None:
        return ExpertActor(scene, protocol_sentences(calvin_root))
    return Policy.load(checkpoint, device="cpu")


@cache
def _simulator(scene: str, cameras: tuple[tuple[str, Camera], ...], calvin_root: Path | None) -> Simulator:
    """The simulator of this process."""
    return open_simulator(scene, dict(cameras), calvin_root=calvin_root)
