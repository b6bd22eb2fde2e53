"""`vlasync evaluate --protocol calvin`: from its options to results, page and table."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from vlasync.envs.simulators import simulator_name
from vlasync.evaluation.protocol.actors import driver_folder
from vlasync.evaluation.protocol.chain import plan_chains, protocol_sentences
from vlasync.evaluation.protocol.films import film_chains
from vlasync.evaluation.protocol.options import ProtocolOptions
from vlasync.evaluation.protocol.report import PAGE_NAME, print_chains, write_page
from vlasync.evaluation.protocol.results import ChainResults
from vlasync.evaluation.protocol.run import MAX_STEPS, ProtocolConfig, run_chains
from vlasync.execution import FIRST_ACTION, Execution
from vlasync.progress import console
from vlasync.runs import timed
from vlasync.share import WHOLE, Share

RESULTS_NAME = "results.json"

GPU_BATCH = 16
"""Predictions per batch on a GPU, where nothing else is said."""


def evaluate_chains(run: Path, options: ProtocolOptions, *, max_steps: int | None, workers: int) -> Path | None:
    """Run the chains that are missing; when all are there, write and print what they say.

    Args:
        run: run folder.
        options: what to run.
        max_steps: control steps per task; CALVIN's by default.
        workers: simulator processes.

    Returns:
        The page of the run's chains, or None while other shards have not finished.
    """
    options.require_simulator()
    config = ProtocolConfig(
        run=run,
        driver=options.policy,
        checkpoint=driver_folder(run, options.policy),
        scene=options.scene,
        calvin_root=options.calvin_root,
        max_steps=MAX_STEPS if max_steps is None else max_steps,
        execution=Execution.parse(options.execute),
        shard=share_of_process(options.shard),
        workers=workers,
        filmed=options.videos,
        batch=options.batch if options.batch is not None else (GPU_BATCH if torch.cuda.is_available() else 0),
    )
    sentences = protocol_sentences(options.calvin_root)
    chains = plan_chains(options.chains, swapped=options.policy == "swapped", sentences=sentences)
    with timed(run, "evaluate"):
        outcomes = run_chains(config, chains)
    if len(outcomes) < len(chains):
        console.print(
            f"shard {config.shard} is done; {len(chains) - len(outcomes)} of {len(chains)} chains are still missing. "
            "The same command without --shard runs or gathers them."
        )
        return None
    results = ChainResults(
        outcomes=tuple(outcomes),
        driver=config.driver,
        checkpoint=config.checkpoint.name if config.checkpoint else "",
        scene=config.scene,
        simulator=simulator_name(config.calvin_root),
        execution=str(config.execution),
        max_steps=config.max_steps,
        command=_command(config, len(chains)),
    )
    results.save(config.folder / RESULTS_NAME)
    others = [path for path in sorted((run / "chains").glob(f"*/{RESULTS_NAME}")) if path.parent != config.folder]
    write_page(run / PAGE_NAME, results, [ChainResults.load(path) for path in others], film_chains(config, chains))
    print_chains(results, console)
    return run / PAGE_NAME


def share_of_process(text: str) -> Share:
    """The share that `i/n` means; under `accelerate launch` or `torchrun`, 0/1 becomes the one of this process.

    Raises:
        VlasyncError: the text says something else.
    """
    share = Share.parse(text)
    if share == WHOLE:
        return Share(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
    return share


def _command(config: ProtocolConfig, chains: int) -> str:
    """The command line that makes these results."""
    words = [f"vlasync evaluate {config.run} --protocol calvin --chains {chains} --scene {config.scene}"]
    words += [f"--simulator calvin --calvin-root {config.calvin_root}"] if config.calvin_root else []
    words += [] if config.driver == "trained" else [f"--policy {config.driver}"]
    words += [] if config.execution == FIRST_ACTION else [f"--execute {config.execution}"]
    words += [f"--batch {config.batch}"] if config.batch else []
    words += [] if config.max_steps == MAX_STEPS else [f"--max-steps {config.max_steps}"]
    return " ".join(words)
