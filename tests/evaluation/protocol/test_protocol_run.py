"""All chains: each once, whoever runs it and however often it was interrupted."""

import dataclasses
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from vlasync.envs.playtable import PlayTable
from vlasync.errors import CheckpointError
from vlasync.evaluation.protocol import run as protocol_run
from vlasync.evaluation.protocol.actors import ExpertActor
from vlasync.evaluation.protocol.chain import PlannedChain, run_chain
from vlasync.evaluation.protocol.command import share_of_process
from vlasync.evaluation.protocol.outcomes import ChainOutcome, chain_file, kept_actions
from vlasync.evaluation.protocol.run import ProtocolConfig, run_chains
from vlasync.execution import FIRST_ACTION, Execution
from vlasync.share import Share


def config(folder: Path, **changes) -> ProtocolConfig:
    return ProtocolConfig(run=folder, driver="expert", checkpoint=None, max_steps=120, **changes)


def twice(chains: list[PlannedChain]) -> list[PlannedChain]:
    """Eight chains, of which the last four repeat the first."""
    return [*chains, *(dataclasses.replace(chain, index=chain.index + len(chains)) for chain in chains)]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Runs chains in this process; returns the numbers of those that were run."""
    ran: list[int] = []

    def results_of(function, chains, *, workers):
        for chain in chains:
            ran.append(chain.index)
            yield function(chain)

    monkeypatch.setattr(protocol_run, "results_of", results_of)
    return ran


def test_finished_chains_are_kept_and_an_interrupted_one_begins_anew(chains, here, tmp_path: Path):
    first = run_chains(config(tmp_path), chains)
    assert here == [0, 1, 2, 3]
    assert [outcome.solved for outcome in first] == [3, 3, 3, 3]
    chain_file(config(tmp_path).folder, 2).unlink()
    assert run_chains(config(tmp_path), chains) == first
    assert here == [0, 1, 2, 3, 2]


def test_shards_fill_one_folder_and_whoever_comes_last_has_all(chains, here, tmp_path: Path):
    assert [outcome.index for outcome in run_chains(config(tmp_path, shard=Share(1, 3)), chains)] == [1]
    assert [outcome.index for outcome in run_chains(config(tmp_path, shard=Share(0, 3)), chains)] == [0, 1, 3]
    merged = run_chains(config(tmp_path, shard=Share(2, 3)), chains)
    assert sorted(here) == [0, 1, 2, 3]
    assert merged == run_chains(config(tmp_path / "whole"), chains)


def test_other_conditions_are_other_outcomes(tmp_path: Path):
    conditions = [
        config(tmp_path),
        config(tmp_path, scene="A"),
        config(tmp_path, execution=Execution(kind="open_loop", steps=3)),
        config(tmp_path, execution=Execution(kind="ensemble")),
        ProtocolConfig(run=tmp_path, driver="expert", checkpoint=None),
        ProtocolConfig(run=tmp_path, driver="trained", checkpoint=tmp_path / "000100"),
        ProtocolConfig(run=tmp_path, driver="trained", checkpoint=tmp_path / "000200"),
        ProtocolConfig(run=tmp_path, driver="swapped", checkpoint=tmp_path / "000200"),
    ]
    assert len({condition.folder for condition in conditions}) == len(conditions)


def test_filmed_chains_keep_their_actions_and_are_run_again_if_they_did_not(chains, here, tmp_path: Path):
    run_chains(config(tmp_path), chains[:2])
    outcomes = run_chains(config(tmp_path, filmed=(1,)), chains[:2])
    assert here == [0, 1, 1]
    actions = kept_actions(config(tmp_path).folder, chains[1])
    assert tuple(outcome.steps for outcome in actions) == outcomes[1].steps
    assert [outcome.success for outcome in actions] == [True, True, True]
    assert actions[0].executed.shape == (outcomes[1].steps[0], 7)
    run_chains(config(tmp_path, filmed=(1,)), chains[:2])
    assert here == [0, 1, 1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace('"solved": 3', '"solved": 4'),
        lambda text: text.replace('"solved": 3', '"solved": 1'),
        lambda text: text.replace('"index": 1', '"index": 2'),
        lambda text: text.replace("close_drawer", "open_drawer"),
        lambda text: text.replace('"solved"', '"unsolved"'),
        lambda text: "[1, 2]",
    ],
    ids=["torn", "empty", "too_many", "too_few", "other_number", "other_task", "other_field", "other_form"],
)
def test_a_damaged_outcome_is_refused_by_name(damage, chains, here, tmp_path: Path):
    run_chains(config(tmp_path), chains[:2])
    path = chain_file(config(tmp_path).folder, 1)
    damaged = damage(path.read_text())
    assert damaged != path.read_text()
    path.write_text(damaged)
    with pytest.raises(CheckpointError, match=r"0001\.json: (not the outcome of a chain|the outcome of another chain)"):
        run_chains(config(tmp_path), chains[:2])


def test_damaged_actions_are_refused_by_name(chains, here, tmp_path: Path):
    filmed = config(tmp_path, filmed=(0,))
    run_chains(filmed, chains[:1])
    path = chain_file(filmed.folder, 0).with_suffix(".npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointError, match=r"0000\.npz: no actions of a chain"):
        kept_actions(filmed.folder, chains[0])


@pytest.mark.slow
def test_a_simulator_that_is_killed_costs_no_chain(chains, tmp_path: Path):
    """Kill a worker as soon as the first outcome is there; the result is that of an undisturbed run."""
    settings = config(tmp_path, workers=1)
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not killed:
            workers = multiprocessing.active_children()
            if workers and chain_file(settings.folder, 0).exists():
                os.kill(workers[0].pid, signal.SIGKILL)
                killed.append(workers[0].pid)
            time.sleep(0.005)

    many = twice(chains)
    thread = threading.Thread(target=kill)
    thread.start()
    outcomes = run_chains(settings, many)
    thread.join()
    assert killed
    assert [outcome.index for outcome in outcomes] == list(range(8))
    assert [outcome.solved for outcome in outcomes] == [3] * 8
    assert [outcome.steps for outcome in outcomes[:4]] == [outcome.steps for outcome in outcomes[4:]]


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(chains, tmp_path: Path):
    """One process, two and eight: the same steps, and the same actions to the last bit."""
    many = twice(chains)
    table = PlayTable(cameras={})
    alone = [run_chain(ExpertActor("D"), table, chain, max_steps=120, execution=FIRST_ACTION) for chain in many]
    for workers in (2, 8):
        settings = config(tmp_path / str(workers), workers=workers, filmed=tuple(range(8)))
        assert run_chains(settings, many) == [
            ChainOutcome.of(chain, done) for chain, done in zip(many, alone, strict=True)
        ]
        for chain, outcomes in zip(many, alone, strict=True):
            for ours, theirs in zip(outcomes, kept_actions(settings.folder, chain), strict=True):
                np.testing.assert_array_equal(ours.executed, theirs.executed)


def test_a_launched_process_takes_its_part(monkeypatch: pytest.MonkeyPatch):
    assert share_of_process("0/1") == Share()
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert share_of_process("0/1") == Share(3, 4)
    assert share_of_process("1/2") == Share(1, 2)
