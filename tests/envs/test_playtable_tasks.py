"""The oracle agrees with CALVIN's own on recorded pairs of snapshots."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vlasync.envs.playtable.tasks import CONTACT_PARTNERS, ROBOT_CONTACT_BODIES, TASKS, Snapshot, achieved


@pytest.fixture(scope="module")
def pairs(shared_data: Path) -> dict[str, np.ndarray]:
    with np.load(shared_data / "golden" / "oracle_pairs.npz", allow_pickle=False) as archive:
        return dict(archive)


def snapshot(pairs: dict[str, np.ndarray], side: str, row: int) -> Snapshot:
    return Snapshot(**{field.name: pairs[f"{side}_{field.name}"][row] for field in dataclasses.fields(Snapshot)})


def test_orders_are_those_of_the_golden_file(pairs):
    assert tuple(pairs["tasks"]) == TASKS
    assert tuple(pairs["contact_partners"]) == CONTACT_PARTNERS
    assert tuple(pairs["robot_contact_bodies"]) == ROBOT_CONTACT_BODIES


def test_every_golden_pair_has_the_labels_of_calvin(pairs):
    for row, labels in enumerate(pairs["labels"]):
        expected = {name for name, hit in zip(TASKS, labels, strict=True) if hit}
        found = achieved(snapshot(pairs, "start", row), snapshot(pairs, "end", row))
        assert found == expected, pairs["source"][row]


def test_nothing_is_achieved_while_nothing_changes(pairs):
    for row in range(len(pairs["labels"])):
        still = snapshot(pairs, "end", row)
        # A light, door, lift, push or turn needs a change; only releases and stacks could be states, and are not.
        assert achieved(still, still) == set(), pairs["source"][row]


def test_limits_are_strict():
    start = Snapshot(
        robot_obs=np.zeros(15),
        scene_obs=np.zeros(24),
        doors=np.zeros(2),
        lights=np.zeros(2, np.int8),
        block_pos=np.zeros((3, 3)),
        block_quat=np.tile([0.0, 0.0, 0.0, 1.0], (3, 1)),
        block_vel=np.zeros((3, 6)),
        block_contacts=np.zeros((3, 13), bool),
        robot_contacts=np.zeros(6, bool),
    )
    assert achieved(start, dataclasses.replace(start, doors=np.array([0.15, 0.12]))) == set()
    beyond = dataclasses.replace(start, doors=np.array([0.15 + 1e-9, 0.12 + 1e-9]))
    assert achieved(start, beyond) == {"move_slider_left", "open_drawer"}
