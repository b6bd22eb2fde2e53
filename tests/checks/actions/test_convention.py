"""Which convention the numbers call for, whatever is declared."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import CLEAN, SPEC, with_actions

from vlasync.actions.frames import convert, increments
from vlasync.checks.actions.commands import goal_lead
from vlasync.checks.actions.gripper import GripperCheck
from vlasync.checks.actions.motion import MotionCheck
from vlasync.checks.audit import audit
from vlasync.checks.detectors import AuditConfig
from vlasync.data.readers.calvin import read_calvin
from vlasync.spec import SyncSpec
from vlasync.types import Episode

NUMBERS = AuditConfig(images=False)

WRONG: dict[str, Any] = {
    "action_index": 1,
    "action_frame": "tcp",
    "rotation": "rotvec",
    "rotation_composition": "right",
    "position_scale_m": 1.0,
    "rotation_scale_rad": 1.0,
    "action_clip": 0.5,
    "gripper_open": -1.0,
    "gripper_closed": 1.0,
}
"""Every field of the convention declared as something else than what CALVIN records."""


TURNED_BASE = (-0.34, -0.46, 0.24, 0.0, 0.0, 0.6, 0.8)
"""A base whose axes are not the world's."""


def convention(episodes: Sequence[Episode]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for detector in (MotionCheck(), GripperCheck()):
        for episode in episodes:
            detector.look(episode)
        found |= detector.convention()
    return found


def codes(episodes: Sequence[Episode]) -> set[str]:
    return {problem.code for problem in audit(episodes, NUMBERS).problems}


def declared(episodes: Sequence[Episode], **fields: Any) -> list[Episode]:
    return [replace(episode, spec=episode.spec.replace(**fields)) for episode in episodes]


def written(episodes: Sequence[Episode], **fields: Any) -> list[Episode]:
    """The same motion, written in another convention than the one that stays declared."""
    target = SPEC.replace(**fields, action_clip=None)
    return [
        with_actions(episode, lambda actions, state=episode.state: convert(actions, state, SPEC, target))
        for episode in episodes
    ]


@pytest.mark.parametrize("name", ["training", "validation"])
@pytest.mark.parametrize("mode", ["absolute", "relative_to_measured", "relative_to_target"])
def test_calvins_convention_is_found_in_its_recording_whatever_is_declared(
    shared_data: Path, name: str, mode: str
) -> None:
    wrong = WRONG | {"action_mode": mode, "base_in_world": TURNED_BASE}
    if mode == "absolute":  # poses are never written in the axes of the hand
        wrong["action_frame"] = "base"
    episodes = declared(read_calvin(shared_data / "calvin_sample" / name), **wrong)
    found = convention(episodes)
    expected = {field: getattr(SyncSpec.CALVIN, field) for field in (*WRONG, "action_mode")}
    # Nothing in this recording reaches a bound: the numbers only tell that there is none at 0.5.
    assert found == expected | {"action_clip": None}


def test_a_bound_is_found_where_the_motion_went_further() -> None:
    assert convention(CLEAN)["action_clip"] == 1.0
    assert convention(declared(CLEAN, action_clip=None))["action_clip"] == 1.0
    assert "action_clip" not in convention([slow(episode) for episode in CLEAN])


def slow(episode: Episode) -> Episode:
    """Only the frames before the burst, in which nothing is clipped."""
    streams = {name: getattr(episode, name)[:14] for name in ("state", "actions", "scene", "frame_index")}
    return replace(episode, **streams)


def test_a_bound_that_is_not_declared_is_named() -> None:
    often = [episode for episode in CLEAN if (np.abs(episode.actions[:, :6]) == 1.0).sum() > 1]
    assert len(often) > 3
    assert codes(declared(often, action_clip=None)) == {"action-clipped"}


def test_one_broken_episode_does_not_change_the_convention() -> None:
    broken = with_actions(CLEAN[5], lambda actions: np.roll(actions, 1, axis=0) * ([0.5] * 6 + [-1]))
    assert convention([*CLEAN[:5], broken, *CLEAN[6:]]) == convention(CLEAN)


def test_split_evidence_calls_for_nothing() -> None:
    late = [with_actions(episode, lambda actions: np.roll(actions, 1, axis=0)) for episode in CLEAN[:6]]
    assert "action_index" not in convention([*late, *CLEAN[6:]])


def test_parts_merge_to_the_whole() -> None:
    episodes = [*written(CLEAN[:3], rotation_composition="left"), *CLEAN[3:]]
    whole, first, second = MotionCheck(), MotionCheck(), MotionCheck()
    for number, episode in enumerate(episodes):
        whole.look(episode)
        (first if number < 5 else second).look(episode)
    first.merge(second)
    assert [(found.code, found.where, found.count) for found in first.problems()] == [
        (found.code, found.where, found.count) for found in whole.problems()
    ]
    assert first.inferred() == whole.inferred()
    assert first.convention() == whole.convention()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"rotation_composition": "left"}, {"action-composition"}),
        ({"rotation_composition": "right"}, {"action-composition"}),
        ({"rotation": "euler_xyz_intrinsic"}, {"action-rotation"}),
        ({"action_frame": "tcp", "rotation_composition": "right"}, {"action-frame", "action-composition"}),
        ({"rotation": "rotvec", "rotation_composition": "left"}, {"action-rotation", "action-composition"}),
        ({"action_mode": "absolute"}, {"action-mode"}),
        (
            {"action_mode": "absolute", "position_scale_m": 1.0, "rotation_scale_rad": 1.0},
            {"action-mode", "action-units"},
        ),
        ({"position_scale_m": 1e-3}, {"action-units"}),
        ({"rotation_scale_rad": np.pi / 180}, {"action-units"}),
        ({"position_scale_m": 0.04}, {"action-scale"}),
    ],
)
def test_each_part_of_a_convention_is_named_in_all_episodes_and_in_one(
    fields: dict[str, Any], expected: set[str]
) -> None:
    episodes = written(CLEAN, **fields)
    assert codes(episodes) == expected
    assert codes([*CLEAN[:6], episodes[6], *CLEAN[7:]]) == expected
    assert {field: convention(episodes)[field] for field in fields} == fields


def test_actions_that_were_normalised_are_named() -> None:
    values = np.concatenate([episode.actions for episode in CLEAN])[:, :6]
    low, high = np.percentile(values, [1, 99], axis=0)

    def percentiles(actions: np.ndarray) -> np.ndarray:
        actions[:, :6] = (2 * (actions[:, :6] - low) / (high - low) - 1).clip(-1, 1)
        return actions

    def z_score(actions: np.ndarray) -> np.ndarray:
        actions[:, :6] = (actions[:, :6] - values.mean(axis=0)) / values.std(axis=0)
        return actions

    for change in (percentiles, z_score):
        assert codes([with_actions(episode, change) for episode in CLEAN]) == {"action-normalized"}


def test_actions_that_were_cut_off_and_then_normalised_are_named() -> None:
    fine = SPEC.replace(position_scale_m=0.004, rotation_scale_rad=0.01)
    episodes = []
    for episode in CLEAN:
        moved = increments(episode.state[:-1, :6], episode.state[1:, :6], fine).clip(-1, 1)
        normalised = (moved - [0.1, -0.2, 0.3, 0.0, 0.05, -0.1]) * [2.0, 3.0, 2.5, 3.5, 2.0, 3.0]
        actions = np.column_stack([np.vstack([normalised, np.zeros(6)]), episode.actions[:, 6]])
        episodes.append(replace(episode, spec=fine, actions=actions))
    assert codes(episodes) == {"action-normalized"}


def test_a_motion_that_loses_much_to_its_bound_is_named() -> None:
    fine = SPEC.replace(position_scale_m=0.004, rotation_scale_rad=0.01)
    episodes = []
    for episode in CLEAN:
        moved = increments(episode.state[:-1, :6], episode.state[1:, :6], fine).clip(-1, 1)
        actions = np.column_stack([np.vstack([moved, np.zeros(6)]), episode.actions[:, 6]])
        episodes.append(replace(episode, spec=fine, actions=actions))
    assert codes(episodes) == {"action-clipped"}


def test_noise_in_every_frame_is_no_defect() -> None:
    def noisy(actions: np.ndarray) -> np.ndarray:
        actions[:, :6] += np.random.default_rng(0).normal(size=actions[:, :6].shape) * 0.005
        return actions

    assert codes([with_actions(episode, noisy) for episode in CLEAN]) == set()


def test_commands_are_told_from_achieved_motion_by_their_lead(shared_data: Path) -> None:
    episodes = list(read_calvin(shared_data / "calvin_sample" / "training"))
    achieved = audit(episodes, NUMBERS)
    assert (achieved.inferred["goal_lead_frames"], achieved.inferred["goal_distance_m"]) == (1, 0.0)
    with np.load(shared_data / "calvin_sample_extras.npz") as extras:
        commands = [extras["training_100__cmd"], extras["training_380__cmd"]]
    commanded = []
    for episode, goals in zip(episodes, commands, strict=True):
        before = np.vstack([episode.state[:1, :6], goals[:-1, :6]])
        moves = increments(before, goals[:, :6], SyncSpec.CALVIN)
        commanded.append(with_actions(episode, lambda actions, moves=moves: np.c_[moves, actions[:, 6]]))
    report = audit(commanded, NUMBERS)
    assert [problem.code for problem in report.problems] == ["action-commanded"]
    assert report.inferred["goal_lead_frames"] == 2
    assert 0.001 < report.inferred["goal_distance_m"] < 0.005
    assert convention(commanded)["action_mode"] == "relative_to_target"
    assert codes(declared(commanded, action_mode="relative_to_target")) == set()
    assert codes(declared(episodes, action_mode="relative_to_target")) == {"action-commanded"}


@pytest.mark.parametrize(("lead", "commanded"), [(1, False), (2, True), (3, True)])
def test_a_hand_that_turns_and_hardly_travels_shows_the_lead_of_its_goals(lead: int, commanded: bool) -> None:
    random = np.random.default_rng(0)
    pose = 1e-3 * random.normal(size=(60, 6))
    pose[:, 5] += 0.02 * (1 + np.sin(np.arange(60) / 4)).cumsum()
    moves = increments(pose[:-lead], pose[lead:] + 1e-3 * random.normal(size=(60 - lead, 6)), SPEC)
    found = goal_lead(pose[:-lead], moves, SPEC)
    assert found.commanded == commanded
    assert not commanded or found.frames == lead
