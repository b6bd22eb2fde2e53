"""Recording a dataset: many episodes, by several processes, one whole shard at a time.

Episode i of a recording depends on the seed and on i alone, and shard j holds a fixed range of episodes. So the bytes
do not depend on the number of processes, nor on how often the recording was killed and started again.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from vlasync.data.store import Store, create_store, write_shard
from vlasync.data.writers.calvin import CalvinWriter
from vlasync.envs.playtable import PlayTable
from vlasync.errors import VlasyncError
from vlasync.files import write_text
from vlasync.processes import worker_pool
from vlasync.progress import stage
from vlasync.recording.config import RecordingConfig
from vlasync.recording.demonstration import demonstrate
from vlasync.recording.play import play
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode

MAX_ATTEMPTS = 20
"""Attempts at a demonstration before the recording gives up: the expert fails far less than one time in ten."""


def record(config: RecordingConfig) -> Path:
    """Record the episodes that `config` asks for; complete shards of an earlier call are kept.

    Beside the data lies `recording.json`: the settings, and per task how many attempts of the expert failed.

    Returns:
        The dataset's folder.

    Raises:
        VlasyncError: the folder holds a recording with other settings.
        DatasetError: the disk is full, or a shard is damaged.
        RuntimeError: a worker process died.
    """
    _claim(config)
    # CALVIN numbers its frames through, so that its layout cannot be written in parallel: it is made from a store.
    store = config.out if config.format == "store" else config.out / ".store"
    if config.format == "store" or not _is_complete(config):
        create_store(store, SyncSpec.CALVIN.replace(cameras=config.cameras), config.images or "raw")
        _record_shards(config, store)
        failed = _failed_attempts(Store.open(store))
        if config.format == "calvin":
            _export(store, config.out)
        _finish(config, failed)
    if config.format == "calvin":
        shutil.rmtree(store, ignore_errors=True)
    return config.out


def _claim(config: RecordingConfig) -> None:
    """Write the settings into a fresh folder, or make sure that the recording there has the same."""
    file = config.out / "recording.json"
    if not file.exists():
        write_text(file, json.dumps({"settings": config.settings()}, indent=2))
        return
    earlier, ours = json.loads(file.read_text())["settings"], config.settings()
    for name in ours:
        if earlier.get(name) != ours[name]:
            raise VlasyncError(
                f"{file}: this folder holds a recording with {name} {earlier.get(name)}, asked for {ours[name]}; "
                "choose another folder, or delete this one"
            )


def _is_complete(config: RecordingConfig) -> bool:
    return "failed_attempts" in json.loads((config.out / "recording.json").read_text())


def _finish(config: RecordingConfig, failed: Counter[str]) -> None:
    """Add to `recording.json` how many attempts failed, which also says that the recording is complete."""
    counts = {subject: failed[subject] for subject in (config.tasks if config.style == "task" else ("play",))}
    content = {"settings": config.settings(), "episodes": config.total, "failed_attempts": counts}
    write_text(config.out / "recording.json", json.dumps(content, indent=2))


def _record_shards(config: RecordingConfig, store: Path) -> None:
    """Record all shards that are not there yet, in parallel."""
    missing = [shard for shard in config.shards() if not (store / "shards" / _shard_name(shard)).exists()]
    kept = config.total - sum(len(shard) for shard in missing)
    frames = attempts = 0
    with stage("record", config.total) as progress, worker_pool(min(config.workers, len(missing))) as pool:
        progress.advance(kept, status=f"{kept} kept" if kept else "")
        for done in as_completed([pool.submit(_record_shard, config, store, shard) for shard in missing]):
            result = done.result()
            frames, attempts = frames + result.frames, attempts + result.attempts
            success = (progress.done - kept + result.episodes) / attempts
            progress.advance(result.episodes, status=f"{frames} frames, expert {success:.1%}")


@dataclass(frozen=True, kw_only=True)
class _ShardResult:
    """What a worker reports of a shard."""

    episodes: int
    attempts: int
    frames: int


@cache
def _table(scene: str, cameras: tuple[tuple[str, Camera], ...]) -> PlayTable:
    """The play table of this process in a scene."""
    return PlayTable(scene=scene, cameras=dict(cameras))


def _shard_name(shard: range) -> str:
    return f"episodes-{shard.start:06d}-{shard.stop - 1:06d}"


def _record_shard(config: RecordingConfig, store: Path, shard: range) -> _ShardResult:
    """Record one shard's episodes and write them; runs in a worker."""
    episodes, attempts = [], 0
    for index in shard:
        episode, tries = _record_episode(config, index)
        episodes.append(episode)
        attempts += tries
    write_shard(store, _shard_name(shard), episodes)
    return _ShardResult(episodes=len(shard), attempts=attempts, frames=sum(len(episode) for episode in episodes))


def _record_episode(config: RecordingConfig, index: int) -> tuple[Episode, int]:
    """Episode `index`, and how many attempts it took."""
    env = _table(config.scene(index), tuple(config.cameras.items()))
    subject = config.task(index) if config.style == "task" else "play"
    for attempt in range(1, MAX_ATTEMPTS + 1):
        # Each attempt has a seed of its own.
        rng = np.random.default_rng(np.random.SeedSequence([config.seed, index, attempt]))
        name = f"{subject}/{index:06d}/attempt-{attempt}"
        if config.style == "task":
            episode = demonstrate(
                env,
                subject,
                rng,
                name=name,
                first_frame=config.first_frame(index),
                perturbation=config.perturbation,
                max_steps=config.max_steps,
            )
        else:
            episode = play(
                env,
                config.tasks,
                rng,
                name=name,
                first_frame=config.first_frame(index),
                frames=config.play_frames,
                perturbation=config.perturbation,
                max_steps=config.max_steps,
            )
        if episode is not None:
            return episode, attempt
    raise VlasyncError(
        f"{subject}: the expert failed {MAX_ATTEMPTS} times in a row with at most {config.max_steps} steps and "
        f"perturbation strength {config.perturbation.strength}; allow more steps or perturb less"
    )


def _failed_attempts(store: Store) -> Counter[str]:
    """Failed attempts by task, read from the episodes' names, so that the count survives any interruption."""
    failed: Counter[str] = Counter()
    for episode in store:
        task, _, attempt = episode.name.split("/")
        failed[task] += int(attempt.removeprefix("attempt-")) - 1
    return failed


def _export(store: Path, out: Path) -> None:
    """Write a store's episodes in CALVIN's layout."""
    episodes = Store.open(store)
    writer = CalvinWriter(out)
    with stage("export", len(episodes)) as progress:
        for episode in episodes:
            writer.append(episode)
            progress.advance()
    writer.finish()
