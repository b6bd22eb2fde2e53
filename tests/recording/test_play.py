"""Play: long recordings in which every sentence tells of a task that was achieved in its last frame."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

from vlasync.checks.language.task import TaskCheck
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.instructions import DEMONSTRATED_TASKS, TRAINING
from vlasync.envs.playtable.layouts import LAYOUTS
from vlasync.envs.playtable.possible import possible_tasks
from vlasync.envs.playtable.tasks import BLOCKS, CONTACT_PARTNERS, Snapshot, achieved
from vlasync.recording.labels import LASTING, MIN_LABEL, WINDOW, find_labels
from vlasync.recording.perturbation import MIN_SPAN, Perturbation
from vlasync.recording.play import BLOCKED_LEAD, play
from vlasync.types import Episode

FRAMES = 400
UNDISTURBED = Perturbation(share=0.0)


class WatchedTable(PlayTable):
    """A play table that keeps a snapshot of every frame."""

    def __init__(self) -> None:
        super().__init__(cameras={})
        self.seen: list[Snapshot] = []

    def reset(self, **options):
        self.seen = []
        outcome = super().reset(**options)
        self.seen.append(self.snapshot())
        return outcome

    def step(self, action):
        outcome = super().step(action)
        self.seen.append(self.snapshot())
        return outcome


def played(
    env: PlayTable, seed: int, tasks: Sequence[str] = DEMONSTRATED_TASKS, perturbation: Perturbation = UNDISTURBED
) -> Episode:
    rng = np.random.default_rng(seed)
    episode = play(env, tasks, rng, name="one", first_frame=50, frames=FRAMES, perturbation=perturbation, max_steps=80)
    assert episode is not None
    return episode


@pytest.fixture(scope="module")
def table() -> WatchedTable:
    return WatchedTable()


def test_each_sentence_ends_with_the_action_that_achieves_its_task(table):
    episode = played(table, 0)
    assert len(episode) == FRAMES == len(table.seen) - 1
    for span in episode.language:
        start, before, after = (table.seen[frame] for frame in (span.first, span.last, span.last + 1))
        assert span.task in achieved(start, after)
        assert span.task not in achieved(start, before)
        assert MIN_LABEL <= span.last - span.first + 1 <= 80
        assert span.sentence in TRAINING[span.task]


def test_play_covers_most_of_its_frames_with_many_tasks(table):
    episodes = [played(table, seed) for seed in (1, 2)]
    spans = [span for episode in episodes for span in episode.language]
    assert sum(span.last + 1 - span.first for span in spans) > 0.6 * len(episodes) * FRAMES
    assert len({span.task for span in spans}) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("scene", LAYOUTS)
def test_play_in_every_scene_is_labelled_as_the_audit_understands_it(scene):
    table, check = PlayTable(scene=scene, cameras={}), TaskCheck()
    tasks = set()
    for seed in range(2):
        episode = play(
            table,
            DEMONSTRATED_TASKS,
            np.random.default_rng([seed, 1]),
            name=f"{scene}{seed}",
            first_frame=0,
            frames=600,
            perturbation=UNDISTURBED,
            max_steps=120,
        )
        assert episode is not None
        check.look(episode)
        tasks.update(span.task for span in episode.language)
    assert check.problems() == []
    assert len(tasks) >= 12


def test_play_is_one_recording_without_a_reset(table):
    episode = played(table, 3)
    steps = np.linalg.norm(np.diff(episode.state[:, :3], axis=0), axis=1)
    assert steps.max() < 0.04
    np.testing.assert_array_equal(episode.frame_index, 50 + np.arange(FRAMES))
    np.testing.assert_array_equal(episode.actions[:-1, 6], episode.state[1:, 14])
    assert episode.scene_name == "D"


def test_the_same_seed_plays_the_same_and_another_differently(table):
    first, again, other = (played(table, seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.state, again.state)
    assert first.language == again.language
    assert not np.array_equal(first.state, other.state)


def test_only_the_given_tasks_carry_sentences(table):
    tasks = ("turn_on_led", "turn_off_led", "move_slider_left")
    assert {span.task for span in played(table, 6, tasks).language} <= set(tasks)


def test_play_begins_with_the_task_that_its_start_was_made_for(table):
    for seed in (8, 9, 10):
        asked = DEMONSTRATED_TASKS[np.random.default_rng(seed).integers(len(DEMONSTRATED_TASKS))]
        assert played(table, seed).language[0].task == asked


def test_bursts_carry_no_sentence_and_the_way_back_does(table):
    perturbation = Perturbation(share=1.0)
    undisturbed = played(table, 13, perturbation=replace(perturbation, share=0.0))
    episode = played(table, 13, perturbation=perturbation)
    labelled = np.zeros(FRAMES, dtype=bool)
    for span in episode.language:
        assert span.last - span.first + 1 >= MIN_SPAN
        labelled[span.first : span.last + 1] = True
    for task, spans in groupby(episode.language, key=lambda span: (span.task, span.sentence)):
        found = list(spans)
        start, before, after = (table.seen[frame] for frame in (found[0].first, found[-1].last, found[-1].last + 1))
        assert task[0] in achieved(start, after) - achieved(start, before)
    # Where nobody pushes, a sentence covers a task without a break.
    assert len(episode.language) > len({(span.task, span.sentence) for span in episode.language})
    assert len(undisturbed.language) == len({span.last for span in undisturbed.language})
    assert 0.2 < labelled.mean() < 0.9


def test_an_arm_that_is_stuck_ends_the_recording(table, monkeypatch):
    rng = np.random.default_rng(12)
    step = table.step

    def held_up(action):
        """The arm stays where it is, and only its target moves."""
        observation, *rest = step(action)
        return {**observation, "state": observation["state"] + 2 * BLOCKED_LEAD}, *rest

    monkeypatch.setattr(table, "step", held_up)
    episode = play(
        table,
        ("open_drawer",),
        rng,
        name="stuck",
        first_frame=0,
        frames=FRAMES,
        perturbation=UNDISTURBED,
        max_steps=80,
    )
    assert episode is None
    assert len(table.seen) < FRAMES


def test_where_nothing_is_left_to_do_the_arm_rests_until_the_recording_is_full(table):
    episode = played(table, 7, ("close_drawer",))
    assert len(episode) == FRAMES
    assert [span.task for span in episode.language] == ["close_drawer"]


def at_rest() -> Snapshot:
    """The table in its first state: doors and lights at zero, blocks far apart on the table, nothing in the hand."""
    contacts = np.zeros((3, len(CONTACT_PARTNERS)), dtype=bool)
    contacts[:, CONTACT_PARTNERS.index("table/base_link")] = True
    return Snapshot(
        robot_obs=np.zeros(15),
        scene_obs=np.zeros(24),
        doors=np.zeros(2),
        lights=np.zeros(2, dtype=np.int8),
        block_pos=np.array([[0.0, -0.12, 0.46], [0.15, -0.12, 0.46], [0.3, -0.12, 0.46]]),
        block_quat=np.tile([0.0, 0.0, 0.0, 1.0], (3, 1)),
        block_vel=np.zeros((3, 6)),
        block_contacts=contacts,
        robot_contacts=np.zeros(6, dtype=bool),
    )


def test_labels_reach_back_to_the_last_achievement_or_a_window():
    still, opened = at_rest(), replace(at_rest(), doors=np.array([0.2, 0.0]))
    both = replace(opened, lights=np.array([0, 1], dtype=np.int8))
    labels = find_labels([still] * 100 + [opened] * 20 + [both] * 5)
    assert [(label.first, label.last, label.task) for label in labels] == [
        (100 - WINDOW, 99, "move_slider_left"),
        (100 + LASTING, 119, "turn_on_led"),
    ]


def test_what_does_not_last_has_no_label():
    still, lit = at_rest(), replace(at_rest(), lights=np.array([1, 0], dtype=np.int8))
    assert find_labels([still] * 20 + [lit] * LASTING + [still] * 20) == []
    assert [label.last for label in find_labels([still] * 20 + [lit] * (LASTING + 1) + [still] * 20)] == [19]


def test_two_tasks_at_once_and_hasty_ones_have_no_label():
    still = at_rest()
    both = replace(still, doors=np.array([0.2, 0.2]))
    assert find_labels([still] * 20 + [both] * 20) == []
    assert find_labels([still] * MIN_LABEL + [replace(still, lights=np.array([1, 0]))]) != []
    assert find_labels([still] * (MIN_LABEL - 1) + [replace(still, lights=np.array([1, 0]))]) == []


def test_what_is_done_already_or_out_of_reach_is_not_possible():
    layout = LAYOUTS["D"]
    first = possible_tasks(at_rest(), layout)
    assert {"open_drawer", "move_slider_left", "turn_on_led", "turn_on_lightbulb"} <= first
    assert not {"close_drawer", "move_slider_right", "turn_off_led", "turn_off_lightbulb", "place_in_slider"} & first
    assert {f"lift_{color}_block_table" for color in BLOCKS} <= first
    # Red stands beside the button, pink at the table's right end, and blue between them.
    assert not {"push_red_block_left", "push_pink_block_right", "push_blue_block_left"} & first
    done = replace(at_rest(), doors=np.array([0.28, 0.22]), lights=np.ones(2, dtype=np.int8))
    last = possible_tasks(done, layout)
    assert {"close_drawer", "move_slider_right", "turn_off_led", "turn_off_lightbulb", "push_into_drawer"} <= last


def test_with_a_block_in_hand_only_letting_go_is_possible():
    contacts = at_rest().block_contacts.copy()
    contacts[0] = np.arange(len(CONTACT_PARTNERS)) == CONTACT_PARTNERS.index("robot")
    held = replace(at_rest(), block_contacts=contacts, doors=np.array([0.0, 0.22]))
    assert possible_tasks(held, LAYOUTS["D"]) == {"place_in_slider", "place_in_drawer", "stack_block"}


def test_a_block_on_another_is_taken_off_and_one_that_leans_on_it_is_not():
    contacts = at_rest().block_contacts.copy()
    contacts[0] = np.arange(len(CONTACT_PARTNERS)) == CONTACT_PARTNERS.index("block_blue")
    heights = {"on top": 0.50, "leaning": 0.475}
    found = {}
    for how, z in heights.items():
        places = at_rest().block_pos.copy()
        places[0] = (*places[1, :2], z)
        found[how] = possible_tasks(replace(at_rest(), block_contacts=contacts, block_pos=places), LAYOUTS["D"])
    assert "unstack_block" in found["on top"]
    assert "unstack_block" not in found["leaning"]


def test_a_block_behind_the_door_is_not_lifted():
    layout = LAYOUTS["D"]
    contacts = at_rest().block_contacts.copy()
    contacts[0] = np.arange(len(CONTACT_PARTNERS)) == CONTACT_PARTNERS.index("table/plank_link")
    places = at_rest().block_pos.copy()
    places[0] = (0.07, 0.0924, 0.461)
    behind = replace(at_rest(), block_contacts=contacts, block_pos=places)
    beside = replace(behind, doors=np.array([0.28, 0.0]))
    assert "lift_red_block_slider" not in possible_tasks(behind, layout)
    assert "lift_red_block_slider" in possible_tasks(beside, layout)
