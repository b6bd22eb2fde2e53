"""Where a conversion writes to: each layout takes the parts of a dataset in any order, and is finished once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlasync.actions.handover import HandOver, hand_over
from vlasync.data.dataset import Dataset, Outline, handed_over
from vlasync.data.layouts import ImageCoding, Layout, VideoCoding
from vlasync.data.parts import Part
from vlasync.data.readers.calvin import SPEC_FILE, frame_file, read_calvin
from vlasync.data.store import create_store, write_shard
from vlasync.data.writers import lerobot
from vlasync.data.writers.calvin import FIRST_FRAME, CalvinWriter
from vlasync.data.writers.lerobot_frames import LeRobotPlan, number_tasks
from vlasync.errors import DatasetError, SpecMismatchError
from vlasync.files import write_text
from vlasync.spec import SyncSpec
from vlasync.types import Episode


@dataclass(frozen=True, kw_only=True)
class Target(ABC):
    """A dataset that is being written; sent to worker processes.

    Attributes:
        folder: of the dataset.
        taken: how the source's actions get into what the layout holds.
    """

    folder: Path
    taken: HandOver

    @abstractmethod
    def has(self, part: Part) -> bool:
        """The part was written, whole."""

    @abstractmethod
    def write(self, part: Part, episodes: Sequence[Episode]) -> None:
        """Write the episodes of a part, handed over already."""

    @abstractmethod
    def finish(self, parts: Sequence[Part], dataset: Dataset) -> None:
        """Every part is there: add what describes the whole. Running it twice changes nothing."""


@dataclass(frozen=True, kw_only=True)
class StoreTarget(Target):
    """A training store; a part is a shard.

    Attributes:
        images: how it keeps images.
    """

    images: ImageCoding

    def has(self, part: Part) -> bool:
        """The shard is there."""
        return (self.folder / "shards" / self._name(part)).is_dir()

    def write(self, part: Part, episodes: Sequence[Episode]) -> None:
        """Write the shard."""
        create_store(self.folder, self.taken.target, self.images)
        write_shard(self.folder, self._name(part), episodes)

    def finish(self, parts: Sequence[Part], dataset: Dataset) -> None:
        """A store is complete with its shards."""

    def _name(self, part: Part) -> str:
        return f"{part.number:06d}"


@dataclass(frozen=True, kw_only=True)
class CalvinTarget(Target):
    """CALVIN's layout; a part is a run of frames.

    Attributes:
        first_frames: the number of each episode's first frame.
        lengths: number of frames of each episode.
    """

    first_frames: Sequence[int]
    lengths: Sequence[int]

    def has(self, part: Part) -> bool:
        """Its last frame is there: the frames of a part are written in order, each whole or not at all."""
        last = part.episodes[-1]
        return frame_file(self.folder, self.first_frames[last] + self.lengths[last] - 1).exists()

    def write(self, part: Part, episodes: Sequence[Episode]) -> None:
        """Write the frames."""
        writer = CalvinWriter(self.folder)
        for number, episode in zip(part.episodes, episodes, strict=True):
            if episode.timestamps is not None:
                raise DatasetError(
                    f"{episode.name}: has a recorder's timestamps, which CALVIN's layout has no place for; use "
                    "`--to store` or `--to lerobot`"
                )
            writer.append(episode, first_frame=self.first_frames[number])

    def finish(self, parts: Sequence[Part], dataset: Dataset) -> None:
        """Go through all episodes once more for the index and the statistics; frames that are there are kept."""
        writer = CalvinWriter(self.folder)
        for number, episode in enumerate(dataset):
            writer.append(handed_over(episode, self.taken), first_frame=self.first_frames[number])
        writer.finish()
        if read_calvin(self.folder).spec != self.taken.target:  # cameras that are mounted or stored otherwise
            write_text(self.folder / SPEC_FILE, self.taken.target.to_json())


@dataclass(frozen=True, kw_only=True)
class LeRobotTarget(Target):
    """LeRobot's layout v3; a part is a file.

    Attributes:
        plan: what its files share.
    """

    plan: LeRobotPlan

    def has(self, part: Part) -> bool:
        """Its row in `meta/episodes` is there."""
        return lerobot.has_part(self.folder, part.number)

    def write(self, part: Part, episodes: Sequence[Episode]) -> None:
        """Write the files."""
        lerobot.write_part(self.plan, part, episodes)

    def finish(self, parts: Sequence[Part], dataset: Dataset) -> None:
        """Add the tables of the whole."""
        lerobot.finish(self.plan, parts)


def make_target(
    layout: Layout,
    folder: Path,
    dataset: Dataset,
    outlines: Sequence[Outline],
    *,
    video: VideoCoding | None = None,
    images: ImageCoding | None = None,
) -> Target:
    """The target of a conversion.

    Args:
        layout: to write.
        folder: to write it into.
        dataset: to convert.
        outlines: of its episodes.
        video: coding of the videos, for LeRobot.
        images: coding of the images, for the store; raw by default.

    Raises:
        SpecMismatchError: the layout cannot hold what the dataset means.
    """
    kept = hand_over(dataset.spec, dataset.spec, where=f"{layout} {folder}")
    match layout:
        case "store":
            return StoreTarget(folder=folder, taken=kept, images=images or "raw")
        case "lerobot":
            plan = LeRobotPlan(folder=folder, spec=dataset.spec, tasks=number_tasks(outlines), video=video)
            return LeRobotTarget(folder=folder, taken=kept, plan=plan)
        case "calvin":
            return CalvinTarget(
                folder=folder,
                taken=_into_calvin(dataset.spec, folder),
                first_frames=calvin_numbers(outlines),
                lengths=[outline.length for outline in outlines],
            )


def calvin_numbers(outlines: Sequence[Outline]) -> list[int]:
    """The first frame number of each episode: its own where CALVIN's layout can keep them all, else counted through."""
    own = [outline.first_frame for outline in outlines]
    free = FIRST_FRAME
    counted: list[int] = []
    for outline in outlines:
        counted.append(free)
        free += outline.length
    ends = [first + outline.length for first, outline in zip(own, outlines, strict=True)]
    keepable = own[0] >= FIRST_FRAME and all(end <= later for end, later in zip(ends, own[1:], strict=False))
    return own if keepable else counted


def _into_calvin(spec: SyncSpec, folder: Path) -> HandOver:
    """From what a dataset means to CALVIN's own convention, which its layout has no place to change."""
    try:
        return hand_over(
            spec, SyncSpec.CALVIN.replace(cameras=spec.cameras), where=f"dataset -> CALVIN layout {folder}"
        )
    except SpecMismatchError as error:
        raise SpecMismatchError(
            f"{error}\n  CALVIN's layout has no place to say so; use `--to store` or `--to lerobot`"
        ) from error
