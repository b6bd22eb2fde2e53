"""Defects of images are found in a few frames, an episode or all, named once, and clean images raise no alarm."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vlasync.checks.findings import Problem
from vlasync.checks.images import appearance, continuity
from vlasync.checks.images.appearance import Appearance
from vlasync.checks.images.check import ImageCheck, image_checks
from vlasync.checks.images.thumbnails import thumbnails, tiles
from vlasync.checks.images.views import TURNED, UPRIGHT, View
from vlasync.data.open import open_dataset
from vlasync.recording import calvin_cameras
from vlasync.testing import record_play_table
from vlasync.testing.defect import Distortion
from vlasync.testing.images import bgr, black, mirrored, repeat_image, rework_images, swap_cameras, turned, upside_down
from vlasync.testing.streams import delay, select_frames
from vlasync.types import Episode

TASKS = ("open_drawer", "turn_on_led", "lift_red_block_table", "push_blue_block_left")


@pytest.fixture(scope="module")
def clean() -> list[Episode]:
    """Nine episodes, images in memory."""
    recording = record_play_table("small", TASKS[:3], cameras=calvin_cameras(64, 64), episodes_per_task=3, seed=21)
    return [
        replace(episode, images={name: np.asarray(images[:]) for name, images in episode.images.items()})
        for episode in recording.episodes
    ]


def look(episodes: Sequence[Episode]) -> list[Problem]:
    (check,) = image_checks(episodes, episodes=len(episodes))
    for episode in episodes:
        check.look(episode)
    return check.problems()


def codes(problems: Sequence[Problem]) -> set[str]:
    return {problem.code for problem in problems}


def test_clean_images_raise_no_alarm(clean: list[Episode]) -> None:
    assert look(clean) == []
    assert look(clean[:3]) == []
    for episode in clean:
        assert look([episode]) == []


def test_what_is_learnt_from_the_first_frames_holds_for_the_rest(
    clean: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    shortest = min(map(len, clean))
    monkeypatch.setattr(appearance, "PREVIEW_FRAMES", len(clean) * (shortest - 1))
    assert look(clean) == []


@pytest.mark.parametrize("split", ["training", "validation"])
def test_calvin_is_clean_and_its_images_are_in_step(shared_data: Path, split: str) -> None:
    episodes = list(open_dataset(shared_data / "calvin_sample" / split))
    (check,) = image_checks(episodes, episodes=len(episodes))
    for episode in episodes:
        check.look(episode)
    assert check.problems() == []
    assert check.inferred()["image_lag"] == {"static": 0, "gripper": 0}
    for claim in check.inferred()["image_lag_would_show_in"].values():
        assert claim == {"episodes": len(episodes), "of": len(episodes)}


WHOLE: dict[str, tuple[Distortion, str]] = {
    "upside down": (partial(rework_images, rework=upside_down), "image-upside-down"),
    "mirrored gripper": (partial(rework_images, rework=mirrored, cameras=("gripper",)), "image-upside-down"),
    "mirrored static": (partial(rework_images, rework=mirrored, cameras=("static",)), "image-upside-down"),
    "turned": (partial(rework_images, rework=turned), "image-upside-down"),
    "recoloured gripper": (partial(rework_images, rework=bgr, cameras=("gripper",)), "image-colour-order"),
    "recoloured": (partial(rework_images, rework=bgr), "image-colour-order"),
    "exchanged": (swap_cameras, "camera-swapped"),
    "black": (partial(rework_images, rework=black, cameras=("static",)), "image-black"),
}


@pytest.mark.parametrize(("distort", "code"), WHOLE.values(), ids=WHOLE)
def test_a_defect_of_all_episodes_is_found_in_each(clean: list[Episode], distort: Distortion, code: str) -> None:
    problems = look([distort(episode) for episode in clean])
    assert codes(problems) == {code}
    assert all(problem.count == len(clean) for problem in problems)


@pytest.mark.parametrize(("distort", "code"), WHOLE.values(), ids=WHOLE)
def test_a_defect_of_one_episode_is_found_there(clean: list[Episode], distort: Distortion, code: str) -> None:
    problems = look([distort(episode) if number == 4 else episode for number, episode in enumerate(clean)])
    assert codes(problems) == {code}
    assert all(problem.count == 1 and problem.where.startswith(clean[4].name) for problem in problems)


def quietest(episode: Episode, count: int) -> Episode:
    """The `count` frames of an episode in which the hand moves least."""
    steps = np.linalg.norm(np.diff(episode.state[:, :3], axis=0), axis=1)
    first = int(np.argmin(np.convolve(steps, np.ones(count - 1), "valid")))
    return select_frames(episode, np.arange(first, first + count))


@pytest.mark.parametrize("number", [0, 5])
def test_where_the_hand_hardly_moves_the_picture_tells_which_way_up(clean: list[Episode], number: int) -> None:
    quiet = quietest(clean[number], 10)
    others = clean[:number] + clean[number + 1 :]
    problems = look([*others, rework_images(quiet, upside_down)])
    assert {(problem.code, problem.where) for problem in problems} == {
        ("image-upside-down", f"{quiet.name}, {camera}") for camera in ("static", "gripper")
    }
    assert look([*others, quiet]) == []


def test_images_that_may_be_turned_or_late_are_not_said_to_be_late(
    clean: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appearance, "FAMILIAR", 0.0)  # as where no two pictures are alike
    assert look([rework_images(quietest(clean[0], 10), upside_down, ("gripper",)), *clean[1:]]) == []


@pytest.fixture(scope="module")
def pushes() -> Sequence[Episode]:
    """Four longer episodes."""
    return record_play_table("more", TASKS[3:], cameras=calvin_cameras(64, 64), episodes_per_task=4, seed=22).episodes


@pytest.mark.parametrize("frames", [-3, 3])
def test_images_that_are_late_in_all_episodes_are_late_and_not_turned(
    clean: list[Episode], pushes: Sequence[Episode], frames: int
) -> None:
    late = [delay(episode, frames, cameras=("static", "gripper")) for episode in (*clean, *pushes)]
    assert [(problem.code, problem.where) for problem in look(late)] == [
        ("image-lag", f"all episodes, {name}") for name in ("static", "gripper")
    ]
    both = look([rework_images(episode, upside_down, ("static",)) for episode in late])
    assert {(problem.code, problem.count) for problem in both} == {("image-upside-down", len(late)), ("image-lag", 1)}


FEW: dict[str, tuple[Distortion, str]] = {
    "upside down": (
        partial(rework_images, rework=upside_down, cameras=("gripper",), first=6, count=4),
        "image-upside-down",
    ),
    "recoloured": (partial(rework_images, rework=bgr, cameras=("static",), first=6, count=4), "image-colour-order"),
    "exchanged": (partial(swap_cameras, first=6, count=4), "camera-swapped"),
    "black": (partial(rework_images, rework=black, cameras=("gripper",), first=6, count=4), "image-black"),
}


@pytest.mark.parametrize(("distort", "code"), FEW.values(), ids=FEW)
def test_a_few_frames_are_found_by_their_number(clean: list[Episode], distort: Distortion, code: str) -> None:
    (problem,) = look([distort(episode) if number == 2 else episode for number, episode in enumerate(clean)])
    assert problem.code == code
    assert problem.where.startswith(clean[2].name)
    assert problem.where.endswith("frames 6, 7, 8 and 1 more")


@pytest.mark.parametrize(("count", "code"), [(1, "image-duplicate"), (3, "image-duplicate"), (7, "image-frozen")])
def test_repeated_images_are_found(clean: list[Episode], count: int, code: str) -> None:
    (problem,) = look([*clean[:-1], repeat_image(clean[-1], "gripper", count)])
    assert problem.code == code


def _shown(episode: Episode, frames: range, share: float) -> Episode:
    """The static camera shows one image in `frames`, but for a patch of some share that changes in the odd ones."""
    images = np.asarray(episode.images["static"][:]).copy()
    images[frames] = images[frames.start]
    side = round(share**0.5 * images.shape[1])
    images[[t for t in frames if t % 2], :side, :side] += 1
    return replace(episode, images={**episode.images, "static": images})


@pytest.mark.parametrize(("share", "found"), [(0.01, False), (0.04, True)])
def test_a_repeated_image_counts_where_the_hand_is_seen(clean: list[Episode], share: float, found: bool) -> None:
    odd = _shown(clean[-1], range(4, 12), share)
    images = np.asarray(odd.images["static"]).copy()
    images[8] = images[7]
    problems = look([*clean[:-1], replace(odd, images={**odd.images, "static": images})])
    assert ("image-duplicate" in codes(problems)) == found


def test_a_camera_that_freezes_until_the_end_is_found(clean: list[Episode]) -> None:
    images = np.asarray(clean[-1].images["static"][:]).copy()
    images[-9:] = images[-9]  # the frame before is the same: the camera may have shown nothing new by then
    images[-10] = images[-9]
    (problem,) = look([*clean[:-1], replace(clean[-1], images={**clean[-1].images, "static": images})])
    assert problem.code == "image-frozen"


@pytest.mark.parametrize(
    ("ratios", "switches"),
    [([0.5], []), ([0.4], [1]), ([0.6], []), ([0.5, 0.8], [1, 2]), ([0.4, 0.8, 0.5], [1, 2])],
)
def test_a_switch_for_good_has_to_be_clearer(ratios: list[float], switches: list[int]) -> None:
    as_is = np.full(len(ratios), 10.0, np.float32)
    assert list(continuity._switches(as_is, {"turned": as_is * np.float32(ratios)})) == switches


def test_turning_the_images_of_a_fixed_camera_must_not_make_them_stranger(
    clean: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = {UPRIGHT: 0.0, **dict.fromkeys(TURNED, 0.0), View(columns=True): 30.0}
    (check,) = image_checks(clean, episodes=len(clean))
    monkeypatch.setattr(appearance, "_fits", lambda *_: fits)
    check.look(clean[0])
    assert not any("`static`" in problem.message for problem in check.problems())


def test_a_robot_at_rest_may_give_equal_images(clean: list[Episode]) -> None:
    def resting(episode: Episode) -> Episode:
        frames = np.r_[np.zeros(8, int), np.arange(len(episode))]
        return replace(
            episode,
            images={name: np.asarray(images[:])[frames] for name, images in episode.images.items()},
            state=episode.state[frames],
            frame_index=np.arange(len(frames)),
        )

    assert look([resting(episode) for episode in clean]) == []


def test_where_there_is_too_little_to_learn_from_no_lag_is_claimed_to_show(clean: list[Episode]) -> None:
    (check,) = image_checks(clean[:2], episodes=2)
    for episode in clean[:2]:
        check.look(episode)
    none = {"episodes": 0, "of": 2, "not": [episode.name for episode in clean[:2]]}
    assert check.inferred() == {"image_lag_would_show_in": {"static": none, "gripper": none}}


def test_noise_that_does_not_follow_the_hand_is_none_of_these_defects(clean: list[Episode]) -> None:
    def noisy(episode: Episode) -> Episode:
        random = np.random.default_rng(len(episode))
        return replace(episode, images={"static": random.integers(0, 256, (len(episode), 20, 24, 3), np.uint8)})

    assert look([noisy(episode) for episode in clean]) == []


def test_parts_looked_at_elsewhere_join_to_the_same_report(clean: list[Episode]) -> None:
    episodes = [
        rework_images(episode, upside_down, ("static",)) if number % 4 == 1 else episode
        for number, episode in enumerate(clean)
    ]
    fresh = ImageCheck(Appearance.of(clean), episodes=len(clean))
    whole, first, rest = (copy.deepcopy(fresh) for _ in range(3))
    for number, episode in enumerate(episodes):
        whole.look(episode)
        (first if number < 4 else rest).look(episode)
    first.merge(pickle.loads(pickle.dumps(rest)))
    told = [(problem.code, problem.where, problem.count) for problem in first.problems()]
    assert told == [(problem.code, problem.where, problem.count) for problem in whole.problems()]
    assert told[0][2] == 2


@pytest.mark.parametrize("size", [(4, 4), (33, 50), (84, 84), (94, 200)])
def test_thumbnails_of_a_flipped_image_are_flipped_thumbnails(size: tuple[int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *size, 3), np.uint8)
    views = {"upright": images, "turned": images[:, ::-1, ::-1], "upside down": images[:, ::-1]}
    small, turned, upside_down = thumbnails(views).values()
    np.testing.assert_array_equal(turned.shape, small.shape)
    np.testing.assert_allclose(small.mean(), images.mean(), atol=2.0)
    assert tiles(small, 8).shape == (3, 3, 8, 8)
    if (size[0] - size[0] // 32 * 32) % 2 == 0 and min(size) >= 32 and size[0] % (size[0] // 32) == 0:
        np.testing.assert_allclose(upside_down, small[:, :, ::-1], atol=1e-3)
