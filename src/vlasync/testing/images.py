"""Defects of the image streams: late, stuck, black, turned, exchanged, of another colour order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlasync.testing.defect import Defect, Distortion
from vlasync.testing.reworked import Rework, ReworkedImages
from vlasync.testing.streams import delay
from vlasync.types import Episode

CAMERAS = ("static", "gripper")
"""CALVIN's cameras; defects of a camera that an episode does not have cannot be planted."""

SOME = 5
"""Frames of a defect that concerns a few frames of an episode."""


def upside_down(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows in reverse order, as OpenGL hands images out."""
    return image[::-1]


def mirrored(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Columns in reverse order."""
    return image[:, ::-1]


def turned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turned by 180 degrees, as by a camera that is mounted the wrong way up."""
    return image[::-1, ::-1]


def bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Red and blue exchanged, as OpenCV hands images out."""
    return image[:, :, ::-1]


def black(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """No light at all."""
    return np.zeros_like(image)


@dataclass(frozen=True, kw_only=True)
class Resize:
    """To another height and width by area means: no pixel is lost, so that images that differ stay different."""

    height: int
    width: int

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """`[height, width, 3]` from `[H, W', 3]`."""
        return np.asarray(Image.fromarray(image).resize((self.width, self.height), Image.Resampling.BOX))


def rework_images(
    episode: Episode, rework: Rework, cameras: Sequence[str] = CAMERAS, first: int = 0, count: int | None = None
) -> Episode:
    """Pass the images of some cameras through `rework`: all of them, or `count` frames from frame `first` on."""
    chosen = [name for name in cameras if name in episode.images]
    if not chosen:
        return episode
    frames = np.arange(len(episode))
    affected = (frames >= first) & (frames < first + (len(episode) if count is None else count))
    reworked = {
        name: ReworkedImages(source=episode.images[name], frames=frames, rework=rework, reworked=affected)
        for name in chosen
    }
    return replace(episode, images={**episode.images, **reworked})


def swap_cameras(episode: Episode, first: int = 0, count: int | None = None) -> Episode:
    """The first two cameras exchanged, resized to each other's size: all frames, or `count` from frame `first` on."""
    if len(episode.images) < 2:
        return episode
    frames = np.arange(len(episode))
    affected = (frames >= first) & (frames < first + (len(episode) if count is None else count))
    one, other = sorted(episode.images)[:2]
    swapped = {one: _shown_by(episode, one, other, affected), other: _shown_by(episode, other, one, affected)}
    return replace(episode, images={**episode.images, **swapped})


@dataclass(frozen=True, kw_only=True)
class _Exchanged:
    """The images of `camera`, but where `affected` those of `other` in the size of `camera`."""

    camera: ReworkedImages
    other: ReworkedImages
    affected: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.camera.shape

    def __len__(self) -> int:
        return len(self.camera)

    def __getitem__(self, index: int | slice, /) -> NDArray[np.uint8]:
        if isinstance(index, slice):
            chosen = range(len(self))[index]
            return np.stack([self[t] for t in chosen]) if chosen else self.camera[index]
        return (self.other if self.affected[index] else self.camera)[index]


def _shown_by(episode: Episode, camera: str, other: str, affected: NDArray[np.bool_]) -> _Exchanged:
    height, width = episode.images[camera].shape[1:3]
    frames = np.arange(len(episode))
    resized = ReworkedImages(
        source=episode.images[other], frames=frames, rework=Resize(height=height, width=width), size=(height, width)
    )
    return _Exchanged(
        camera=ReworkedImages(source=episode.images[camera], frames=frames), other=resized, affected=affected
    )


def repeat_image(episode: Episode, camera: str, count: int) -> Episode:
    """The camera shows one image again for `count` frames, from where the robot moves most."""
    if camera not in episode.images or len(episode) <= count + 1:
        return episode
    first = busiest(episode, count)
    frames = np.arange(len(episode))
    frames[first + 1 : first + 1 + count] = first
    stuck = ReworkedImages(source=episode.images[camera], frames=frames)
    return replace(episode, images={**episode.images, camera: stuck})


def busiest(episode: Episode, count: int) -> int:
    """The frame before the `count` steps in which the TCP travels furthest."""
    position = episode.state[:, episode.spec.state_slice("tcp_position")]
    steps = np.linalg.norm(np.diff(position, axis=0), axis=1)
    return int(np.argmax(np.convolve(steps, np.ones(count), "valid")))


def _per_camera(rework: Rework) -> dict[str, Distortion]:
    """A rework of both cameras, of each alone, and of a few frames."""
    return {
        "both cameras": partial(rework_images, rework=rework),
        **{camera: partial(rework_images, rework=rework, cameras=(camera,)) for camera in CAMERAS},
        **{
            f"{camera}, {SOME} frames": partial(rework_images, rework=rework, cameras=(camera,), first=3, count=SOME)
            for camera in CAMERAS
        },
    }


def _lags() -> dict[str, Distortion]:
    """Images late and early by one to three frames, each camera and both."""
    groups: dict[str, Sequence[str]] = {"static": ("static",), "gripper": ("gripper",), "both cameras": CAMERAS}
    return {
        f"{name}, {abs(frames)} {'late' if frames > 0 else 'early'}": partial(delay, frames=frames, cameras=cameras)
        for name, cameras in groups.items()
        for frames in (1, 2, 3, -1, -2, -3)
    }


def _each_camera(distort: Callable[..., Episode], label: str, count: int) -> dict[str, Distortion]:
    return {f"{camera}, {label}": partial(distort, camera=camera, count=count) for camera in CAMERAS}


IMAGE_DEFECTS: tuple[Defect, ...] = (
    Defect(name="images come late or early", code="image-lag", strengths=_lags()),
    Defect(
        name="black images",
        code="image-black",
        strengths={
            f"{camera}, {count} frame{'s' * (count > 1)}": partial(
                rework_images, rework=black, cameras=(camera,), first=3, count=count
            )
            for camera in CAMERAS
            for count in (1, SOME)
        }
        | {f"{camera}, all frames": partial(rework_images, rework=black, cameras=(camera,)) for camera in CAMERAS},
    ),
    Defect(
        name="an image is shown again",
        code="image-duplicate",
        strengths=_each_camera(repeat_image, "1 frame", 1),
    ),
    Defect(
        name="a camera freezes",
        code="image-frozen",
        strengths=_each_camera(repeat_image, "8 frames", 8) | _each_camera(repeat_image, "10 frames", 10),
    ),
    Defect(
        name="cameras are exchanged",
        code="camera-swapped",
        strengths={
            "all frames": swap_cameras,
            f"{SOME} frames": partial(swap_cameras, first=3, count=SOME),
        },
    ),
    Defect(name="images are upside down", code="image-upside-down", strengths=_per_camera(upside_down)),
    Defect(name="images are mirrored", code="image-upside-down", strengths=_per_camera(mirrored)),
    Defect(name="images are turned by 180 degrees", code="image-upside-down", strengths=_per_camera(turned)),
    Defect(name="red and blue are exchanged", code="image-colour-order", strengths=_per_camera(bgr)),
)
"""Defects of the image streams."""
