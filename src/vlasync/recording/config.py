"""What to record, and the order in which it is recorded."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vlasync.data.layouts import ImageCoding
from vlasync.envs.playtable.instructions import require_demonstrated
from vlasync.envs.playtable.layouts import find_layout
from vlasync.errors import VlasyncError
from vlasync.recording.perturbation import Perturbation
from vlasync.spec import Camera, SyncSpec

FRAME_NUMBERS = 1000
"""Frame numbers set aside for each demonstration; more than `RecordingConfig.max_steps` may ask for."""

Style = Literal["task", "play"]
"""`task`: one task per episode, from a start of its own. `play`: one task after the other, without reset."""


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
        tasks: tasks to demonstrate or to play; in task style, naming one twice doubles its share.
        episodes: number of each task in each scene; in play style, of each scene.
        scenes: scenes of the play table, recorded one after the other.
        style: one task per episode, or long recordings in which the expert plays.
        format: `store` for training, `calvin` for CALVIN's own layout.
        images: how a store keeps images; raw by default.
        cameras: image streams.
        perturbation: bursts of random action that disturb the expert.
        seed: of starts, sentences, bursts and the order of play.
        workers: processes; the recording does not depend on it.
        shard_episodes: demonstrations per shard, the unit of work that is kept or lost whole; a recording of play is a
            shard of its own.
        max_steps: an attempt at a task that takes longer is made again with another seed; in play, the expert turns to
            another task.
        play_frames: length of an episode in play style.
    """

    out: Path
    tasks: tuple[str, ...]
    episodes: int
    scenes: tuple[str, ...] = ("D",)
    style: Style = "task"
    format: Literal["store", "calvin"] = "store"
    images: ImageCoding | None = None
    cameras: Mapping[str, Camera] = field(default_factory=calvin_cameras)
    perturbation: Perturbation = field(default_factory=Perturbation)
    seed: int = 0
    workers: int = 2
    shard_episodes: int = 10
    max_steps: int = 120
    play_frames: int = 900

    def __post_init__(self) -> None:
        for task in self.tasks:
            require_demonstrated(task)
        for scene in self.scenes:
            find_layout(scene)
        for name in ("episodes", "workers", "shard_episodes", "max_steps", "play_frames"):
            if getattr(self, name) < 1:
                raise VlasyncError(f"RecordingConfig.{name} is {getattr(self, name)}; it must be at least 1")
        if not self.tasks or self.max_steps >= FRAME_NUMBERS:
            raise VlasyncError(
                f"RecordingConfig: got {len(self.tasks)} tasks and max_steps {self.max_steps}; "
                f"expected at least one task and fewer than {FRAME_NUMBERS} steps"
            )
        if self.images is not None and self.format != "store":
            raise VlasyncError(f"RecordingConfig.images is {self.images!r}; only format 'store' has codings of images")
        if not self.scenes or len(set(self.scenes)) < len(self.scenes):
            raise VlasyncError(f"RecordingConfig.scenes is {self.scenes}; expected one or more, each once")

    @property
    def per_scene(self) -> int:
        """Number of episodes of each scene."""
        return self.episodes * (len(self.tasks) if self.style == "task" else 1)

    @property
    def total(self) -> int:
        """Number of episodes of all scenes."""
        return len(self.scenes) * self.per_scene

    def scene(self, index: int) -> str:
        """The scene of episode `index`: one scene after the other, as CALVIN's layout lists them."""
        return self.scenes[index // self.per_scene]

    def task(self, index: int) -> str:
        """The task of episode `index` in task style: they take turns."""
        return self.tasks[index % self.per_scene % len(self.tasks)]

    def first_frame(self, index: int) -> int:
        """The number of the first frame of episode `index`."""
        return index * (FRAME_NUMBERS if self.style == "task" else self.play_frames)

    def shards(self) -> list[range]:
        """Episodes of each shard."""
        size = self.shard_episodes if self.style == "task" else 1
        return [range(start, min(start + size, self.total)) for start in range(0, self.total, size)]

    def settings(self) -> dict[str, object]:
        """What decides the recording's content, as plain JSON values."""
        settings = {**dataclasses.asdict(self), "out": None, "workers": None}
        return json.loads(json.dumps({name: value for name, value in settings.items() if value is not None}))
