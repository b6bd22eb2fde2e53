"""The detector of everything that can be wrong with images; each is read once and compared small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vlasync.checks.findings import Detector, Pictures, Problem, name_frames
from vlasync.checks.images.appearance import (
    FAMILIAR,
    Appearance,
    CameraAppearance,
    Small,
    exchanged,
    measured_flow,
    mend,
)
from vlasync.checks.images.flow import hand_motion
from vlasync.checks.images.lag import LagEvidence
from vlasync.checks.images.mounts import in_hand
from vlasync.checks.images.still import Stillness, check_still
from vlasync.checks.images.thumbnails import thumbnails
from vlasync.checks.images.views import BGR, UPRIGHT, View
from vlasync.types import Episode

FROM_THE_DATA, FROM_THE_WORLD = 0.95, 0.6
"""Confidence in what follows from other images of the dataset or from how they move, and in what only follows from how
the world usually looks: a blue room looks like a brown one with red and blue exchanged."""

ADVICE = {
    "image-upside-down": "turn them when converting; OpenGL hands images out with row 0 at the bottom",
    "image-colour-order": "exchange the channels when converting; OpenCV reads and writes BGR",
}


class ImageCheck(Detector):
    """Detector of all `image-*` codes and of `camera-swapped`.

    What is found is undone before the next check looks, so that one defect is told once: first what some frames of an
    episode have that the others have not, then what the episode has against the rest of the dataset.
    """

    needs: ClassVar[tuple[str, ...]] = ("tcp_position", "tcp_euler")

    def __init__(self, appearance: Appearance, *, episodes: int) -> None:
        """Compare with what the cameras usually show, in a dataset of which so many `episodes` are looked at."""
        super().__init__()
        self._appearance = appearance
        self._lags = {name: LagEvidence(name, episodes=episodes) for name in appearance.cameras}

    def look(self, episode: Episode) -> None:
        """Check one episode."""
        names = [name for name in self._appearance.cameras if name in episode.images]
        if len(episode) < 2 or not names:
            return
        small: Small = thumbnails({name: episode.images[name] for name in names})
        still = {name: Stillness.of(images) for name, images in small.items()}
        froze = {name: check_still(self.findings, episode, name, small[name], still[name]) for name in names}
        small = self._mend(episode, small)
        small = self._exchange(episode, small, still)
        for name, images in small.items():
            usual = self._appearance.cameras[name]
            if usual is not None and still[name].telling.any():
                self._compare_colours(episode, name, usual, images, still[name])
                if froze[name]:
                    self._lags[name].pass_over(episode.name)  # what is left of the motion may show next to nothing
                else:
                    self._compare_motion(episode, name, usual, images, still[name])

    def merge(self, later: Self) -> None:
        """Take in what another detector found in later episodes."""
        super().merge(later)
        for name, evidence in self._lags.items():
            evidence.merge(later._lags[name])

    def problems(self) -> list[Problem]:
        """What was found, lags over all episodes included."""
        return super().problems() + [found for evidence in self._lags.values() for found in evidence.problems()]

    def inferred(self) -> dict[str, Any]:
        """Frames by which images come late, as all episodes together say; and in how many a lag of their own shows."""
        lags = {name: lag for evidence in self._lags.values() for name, lag in evidence.inferred().items()}
        claims = {name: claim for evidence in self._lags.values() for name, claim in evidence.claimed().items()}
        told = {"image_lag": lags, "image_lag_would_show_in": claims}
        return {name: value for name, value in told.items() if value}

    def _mend(self, episode: Episode, small: Small) -> Small:
        """Report frames that differ from the rest of the episode; return all as the rest is."""
        mended, exchanges, views = mend(small)
        for (one, other), odd in exchanges.items():
            if odd.any():
                where = f"{episode.name}, {name_frames(np.flatnonzero(odd).tolist())}"
                self._add_exchange(where, small, one, other, int(np.argmax(odd)))
        for name, seen in views.items():
            for view in dict.fromkeys(view for view in seen if view != UPRIGHT):
                frames = [t for t, other in enumerate(seen) if other == view]
                where = f"{episode.name}, {name}, {name_frames(frames)}"
                self._add_view(where, name, view, mended[name][frames[0]])
        return mended

    def _exchange(self, episode: Episode, small: Small, still: Mapping[str, Stillness]) -> Small:
        """Report cameras that are exchanged in the whole episode; return them in place."""
        for one, other in combinations(small, 2):
            ours, theirs = self._appearance.cameras[one], self._appearance.cameras[other]
            seen = still[one].telling & still[other].telling
            if ours is None or theirs is None or not seen.any():
                continue
            first, second = small[one][seen], small[other][seen]
            as_is = ours.strangeness(first) + theirs.strangeness(second)
            if ours.strangeness(second) + theirs.strangeness(first) < FAMILIAR * as_is:
                self._add_exchange(episode.name, small, one, other, int(np.argmax(seen)))
                small = exchanged(small, one, other)
        return small

    def _compare_colours(
        self, episode: Episode, name: str, usual: CameraAppearance, small: NDArray[np.float32], still: Stillness
    ) -> None:
        """Hold the colours of a camera's images against those that it usually shows."""
        example = small[int(np.argmax(still.telling))]
        if usual.is_recoloured(small[still.telling]):
            sure = FROM_THE_DATA if usual.colours_known else FROM_THE_WORLD
            self._add_view(f"{episode.name}, {name}", name, BGR, BGR.apply(example), sure)

    def _compare_motion(
        self, episode: Episode, name: str, usual: CameraAppearance, small: NDArray[np.float32], still: Stillness
    ) -> None:
        """Hold the motion of a camera's images against that of the hand: orientation, lag."""
        if usual.model is None or not still.steps.any():
            self._lags[name].pass_over(episode.name)
            return
        flow = measured_flow(small, still)
        motion = hand_motion(episode, in_hand=in_hand(usual.camera))
        view = usual.seen_as(small[still.telling], flow, motion)
        if view is None:
            self._lags[name].pass_over(episode.name)  # turned or late, nothing is as it should be: no telling which
            return
        if view != UPRIGHT:
            self._add_view(f"{episode.name}, {name}", name, view, view.apply(small[int(np.argmax(still.telling))]))
        self._lags[name].look(episode.name, usual.model, flow * view.signs(), motion)

    def _add_view(
        self, where: str, name: str, view: View, right: NDArray[np.float32], confidence: float = FROM_THE_DATA
    ) -> None:
        self.findings.add(
            view.code,
            where,
            f"images of `{name}` {view.name}",
            ADVICE[view.code],
            confidence=confidence,
            evidence=Pictures(
                title=where, images={"as stored": view.picture(right), "as it should be": UPRIGHT.picture(right)}
            ),
        )

    def _add_exchange(self, where: str, small: Small, one: str, other: str, frame: int) -> None:
        self.findings.add(
            "camera-swapped",
            where,
            f"`{one}` shows what `{other}` sees, and the other way round",
            "rename the streams when converting; look for devices that are numbered in the order they answer",
            confidence=FROM_THE_DATA,
            evidence=Pictures(
                title=where, images={f"`{name}`": UPRIGHT.picture(small[name][frame]) for name in (one, other)}
            ),
        )


def image_checks(preview: Sequence[Episode], *, episodes: int) -> list[Detector]:
    """The detector of images, taught by a preview of the dataset; none where there is nothing to see.

    Args:
        preview: episodes spread over the dataset.
        episodes: how many will be looked at.
    """
    untaught = ImageCheck(Appearance(cameras={}), episodes=episodes)
    if any(untaught.lacks(episode) for episode in preview):
        return [untaught]  # says of each episode that it was not checked
    appearance = Appearance.of(preview)
    return [ImageCheck(appearance, episodes=episodes)] if appearance.cameras else []
