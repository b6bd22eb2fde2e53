"""Instructions: enough of them, splits apart, and held-out sentences made of known words."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from vlasync.envs.playtable.instructions import DEMONSTRATED_TASKS, HELD_OUT, TRAINING, sentence
from vlasync.envs.playtable.tasks import TASKS
from vlasync.errors import VlasyncError


def test_every_demonstrated_task_is_one_of_calvins_with_enough_sentences():
    assert set(DEMONSTRATED_TASKS) <= set(TASKS)
    assert set(HELD_OUT) == set(TRAINING)
    for task in DEMONSTRATED_TASKS:
        assert len(set(TRAINING[task])) >= 8
        assert len(set(HELD_OUT[task])) >= 3


def test_a_sentence_asks_for_one_task_and_belongs_to_one_split():
    every = [text for split in (TRAINING, HELD_OUT) for texts in split.values() for text in texts]
    assert [text for text, count in Counter(every).items() if count > 1] == []


def test_held_out_words_are_known_from_training():
    known = {word for texts in TRAINING.values() for text in texts for word in text.split()}
    unknown = {word for texts in HELD_OUT.values() for text in texts for word in text.split()} - known
    assert unknown == set()


def test_no_sentence_is_calvins_evaluation_sentence(shared_data: Path):
    listed = yaml.safe_load((shared_data / "golden" / "new_playtable_validation.yaml").read_text())
    calvin = {text.strip().lower() for texts in listed.values() for text in texts}
    assert calvin.isdisjoint(text for split in (TRAINING, HELD_OUT) for texts in split.values() for text in texts)


def test_every_sentence_of_a_split_is_drawn():
    rng = np.random.default_rng(0)
    task = "push_red_block_left"
    assert {sentence(task, "training", rng) for _ in range(200)} == set(TRAINING[task])
    assert {sentence(task, "held_out", rng) for _ in range(200)} == set(HELD_OUT[task])


def test_an_unknown_task_suggests_the_nearest():
    with pytest.raises(VlasyncError, match=r"open_drawr.*did you mean open_drawer"):
        sentence("open_drawr", "training", np.random.default_rng(0))
