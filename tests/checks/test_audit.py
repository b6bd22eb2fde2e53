"""Every planted defect is found and named, and clean recordings raise no alarm."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up import CLEAN, with_actions
from rich.console import Console

from vlasync.checks.audit import audit
from vlasync.checks.findings import Problem
from vlasync.checks.report.audit_report import AuditReport, print_report
from vlasync.data.readers.calvin import frame_file, read_calvin
from vlasync.data.writers.calvin import FIRST_FRAME, CalvinWriter
from vlasync.types import Episode, LanguageSpan


def times(*factors: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda actions: actions * factors


def codes(episodes: Sequence[Episode]) -> list[str]:
    return [problem.code for problem in audit(episodes).problems]


def test_clean_demonstrations_raise_no_alarm() -> None:
    report = audit(CLEAN)
    assert report.problems == ()
    assert report.exit_code == 0
    assert (report.frames, report.episodes) == (480, 12)
    assert report.inferred["action_index"] == 0
    assert report.inferred["gripper_polarity"] > 0.9
    assert report.inferred["action_clipped_share"] > 0  # the bursts are there, and do not disturb


def test_single_precision_is_no_defect() -> None:
    rounded = [
        replace(
            episode,
            state=episode.state.astype(np.float32).astype(float),
            actions=episode.actions.astype(np.float32).astype(float),
        )
        for episode in CLEAN
    ]
    assert codes(rounded) == []


@pytest.mark.parametrize("lag", [-2, -1, 1, 2])
def test_a_shift_is_named_with_its_size(lag: int) -> None:
    report = audit([with_actions(episode, lambda actions: np.roll(actions, lag, axis=0)) for episode in CLEAN])
    assert [problem.code for problem in report.problems] == ["action-lag"]
    assert f"action[t{lag:+d}]" in report.problems[0].message
    assert "and 9 more" in report.problems[0].where
    assert report.problems[0].confidence > 0.5
    assert report.inferred["action_index"] == lag
    assert report.exit_code == 1


def test_one_shifted_episode_among_many_is_found() -> None:
    episodes = [*CLEAN[:-1], with_actions(CLEAN[-1], lambda actions: np.roll(actions, 1, axis=0))]
    (problem,) = audit(episodes).problems
    assert (problem.code, problem.where) == ("action-lag", "episode 11")


@pytest.mark.parametrize(
    ("factors", "named"),
    [((-1, 1, 1, 1, 1, 1, 1), "(-1, 1, 1)"), ((0.5,) * 3 + (1,) * 4, "(0.5, 0.5, 0.5)")],
)
def test_a_wrong_sign_or_scale_is_named(factors: tuple[float, ...], named: str) -> None:
    report = audit([with_actions(episode, times(*factors)) for episode in CLEAN])
    assert {problem.code for problem in report.problems} == {"action-scale"}
    assert named in report.problems[0].message


def test_a_few_wrong_frames_are_named() -> None:
    def spoil(actions: np.ndarray) -> np.ndarray:
        actions[[5, 9], 2] += 0.3
        return actions

    (problem,) = audit([CLEAN[0], with_actions(CLEAN[1], spoil)]).problems
    assert (problem.code, problem.where) == ("action-mismatch", "episode 1, frames 5, 9")


def test_another_composition_of_rotations_is_a_mismatch() -> None:
    random = np.random.default_rng(0)
    noise = [with_actions(episode, lambda actions: random.uniform(-0.9, 0.9, actions.shape)) for episode in CLEAN]
    assert "action-mismatch" in codes(noise)


def test_a_flipped_gripper_is_named() -> None:
    report = audit([with_actions(episode, times(*[1] * 6, -1)) for episode in CLEAN])
    assert [problem.code for problem in report.problems] == ["gripper-polarity"]
    assert report.inferred["gripper_polarity"] < -0.9
    assert "closes under 1, declared as open" in report.problems[0].message


def test_a_gripper_that_bounces_or_is_forced_open_is_no_defect() -> None:
    """Widths in millimetres as fingers show them that close on a block, and that are wedged open by a switch."""
    bounce = [80] * 15 + [33, 40, 36] + [38] * 22
    forced = [80, 27, 9, 3, 1] + [0] * 20 + [12, 30, 45, 60, 80] + [80] * 10
    closes = np.r_[np.ones(14), -np.ones(26)]
    for width, command in ((bounce, closes), (forced, -np.ones(40))):
        state, actions = np.array(CLEAN[0].state), np.array(CLEAN[0].actions)
        state[:, 6], actions[:, 6] = np.array(width) / 1000, command
        assert codes([replace(CLEAN[0], state=state, actions=actions)]) == []
        flipped = actions * ([1] * 6 + [-1])
        assert codes([replace(CLEAN[0], state=state, actions=flipped)]) == ["gripper-polarity"]


def test_another_coding_of_the_gripper_is_named() -> None:
    def zero_one(actions: np.ndarray) -> np.ndarray:
        actions[:, 6] = (actions[:, 6] + 1) / 2
        return actions

    assert "gripper-values" in codes([with_actions(episode, zero_one) for episode in CLEAN])


def test_a_gripper_that_never_moves_says_nothing() -> None:
    def hold(episode: Episode) -> Episode:
        state = np.array(episode.state)
        state[:, 6] = 0.08
        return replace(episode, state=state)

    report = audit([with_actions(hold(episode), times(*[1] * 6, -1)) for episode in CLEAN])
    assert report.problems == ()
    assert report.inferred["gripper_polarity"] is None


def span(first: int, last: int, sentence: str = "lift it") -> tuple[LanguageSpan, ...]:
    return (LanguageSpan(first=first, last=last, sentence=sentence, task="lift"),)


def spoilt_state(row: int) -> np.ndarray:
    state = np.array(CLEAN[0].state)
    state[row, 3] = np.nan
    return state


@pytest.mark.parametrize(
    ("episode", "code", "where"),
    [
        (replace(CLEAN[0], actions=CLEAN[0].actions[:-1]), "length-mismatch", "actions 39"),
        (
            replace(CLEAN[0], images={"static": np.zeros((38, 4, 4, 3), np.uint8)}),
            "length-mismatch",
            "images.static 38",
        ),
        (replace(CLEAN[0], frame_index=np.r_[0:20, 21:41]), "index-gap", "after frame 19"),
        (replace(CLEAN[0], state=spoilt_state(7)), "not-finite", "frame 7"),
        (replace(CLEAN[0], language=span(30, 40)), "language-crosses-episode", "frames 30..40 of 0..39"),
        (replace(CLEAN[0], language=span(-3, 10)), "language-out-of-bounds", "frames -3..10"),
        (replace(CLEAN[0], language=span(10, 5)), "language-out-of-bounds", "frames 10..5"),
        (replace(CLEAN[0], language=span(0, 9, " ")), "language-empty", "frames 0..9"),
    ],
)
def test_broken_streams_are_named(episode: Episode, code: str, where: str) -> None:
    (problem,) = audit([*CLEAN[1:], episode]).problems
    assert problem.code == code
    assert "episode 0" in problem.where
    assert where in problem.where


@pytest.fixture
def split(tmp_path: Path) -> Path:
    writer = CalvinWriter(tmp_path / "training")
    for episode in CLEAN[:3]:
        writer.append(episode)
    writer.finish()
    return tmp_path / "training"


def test_a_frame_cut_short_is_unreadable_and_the_rest_is_still_checked(split: Path) -> None:
    file = frame_file(split, FIRST_FRAME + 50)
    os.truncate(file, file.stat().st_size // 2)
    report = audit(split)
    (problem,) = report.problems
    assert problem.code == "unreadable"
    assert file.name in problem.where
    assert report.exit_code == 2
    assert (report.frames, report.episodes) == (80, 3)


def test_a_frame_that_is_not_finite_is_named(split: Path) -> None:
    file = frame_file(split, FIRST_FRAME + 50)
    with np.load(file) as frame:
        content = dict(frame)
    content["robot_obs"] = np.full(15, np.inf)
    np.savez_compressed(file, allow_pickle=False, **content)
    (problem,) = audit(split).problems
    assert problem.code == "not-finite"
    assert file.name in problem.where


def test_what_cannot_be_opened_is_reported_not_raised(split: Path) -> None:
    assert audit(split / "nothing").exit_code == 2
    language = split / "lang_annotations" / "auto_lang_ann.npy"
    np.save(language, np.array({"run": os.system}, dtype=object))
    report = audit(split)
    assert [problem.code for problem in report.problems] == ["unsafe-file"]
    assert report.exit_code == 2


@pytest.mark.parametrize("name", ["training", "validation"])
def test_the_recording_of_calvin_itself_is_clean_and_its_planted_defects_are_found(
    shared_data: Path, name: str
) -> None:
    folder = shared_data / "calvin_sample" / name
    assert audit(folder).problems == ()
    episodes = list(read_calvin(folder))
    for shift in (-1, 1):
        shifted = [
            with_actions(episode, lambda actions, by=shift: np.roll(actions, by, axis=0)) for episode in episodes
        ]
        (problem,) = audit(shifted).problems
        assert problem.code == "action-lag"
        assert f"action[t{shift:+d}]" in problem.message
    flipped = [with_actions(episode, times(*[1] * 6, -1)) for episode in episodes]
    assert codes(flipped) == ["gripper-polarity"]


def test_report_is_json_for_scripts_and_a_table_for_people() -> None:
    report = audit([with_actions(episode, times(*[1] * 6, -1)) for episode in CLEAN])
    record = json.loads(report.to_json())
    assert set(record) == {"problems", "frames", "episodes", "sampled", "inferred", "convention"}
    assert set(record["problems"][0]) == {"code", "where", "count", "confidence", "message", "advice"}
    console = Console(width=160)
    with console.capture() as capture:
        print_report(report, console)
    text = capture.get()
    assert "gripper-polarity" in text
    assert "1 problem in 480 frames of 12 episodes" in text


def test_places_with_brackets_survive_the_table() -> None:
    problem = Problem(code="unreadable", where="[red]x", count=1, confidence=1.0, message="shape [N, 7]", advice="-")
    console = Console(width=160)
    with console.capture() as capture:
        print_report(AuditReport(problems=(problem,), parts=()), console)
    assert "[red]x" in capture.get()
    assert "shape [N, 7]" in capture.get()
