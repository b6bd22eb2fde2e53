"""What a dataset's images usually look like and how they move, learnt from a few of its episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.images.continuity import SIDE, odd_exchanges, odd_views
from vlasync.checks.images.flow import affine_flow, hand_motion
from vlasync.checks.images.flow_model import LAGS, FlowModel
from vlasync.checks.images.mounts import in_hand, is_cold, is_exchanged, orientation
from vlasync.checks.images.still import Stillness
from vlasync.checks.images.thumbnails import resized, thumbnails, tiles
from vlasync.checks.images.views import BGR, TURNED, UPRIGHT, View
from vlasync.errors import DatasetError
from vlasync.spec import Camera
from vlasync.types import Episode

PREVIEW_FRAMES = 1024
"""Frames that are learnt from in all: the first ones of every episode, as many of each."""

TURNED_DECISIVE = 12.0
"""Difference of log-likelihoods at which images are believed to be turned. The least of all clean episodes prefers
upright images by 17."""

FAMILIAR = 0.85
"""Undoing a defect makes images familiar where it leaves less than this share of their difference to what a camera
usually shows. Of clean episodes, exchanging the cameras leaves 1.3 and more, turning a fixed camera's images 1.5 and
more; those of a camera on the hand stay as strange, 0.9 to 1.2."""

FEWEST_STEPS = 150
"""Steps from which a model of the motion is learnt; with fewer, its 42 weights would fit any lag."""

ALTERNATIONS = 2
"""Rounds of learning and turning; one settles where a minority is turned, two where it is half."""

LEAST_EXPLAINED = 0.4
"""Share of the image motion that must follow from the hand's. Clean recordings have 0.8 to 0.9, noise has none."""

SHADES = 8
"""Shades per channel that a palette tells apart."""

DECISIVE_NATS = 0.3
"""Evidence per cell for one order of colours. Every clean episode of the play table has 1.8 or more, 7 in the median,
and 0.8 where one episode in sixteen of the preview is recoloured; red and blue exchanged turn its sign."""

Small = Mapping[str, NDArray[np.float32]]
"""Camera name -> `[T, 3, h, w]` thumbnails of an episode."""


@dataclass(frozen=True, kw_only=True)
class CameraAppearance:
    """What one camera usually shows, once everything that is wrong with it is undone.

    Attributes:
        camera: how it is declared.
        face: `[3, 8, 8]` median of its images.
        palette: `[8, 8, 8]` log-probability of each colour.
        recoloured: most images are bluer than scenes usually are; red and blue were exchanged back.
        mixed: about half of the images have red and blue exchanged, so that the palette does not tell.
        model: image motion for the hand's motion; None where there was too little to learn from, or nothing follows it.
    """

    camera: Camera
    face: NDArray[np.float32]
    palette: NDArray[np.float64]
    recoloured: bool
    mixed: bool
    model: FlowModel | None

    def strangeness(self, small: NDArray[np.float32]) -> float:
        """Mean difference in grey levels between thumbnails and what this camera usually shows."""
        return float(np.abs(tiles(small, SIDE) - self.face).mean())

    def seen_as(
        self, small: NDArray[np.float32], flow: NDArray[np.float64], motion: NDArray[np.float64]
    ) -> View | None:
        """How an episode's thumbnails are seen; None where that is open.

        The motion decides where it is clear, but turning a fixed camera's images must not make them stranger: what
        something else moved may have followed the hand by chance. Where the hand hardly moves, it may only lean to
        images that are turned; then they are if that makes them what this camera usually shows.
        """
        assert self.model is not None
        fits = _fits(self.model, flow, motion)
        view = _clear_view(fits, UPRIGHT)
        if view != UPRIGHT and not in_hand(self.camera) and not self._is_nearer(view, small, than=1.0):
            return None
        likelier = [other for other in TURNED if fits[other] > fits[UPRIGHT]]
        if view != UPRIGHT or not likelier:
            return view
        nearest = min(likelier, key=lambda other: self.strangeness(other.apply(small)))
        return nearest if self._is_nearer(nearest, small, than=FAMILIAR) else None

    def _is_nearer(self, view: View, small: NDArray[np.float32], *, than: float) -> bool:
        """Whether seeing thumbnails in a view leaves less than a share of their strangeness."""
        return self.strangeness(view.apply(small)) < than * self.strangeness(small)

    @property
    def colours_known(self) -> bool:
        """Whether the order of colours follows from most images; else only from what is usual in the world."""
        return not (self.recoloured or self.mixed)

    def is_recoloured(self, small: NDArray[np.float32]) -> bool:
        """Whether thumbnails look like this camera's only with red and blue exchanged."""
        return is_cold(small) if self.mixed else _colour_evidence(self.palette, small) > DECISIVE_NATS


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """What the cameras of a dataset usually show; the reference that every episode is held against.

    Attributes:
        cameras: camera name -> what it shows, for the cameras of all preview episodes; None where it shows nothing.
    """

    cameras: Mapping[str, CameraAppearance | None]

    @classmethod
    def of(cls, episodes: Sequence[Episode]) -> Self:
        """Learn from a preview of a dataset: a few episodes, evenly spread; a minority of them may be broken.

        Where all episodes share a defect that the declared mount of a camera gives away (`checks.mounts`), it is undone
        here, so that the reference is what the images should be.
        """
        previews = []
        for episode in episodes:
            if len(episode) > 1:
                with suppress(DatasetError):  # an image that cannot be read is told when the episode's turn comes
                    previews.append(_preview(episode, PREVIEW_FRAMES // len(episodes)))
        if not previews:
            return cls(cameras={})
        declared = episodes[0].spec.cameras
        common = [name for name in declared if all(name in preview.small for preview in previews)]
        learnt = {name: _learn(declared[name], name, previews) for name in common}
        return cls(cameras=learnt)


def mend(small: Small) -> tuple[Small, Mapping[tuple[str, str], NDArray[np.bool_]], Mapping[str, list[View]]]:
    """Undo what some frames of an episode have that the others have not.

    Returns:
        Thumbnails as all frames should be; for each pair of cameras the frames `[T]` in which they were exchanged; for
        each camera how each frame was seen.
    """
    exchanges: dict[tuple[str, str], NDArray[np.bool_]] = {}
    mended = dict(small)
    for one, other in combinations(mended, 2):
        exchanges[one, other] = odd = odd_exchanges(mended[one], mended[other])
        if odd.any():
            mended = exchanged(mended, one, other, odd)
    views = {name: odd_views(images) for name, images in mended.items()}
    for name, seen in views.items():
        if any(view != UPRIGHT for view in seen):
            mended[name] = np.stack([view.apply(image) for view, image in zip(seen, mended[name], strict=True)])
    return mended, exchanges, views


def exchanged(
    small: Small, one: str, other: str, frames: NDArray[np.bool_] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Thumbnails with two cameras exchanged, in some frames `[T]` or in all, each brought to the other's size."""
    where = np.ones(len(small[one]), bool) if frames is None else frames
    ours, theirs = small[one].copy(), small[other].copy()
    ours[where] = resized(small[other][where], (ours.shape[2], ours.shape[3]))
    theirs[where] = resized(small[one][where], (theirs.shape[2], theirs.shape[3]))
    return {**small, one: ours, other: theirs}


@dataclass(frozen=True, kw_only=True)
class _Preview:
    """The first frames of an episode, with what some of its frames have against the others undone."""

    episode: Episode
    small: Small

    def motion(self, camera: Camera) -> NDArray[np.float64]:
        """How the hand moved, in the axes that the camera is mounted in."""
        return hand_motion(self.episode, in_hand=in_hand(camera))


def _preview(episode: Episode, count: int) -> _Preview:
    """The first `count` frames of an episode."""
    small, _, _ = mend(thumbnails({name: images[:count] for name, images in episode.images.items()}))
    first = replace(episode, state=episode.state[:count], frame_index=episode.frame_index[:count])
    return _Preview(episode=first, small=_in_place(small, episode.spec.cameras))


def _in_place(small: Small, cameras: Mapping[str, Camera]) -> Small:
    """Thumbnails of an episode, with a fixed camera and one on the hand exchanged back where they were exchanged."""
    fixed = [name for name in small if not in_hand(cameras[name])]
    hand = [name for name in small if in_hand(cameras[name])]
    if len(fixed) != 1 or len(hand) != 1 or not is_exchanged(_change(small[fixed[0]]), _change(small[hand[0]])):
        return small
    return exchanged(small, fixed[0], hand[0])


def _change(small: NDArray[np.float32]) -> float:
    """Mean change of a telling image to the next, in grey levels; 0 where there are none."""
    changes = np.abs(np.diff(small, axis=0))[Stillness.of(small).steps]
    return float(changes.mean()) if len(changes) else 0.0


def _learn(camera: Camera, name: str, previews: Sequence[_Preview]) -> CameraAppearance | None:
    """What the camera of this name shows in some episodes; None where it shows nothing."""
    shown = [preview.small[name] for preview in previews]
    still = [Stillness.of(small) for small in shown]
    flows = [measured_flow(small, part) for small, part in zip(shown, still, strict=True)]
    model, views = _upright(camera, flows, [preview.motion(camera) for preview in previews])
    telling = [view.apply(small[part.telling]) for view, small, part in zip(views, shown, still, strict=True)]
    images = np.concatenate(telling)
    if not len(images):
        return None
    recoloured = is_cold(images)
    if recoloured:
        images = BGR.apply(images)
    face = np.median(tiles(images, SIDE), axis=0)
    counts = np.bincount(_shades(images).ravel(), minlength=SHADES**3) + 1.0
    palette = np.log(counts / counts.sum()).reshape((SHADES,) * 3)
    cold = [is_cold(part) for part in telling if len(part)]
    mixed = any(cold) and not all(cold) and _colour_evidence(palette, images) > -DECISIVE_NATS
    return CameraAppearance(camera=camera, face=face, palette=palette, recoloured=recoloured, mixed=mixed, model=model)


def measured_flow(small: NDArray[np.float32], still: Stillness) -> NDArray[np.float64]:
    """Affine flow `[T - 1, 6]` of thumbnails, NaN where an image tells nothing."""
    flow = affine_flow(small)
    flow[~still.steps] = np.nan
    return flow


def _upright(
    camera: Camera, flows: Sequence[NDArray[np.float64]], motions: Sequence[NDArray[np.float64]]
) -> tuple[FlowModel | None, list[View]]:
    """The model of upright images, and how each episode is seen.

    Long episodes are turned first as the declared mount calls for. What is learnt from all of them then tells which
    fit clearly better another way round, and is learnt again with these turned; at last all are turned where the mount
    calls for it. A lesser margin would not do: what is learnt from an episode seen wrongly speaks for seeing it so.
    """
    views = [_mounted(camera, _model([flow], [motion])) for flow, motion in zip(flows, motions, strict=True)]
    model = _model([flow * view.signs() for flow, view in zip(flows, views, strict=True)], motions)
    if model is None:
        return None, views
    for _ in range(ALTERNATIONS):
        views = [_clear_view(_fits(model, *pair), view) for *pair, view in zip(flows, motions, views, strict=True)]
        model = _model([flow * view.signs() for flow, view in zip(flows, views, strict=True)], motions) or model
    wrong = _mounted(camera, model)
    views = [view ^ wrong for view in views]
    model = _model([flow * view.signs() for flow, view in zip(flows, views, strict=True)], motions)
    return model, views


def _mounted(camera: Camera, model: FlowModel | None) -> View:
    """How images are seen according to the declared mount; upright where there is nothing to tell it from."""
    return UPRIGHT if model is None else orientation(camera, model)


def _fits(model: FlowModel, flow: NDArray[np.float64], motion: NDArray[np.float64]) -> dict[View, float]:
    """How much likelier an episode's images are, seen in each way, if the hand moved as recorded than if not at all."""
    unmoved = model.log_likelihood(flow, 0.0 * motion)
    return {view: model.log_likelihood(flow * view.signs(), motion) - unmoved for view in (UPRIGHT, *TURNED)}


def _clear_view(fits: Mapping[View, float], otherwise: View) -> View:
    """The way to see images in which they follow the hand, where that is clearly not `otherwise`."""
    best = max(fits, key=fits.__getitem__)
    return best if fits[best] - max(fits[otherwise], 0.0) > TURNED_DECISIVE else otherwise


def _model(flows: Sequence[NDArray[np.float64]], motions: Sequence[NDArray[np.float64]]) -> FlowModel | None:
    """The model at the lag at which it explains most; None where there is too little, or it explains nothing."""
    if sum(int(np.isfinite(flow).all(axis=1).sum()) for flow in flows) < FEWEST_STEPS:
        return None
    models = [FlowModel.fit(flows, motions, lag) for lag in LAGS]
    best = max(models, key=lambda model: model.evidence)
    return best if best.explained > LEAST_EXPLAINED else None


def _colour_evidence(palette: NDArray[np.float64], small: NDArray[np.float32]) -> float:
    """How much better, per cell in nats, thumbnails fit a palette with red and blue exchanged than as they are."""
    gained = palette.transpose(2, 1, 0) - palette
    return float(gained.ravel()[_shades(small)].mean())


def _shades(small: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The shade of every cell `[T, h, w]`, red's number first, green's and blue's behind."""
    shades = np.clip(small * (SHADES / 256), 0, SHADES - 1).astype(np.uint16)
    return (shades[:, 0] * SHADES + shades[:, 1]) * SHADES + shades[:, 2]
