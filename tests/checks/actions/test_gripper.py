"""Gripper commands against the width of the fingers and against the state's record of them."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import CLEAN, SPEC, with_actions

from vlasync.checks.audit import audit
from vlasync.checks.detectors import AuditConfig
from vlasync.types import Episode

NUMBERS = AuditConfig(images=False)


def late(episode: Episode, frames: int) -> Episode:
    """Only the gripper's commands shifted."""

    def shift(actions: np.ndarray) -> np.ndarray:
        actions[:, 6] = np.roll(actions[:, 6], frames)
        return actions

    return with_actions(episode, shift)


def without_record(episode: Episode) -> Episode:
    """A state that does not keep the last command."""
    spec = SPEC.replace(state_layout=SPEC.state_layout[:-1])
    return replace(episode, spec=spec, state=episode.state[:, :14])


@pytest.mark.parametrize("frames", [-3, -2, -1, 1, 2, 3])
def test_a_shift_of_the_gripper_alone_is_named_with_its_size(frames: int) -> None:
    for episodes in ([late(episode, frames) for episode in CLEAN], [*CLEAN[:-1], late(CLEAN[-1], frames)]):
        (problem,) = audit(episodes, NUMBERS).problems
        assert problem.code == "gripper-lag"
        assert f"{abs(frames)} frame(s) {'late' if frames > 0 else 'early'}" in problem.message


@pytest.mark.parametrize(("frames", "found"), [(2, ["gripper-lag"]), (1, ["gripper-lag"]), (0, []), (-2, [])])
def test_without_a_record_fingers_may_react_late_but_not_ahead_of_their_command(frames: int, found: list[str]) -> None:
    report = audit([without_record(late(episode, frames)) for episode in CLEAN], NUMBERS)
    assert [problem.code for problem in report.problems] == found


def test_commands_as_late_as_the_arms_actions_are_one_defect() -> None:
    report = audit([with_actions(episode, lambda actions: np.roll(actions, 2, axis=0)) for episode in CLEAN], NUMBERS)
    assert [problem.code for problem in report.problems] == ["action-lag"]


def test_one_flipped_episode_is_found_by_its_record_where_the_fingers_rest() -> None:
    def resting(episode: Episode, sign: float) -> Episode:
        state, actions = np.array(episode.state), np.array(episode.actions)
        state[:, 6], state[:, 14], actions[:, 6] = 0.0, -1.0, -sign
        return replace(episode, state=state, actions=actions)

    clean = [*CLEAN[:8], *(resting(episode, 1.0) for episode in CLEAN[8:11])]
    assert audit(clean, NUMBERS).problems == ()
    (problem,) = audit([*clean, resting(CLEAN[11], -1.0)], NUMBERS).problems
    assert (problem.code, problem.where) == ("gripper-polarity", CLEAN[11].name)


def test_fingers_that_something_forces_in_one_episode_do_not_tell_the_sign() -> None:
    forced = np.array(CLEAN[11].state)
    forced[:, 6] = 0.08 - forced[:, 6]
    last = replace(CLEAN[11], state=forced)
    assert audit([*CLEAN[:11], last], NUMBERS).problems == ()
    flipped = with_actions(last, lambda actions: actions * [1, 1, 1, 1, 1, 1, -1])
    (problem,) = audit([*CLEAN[:11], flipped], NUMBERS).problems
    assert (problem.code, problem.where) == ("gripper-polarity", last.name)


def test_a_width_in_the_place_of_the_command_is_only_another_coding() -> None:
    def width(episode: Episode) -> Episode:
        return with_actions(episode, lambda actions: np.c_[actions[:, :6], episode.state[:, 6]])

    assert [problem.code for problem in audit([width(episode) for episode in CLEAN], NUMBERS).problems] == [
        "gripper-values"
    ]


def test_numbers_for_open_and_closed_are_inferred() -> None:
    def recoded(actions: np.ndarray) -> np.ndarray:
        actions[:, 6] = np.where(actions[:, 6] > 0, 0.0, 255.0)
        return actions

    (part,) = audit([with_actions(episode, recoded) for episode in CLEAN], NUMBERS).parts
    assert (part.convention["gripper_open"], part.convention["gripper_closed"]) == (0.0, 255.0)


def test_a_gap_in_the_frames_is_not_compared_across() -> None:
    def cut(episode: Episode) -> Episode:
        kept = np.r_[0:19, 24:40]
        streams = {name: getattr(episode, name)[kept] for name in ("state", "actions", "scene", "frame_index")}
        images = {"static": episode.images["static"][: len(kept)]}
        return replace(episode, **streams, images=images, language=())

    assert {problem.code for problem in audit([cut(episode) for episode in CLEAN], NUMBERS).problems} == {"index-gap"}
