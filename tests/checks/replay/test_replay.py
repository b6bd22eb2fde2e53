"""Replay: round trips lose nothing, every representation carries the demonstration, and the table says how well."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from vlasync.actions.frames import convert, increments
from vlasync.actions.representations import represent
from vlasync.checks.audit import audit
from vlasync.checks.check_command import CheckOptions, run_check
from vlasync.checks.replay.drive import RECORDED, Variant, drive, replay, replay_span, variants, written
from vlasync.checks.replay.replay_report import ReplayReport, Strays, Tally
from vlasync.data.store import create_store, write_shard
from vlasync.envs.playtable import PlayTable
from vlasync.errors import DatasetError, SpecMismatchError
from vlasync.recording.demonstration import demonstrate
from vlasync.recording.perturbation import Perturbation
from vlasync.spec import SyncSpec
from vlasync.types import Episode, LanguageSpan

TASKS = ("open_drawer", "turn_on_led", "push_blue_block_right")
SPEC = SyncSpec.CALVIN.replace(cameras={})


@pytest.fixture(scope="module")
def table() -> Iterator[PlayTable]:
    env = PlayTable(cameras={})
    yield env
    env.close()


@pytest.fixture(scope="module")
def demonstrations(table: PlayTable) -> list[Episode]:
    calm = Perturbation(share=0.0)
    recorded = [
        demonstrate(table, task, np.random.default_rng(1), name=task, first_frame=0, perturbation=calm, max_steps=120)
        for task in TASKS
    ]
    return [episode for episode in recorded if episode is not None]


def wander(table: PlayTable, steps: int, *, commanded: bool = False) -> Episode:
    """A recording of `steps` smooth random motions along all axes: what was achieved, or what was commanded."""
    rng = np.random.default_rng(0)
    waves = rng.uniform(0.05, 0.3, size=6) * np.arange(steps)[:, None] + rng.uniform(0, 6, size=6)
    commands = np.column_stack([0.8 * np.sin(waves), np.where(np.arange(steps) < steps / 2, 1.0, -1.0)])
    seen, _ = table.reset(seed=0)
    states, scenes = [seen["state"]], [seen["scene"]]
    for command in commands:
        seen, *_ = table.step(command)
        states.append(seen["state"])
        scenes.append(seen["scene"])
    state = np.stack(states)
    moves = np.clip(increments(state[:-1, :6], state[1:, :6], SPEC), -1, 1)
    return Episode(
        name="wander",
        spec=SPEC.replace(action_mode="relative_to_target") if commanded else SPEC,
        images={},
        state=state[:-1],
        actions=commands if commanded else np.column_stack([moves, commands[:, 6]]),
        scene=np.stack(scenes[:-1]),
        frame_index=np.arange(steps),
        language=(LanguageSpan(first=0, last=steps - 1, sentence="wander", task="open_drawer"),),
    )


def counted(table: PlayTable, episodes: list[Episode]) -> ReplayReport:
    tally = Tally()
    for episode in episodes:
        for span in episode.language:
            replay_span(table, episode, span, tally)
    return tally.report(environment="play table")


def test_round_trips_stay_within_a_millimetre_after_64_steps_and_solve_the_same(table, demonstrations):
    report = counted(table, [wander(table, 64), *demonstrations])
    rows = {row.representation: row for row in report.rows}
    for there_and_back, plain in (("recorded via TCP", RECORDED), ("absolute via relative", "absolute")):
        row = rows[there_and_back]
        assert row.same_as == plain
        assert row.from_replay.max_mm < 1e-3
        assert row.from_replay.max_degrees < 1e-3
        assert row.solved == rows[plain].solved
    assert rows[RECORDED].solved == len(TASKS) == report.judged - 1


@pytest.mark.parametrize("name", ["recorded", "world_absolute"])
def test_commands_repeat_the_recording_in_every_representation(table, name):
    """What was really sent leads where it led before, however it is written."""
    episode = wander(table, 64, commanded=True)
    spec = represent(episode.spec, name)
    actions = convert(episode.actions, episode.state, episode.spec, spec)
    for row in counted(table, [replace(episode, spec=spec, actions=actions)]).rows:
        if row.representation != "absolute, early":
            assert row.from_recording.max_mm < 1.0
            assert row.from_recording.max_degrees < 0.1


def test_every_representation_carries_the_demonstrations(table, demonstrations):
    report = counted(table, demonstrations)
    assert [row.solved for row in report.rows] == [len(TASKS)] * len(variants(SPEC))
    rows = {row.representation: row for row in report.rows}
    # Sent one frame early, an arm that trails its target is where it was recorded.
    assert rows["absolute, early"].from_recording.mean_mm < 0.5 * rows["absolute"].from_recording.mean_mm


def test_a_replay_shows_actions_that_mean_something_else(table, demonstrations):
    """Declared in the TCP frame, world increments drive elsewhere."""
    wrong = replace(
        demonstrations[0],
        spec=SPEC.replace(action_frame="tcp", rotation="rotvec", rotation_composition="right"),
    )
    (row, *_) = counted(table, [wrong]).rows
    (right, *_) = counted(table, [demonstrations[0]]).rows
    assert row.from_recording.mean_mm > 5 * right.from_recording.mean_mm
    assert row.solved == 0


def test_what_is_written_ahead_is_the_next_pose_and_this_frames_gripper(demonstrations):
    episode = demonstrations[0]
    length = len(episode)
    span = LanguageSpan(first=2, last=length - 3, sentence="open", task="open_drawer")
    early = next(variant for variant in variants(SPEC) if variant.ahead)
    actions, meaning = written(early, episode, span, SPEC)
    assert meaning.action_mode == "absolute"
    assert len(actions) == length - 4
    np.testing.assert_allclose(actions[:, :3], episode.state[4:length, :3], atol=1e-9)
    np.testing.assert_array_equal(actions[:, 6], episode.actions[2 : length - 2, 6])
    plain, meaning = written(Variant(name=RECORDED), episode, span, SPEC)
    np.testing.assert_array_equal(plain, episode.actions[2 : length - 2])
    assert meaning is SPEC


def test_a_dataset_is_replayed_alike_by_one_process_and_by_two(tmp_path: Path, demonstrations):
    create_store(tmp_path / "store", SPEC)
    write_shard(tmp_path / "store", "0", demonstrations)
    alone = replay(tmp_path / "store", workers=1)
    assert alone.spans == alone.judged == len(TASKS)
    assert replay(tmp_path / "store", workers=2) == alone
    assert replay(tmp_path / "store", sample=1, workers=1).spans == 1


def test_a_replay_stands_in_the_table_the_json_and_the_page(tmp_path: Path, demonstrations):
    create_store(tmp_path / "store", SPEC)
    write_shard(tmp_path / "store", "0", demonstrations[:1])
    options = CheckOptions(
        images=False, replay=True, workers=1, json=tmp_path / "audit.json", html=tmp_path / "audit.html"
    )
    console = Console(width=100)
    with console.capture() as shown:
        assert run_check(tmp_path / "store", options, console) == 0
    for text in (shown.get(), (tmp_path / "audit.html").read_text()):
        assert "1 annotated span replayed on the play table" in text
        assert "recorded via TCP" in text
        assert "1/1" in text
    record = json.loads((tmp_path / "audit.json").read_text())["replay"]
    assert [row["solved"] for row in record["rows"]] == [1] * len(variants(SPEC))
    assert "replay" not in json.loads(audit(tmp_path / "store").to_json())


def test_nothing_to_replay_is_one_clear_error_after_the_audit_was_written(tmp_path: Path, demonstrations):
    create_store(tmp_path / "store", SPEC)
    write_shard(tmp_path / "store", "0", [replace(demonstrations[0], scene=None)])
    options = CheckOptions(images=False, replay=True, json=tmp_path / "audit.json")
    with pytest.raises(DatasetError, match="nothing to replay"):
        run_check(tmp_path / "store", options, Console(quiet=True))
    assert json.loads((tmp_path / "audit.json").read_text())["episodes"] == 1


def test_another_rate_cannot_be_replayed(table, demonstrations):
    slow = SPEC.replace(rate_hz=10.0)
    episode = replace(demonstrations[0], spec=slow)
    with pytest.raises(SpecMismatchError, match=r"rate_hz: 10\.0 here, 30\.0 there"):
        drive(table, episode.actions, slow, episode, episode.language[0])


def test_deviations_are_means_and_maxima_of_distance_and_angle():
    poses = np.zeros((2, 6))
    others = np.array([[0.003, 0, 0.004, 0, 0, 0], [0, 0, 0, np.pi, 0, np.pi / 2]])
    found = Strays.between(poses, others)
    found.merge(Strays.between(poses[:0], others[:0]))
    assert dataclasses.asdict(found.deviation()) == pytest.approx(
        {"mean_mm": 2.5, "max_mm": 5.0, "mean_degrees": 90.0, "max_degrees": 180.0}
    )
