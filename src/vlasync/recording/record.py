"""Recording a dataset: many demonstrations, by several processes, one whole shard at a time.

Demonstration i of a recording depends on the seed and on i alone, and shard j holds a fixed range of demonstrations. So
the bytes do not depend on the number of processes, nor on how often the recording was killed and started again.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import as_completed
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from vlasync.data.store import Store, create_store, write_shard
from vlasync.data.writers.calvin import CalvinWriter
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.instructions import require_demonstrated
from vlasync.errors import VlasyncError
from vlasync.files import write_text
from vlasync.processes import worker_pool
from vlasync.progress import stage
from vlasync.recording.demonstration import Perturbation, demonstrate
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode

MAX_ATTEMPTS = 20
"""Attempts at a demonstration before the recording gives up: the expert fails far less than one time in ten."""

FRAME_NUMBERS = 1000
"""Frame numbers set aside for each demonstration; more than `RecordingConfig.max_steps` may ask for."""


def calvin_cameras(static: int = 200, gripper: int = 84) -> dict[str, Camera]:
    """CALVIN's two cameras with square images of these sides, px."""
    sides = {"static": static, "gripper": gripper}
    return {
        name: dataclasses.replace(camera, height=sides[name], width=sides[name])
        for name, camera in SyncSpec.CALVIN.cameras.items()
    }


@dataclass(frozen=True, kw_only=True)
class RecordingConfig:
    """What to record, and where.

    Attributes:
        out: folder of the dataset.
        tasks: tasks to demonstrate; naming one twice doubles its share.
        episodes_per_task: demonstrations of each; tasks take turns.
        format: `store` for training, `calvin` for CALVIN's own layout.
        cameras: image streams.
        perturbation: bursts of random action that disturb the expert.
        seed: of starts, sentences and bursts.
        workers: processes; the recording does not depend on it.
        shard_episodes: demonstrations per shard, the unit of work that is kept or lost whole.
        max_steps: an attempt that takes longer is dropped and made again with another seed.
    """

    out: Path
    tasks: tuple[str, ...]
    episodes_per_task: int
    format: Literal["store", "calvin"] = "store"
    cameras: Mapping[str, Camera] = field(default_factory=calvin_cameras)
    perturbation: Perturbation = field(default_factory=Perturbation)
    seed: int = 0
    workers: int = 2
    shard_episodes: int = 10
    max_steps: int = 120

    def __post_init__(self) -> None:
        for task in self.tasks:
            require_demonstrated(task)
        for name in ("episodes_per_task", "workers", "shard_episodes", "max_steps"):
            if getattr(self, name) < 1:
                raise VlasyncError(f"RecordingConfig.{name} is {getattr(self, name)}; it must be at least 1")
        if not self.tasks or self.max_steps >= FRAME_NUMBERS:
            raise VlasyncError(
                f"RecordingConfig: got {len(self.tasks)} tasks and max_steps {self.max_steps}; "
                f"expected at least one task and fewer than {FRAME_NUMBERS} steps"
            )

    @property
    def episodes(self) -> int:
        """Number of demonstrations of all tasks."""
        return len(self.tasks) * self.episodes_per_task

    def shards(self) -> list[range]:
        """Demonstrations of each shard."""
        starts = range(0, self.episodes, self.shard_episodes)
        return [range(start, min(start + self.shard_episodes, self.episodes)) for start in starts]


def record(config: RecordingConfig) -> Path:
    """Record the demonstrations that `config` asks for; complete shards of an earlier call are kept.

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
        create_store(store, SyncSpec.CALVIN.replace(cameras=config.cameras))
        _record_shards(config, store)
        failed = _failed_attempts(Store.open(store))
        if config.format == "calvin":
            _export(store, config.out)
        _finish(config, failed)
    if config.format == "calvin":
        shutil.rmtree(store, ignore_errors=True)
    return config.out


def _settings(config: RecordingConfig) -> dict[str, object]:
    """What decides the recording's content, as plain JSON values."""
    settings = {**dataclasses.asdict(config), "out": None, "workers": None}
    return json.loads(json.dumps({name: value for name, value in settings.items() if value is not None}))


def _claim(config: RecordingConfig) -> None:
    """Write the settings into a fresh folder, or make sure that the recording there has the same."""
    file = config.out / "recording.json"
    if not file.exists():
        write_text(file, json.dumps({"settings": _settings(config)}, indent=2))
        return
    earlier, ours = json.loads(file.read_text())["settings"], _settings(config)
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
    per_task = {task: failed[task] for task in config.tasks}
    content = {"settings": _settings(config), "episodes": config.episodes, "failed_attempts": per_task}
    write_text(config.out / "recording.json", json.dumps(content, indent=2))


def _record_shards(config: RecordingConfig, store: Path) -> None:
    """Record all shards that are not there yet, in parallel."""
    missing = [shard for shard in config.shards() if not (store / "shards" / _shard_name(shard)).exists()]
    kept = config.episodes - sum(len(shard) for shard in missing)
    frames = attempts = 0
    with stage("record", config.episodes) as progress, worker_pool(min(config.workers, len(missing))) as pool:
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
def _table(cameras: tuple[tuple[str, Camera], ...]) -> PlayTable:
    """The play table of this process."""
    return PlayTable(cameras=dict(cameras))


def _shard_name(shard: range) -> str:
    return f"episodes-{shard.start:06d}-{shard.stop - 1:06d}"


def _record_shard(config: RecordingConfig, store: Path, shard: range) -> _ShardResult:
    """Record one shard's demonstrations and write them; runs in a worker."""
    episodes, attempts = [], 0
    for index in shard:
        episode, tries = _record_episode(config, index)
        episodes.append(episode)
        attempts += tries
    write_shard(store, _shard_name(shard), episodes)
    return _ShardResult(episodes=len(shard), attempts=attempts, frames=sum(len(episode) for episode in episodes))


def _record_episode(config: RecordingConfig, index: int) -> tuple[Episode, int]:
    """Demonstration `index`, and how many attempts it took; each attempt has a seed of its own."""
    task = config.tasks[index % len(config.tasks)]
    env = _table(tuple(config.cameras.items()))
    for attempt in range(1, MAX_ATTEMPTS + 1):
        episode = demonstrate(
            env,
            task,
            np.random.default_rng(np.random.SeedSequence([config.seed, index, attempt])),
            name=f"{task}/{index:06d}/attempt-{attempt}",
            first_frame=FRAME_NUMBERS * index,
            perturbation=config.perturbation,
            max_steps=config.max_steps,
        )
        if episode is not None:
            return episode, attempt
    raise VlasyncError(
        f"{task}: the expert failed {MAX_ATTEMPTS} times in a row with at most {config.max_steps} steps and "
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
