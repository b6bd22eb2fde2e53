"""Defects of the streams as a whole: their lengths, numbering, clock, and numbers that are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlasync.testing.defect import Defect
from vlasync.testing.reworked import ReworkedImages
from vlasync.types import Episode, ImageStream

WINDOW_SIZE = 8
"""Frames of the training window that sentences are held against; the audit's default."""

Stream = Literal["state", "actions", "scene"]


def select_frames(episode: Episode, frames: NDArray[np.int64]) -> Episode:
    """The episode with other frames: `frames [T']` numbers those to keep, in rising order.

    Every stream is cut alike, so that the result is as much in step as the episode was. Sentences keep the frames that
    are left of them; one that loses some and is left with fewer than `WINDOW_SIZE` is dropped.
    """
    language = []
    for span in episode.language:
        kept = np.flatnonzero((frames >= span.first) & (frames <= span.last))
        if len(kept) and len(kept) >= min(WINDOW_SIZE, span.last - span.first + 1):
            language.append(replace(span, first=int(kept[0]), last=int(kept[-1])))
    return replace(
        episode,
        images={name: ReworkedImages(source=images, frames=frames) for name, images in episode.images.items()},
        state=episode.state[frames],
        actions=episode.actions[frames],
        scene=None if episode.scene is None else episode.scene[frames],
        frame_index=episode.frame_index[frames],
        language=tuple(language),
        timestamps=None if episode.timestamps is None else episode.timestamps[frames],
    )


def delay(episode: Episode, frames: int, *, cameras: Sequence[str] = (), columns: slice | None = None) -> Episode:
    """Let some streams come late against the others, and cut what has no partner: T - |frames| frames stay.

    Args:
        episode: streams in step.
        frames: the named streams show at t what belongs to t - frames; negative where they come early.
        cameras: image streams that are late; those that the episode does not have are left out.
        columns: columns of the actions `[T, 7]` that are late.

    Returns:
        The same object where there is nothing to delay or too few frames to do it.
    """
    cameras = [name for name in cameras if name in episode.images]
    length = len(episode) - abs(frames)
    if length < 2 or not (cameras or columns):
        return episode
    in_step = np.arange(length) + max(frames, 0)
    late = in_step - frames
    shifted = select_frames(episode, in_step)
    images: dict[str, ImageStream] = dict(shifted.images)
    images |= {name: ReworkedImages(source=episode.images[name], frames=late) for name in cameras}
    actions = shifted.actions.copy()
    if columns:
        actions[:, columns] = episode.actions[late][:, columns]
    return replace(shifted, images=images, actions=actions)


def cut_images(episode: Episode, camera: str, frames: int) -> Episode:
    """One camera stopped `frames` before the end."""
    if camera not in episode.images or len(episode) <= frames:
        return episode
    images = episode.images[camera]
    cut = ReworkedImages(source=images, frames=np.arange(len(images) - frames))
    return replace(episode, images={**episode.images, camera: cut})


def cut_vectors(episode: Episode, frames: int) -> Episode:
    """The last `frames` actions are missing, as where one was made per pair of frames."""
    return replace(episode, actions=episode.actions[:-frames])


def skip_numbers(episode: Episode, frames: int) -> Episode:
    """The numbering jumps by `frames` in the middle, though no frame is missing."""
    jumped = episode.frame_index.copy()
    jumped[len(episode) // 2 :] += frames
    return replace(episode, frame_index=jumped)


def drop_frames(episode: Episode, frames: int) -> Episode:
    """`frames` frames in the middle of every stream were lost."""
    middle = len(episode) // 2
    return select_frames(episode, np.delete(np.arange(len(episode)), slice(middle, middle + frames)))


def spoil_number(episode: Episode, stream: Stream, value: float) -> Episode:
    """One number of one frame becomes `value`."""
    values = getattr(episode, stream)
    if values is None:
        return episode
    spoilt = values.copy()
    spoilt[len(episode) // 2, 1] = value
    return replace(episode, **{stream: spoilt})


def even_clock(episode: Episode, rate_hz: float | None = None) -> Episode:
    """The episode with timestamps `t / rate_hz`, at the declared rate unless another is given."""
    return replace(episode, timestamps=np.arange(len(episode)) / (rate_hz or episode.spec.rate_hz))


def disturb_clock(episode: Episode, shifts_s: Sequence[float]) -> Episode:
    """Timestamps at the declared rate; frames in the middle are stamped `shifts_s` seconds late."""
    middle = len(episode) // 2
    timestamps = np.arange(len(episode)) / episode.spec.rate_hz
    count = len(timestamps[middle : middle + len(shifts_s)])
    timestamps[middle : middle + count] += shifts_s[:count]
    return replace(episode, timestamps=timestamps)


def noisy_clock(episode: Episode, deviation_s: float) -> Episode:
    """Timestamps with independent Gaussian errors of standard deviation `deviation_s`."""
    errors = np.random.default_rng(len(episode)).normal(scale=deviation_s, size=len(episode))
    return replace(episode, timestamps=np.arange(len(episode)) / episode.spec.rate_hz + errors)


def lost_ticks(episode: Episode, frames: int) -> Episode:
    """The recorder lost `frames` frames in the middle and numbered on; only the clock tells."""
    timestamps = np.arange(len(episode)) / episode.spec.rate_hz
    timestamps[len(episode) // 2 :] += frames / episode.spec.rate_hz
    return replace(episode, timestamps=timestamps)


STREAM_DEFECTS: tuple[Defect, ...] = (
    Defect(
        name="a stream is cut short",
        code="length-mismatch",
        strengths={
            "static images, 1 frame": partial(cut_images, camera="static", frames=1),
            "gripper images, 5 frames": partial(cut_images, camera="gripper", frames=5),
            "actions, 1 frame": partial(cut_vectors, frames=1),
        },
    ),
    Defect(
        name="frame numbers jump",
        code="index-gap",
        strengths={
            "by 1": partial(skip_numbers, frames=1),
            "by 100": partial(skip_numbers, frames=100),
        },
    ),
    Defect(
        name="frames are lost from every stream",
        code="index-gap",
        strengths={"1 frame": partial(drop_frames, frames=1), "5 frames": partial(drop_frames, frames=5)},
        also={"action-mismatch": "the action before the gap leads to a frame that is no longer there"},
    ),
    Defect(
        name="a number is not finite",
        code="not-finite",
        strengths={
            "NaN in one state": partial(spoil_number, stream="state", value=np.nan),
            "NaN in one action": partial(spoil_number, stream="actions", value=np.nan),
            "infinity in one action": partial(spoil_number, stream="actions", value=-np.inf),
            "NaN in one scene": partial(spoil_number, stream="scene", value=np.nan),
        },
    ),
    Defect(
        name="timestamps are uneven",
        code="time-jitter",
        strengths={
            "one frame 15 ms late": partial(disturb_clock, shifts_s=(0.015,)),
            "noise of 5 ms": partial(noisy_clock, deviation_s=0.005),
            "one frame runs backwards": partial(disturb_clock, shifts_s=(0.05,)),
            "one frame lost": partial(lost_ticks, frames=1),
            "a pause of 1 s": partial(lost_ticks, frames=30),
        },
    ),
    Defect(
        name="timestamps run at another rate",
        code="wrong-rate",
        strengths={
            "29 Hz": partial(even_clock, rate_hz=29.0),
            "25 Hz": partial(even_clock, rate_hz=25.0),
            "15 Hz": partial(even_clock, rate_hz=15.0),
            "60 Hz": partial(even_clock, rate_hz=60.0),
        },
    ),
)
"""Defects of lengths, numbering, numbers and clock."""
