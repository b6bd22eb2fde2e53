"""The same chains in either simulator: own sentences, folders of their own, side by side on the page."""

from pathlib import Path

import pytest

from vlasync.envs.calvin import CalvinEnv
from vlasync.envs.calvin.checkout import SENTENCES
from vlasync.envs.playtable import PlayTable
from vlasync.envs.playtable.tasks import TASKS
from vlasync.errors import VlasyncError
from vlasync.evaluation.protocol import films
from vlasync.evaluation.protocol import run as protocol_run
from vlasync.evaluation.protocol.actors import ExpertActor
from vlasync.evaluation.protocol.chain import OWN_SENTENCES, plan_chains, protocol_sentences, run_chain
from vlasync.evaluation.protocol.command import evaluate_chains
from vlasync.evaluation.protocol.options import ProtocolOptions
from vlasync.evaluation.protocol.results import ChainResults
from vlasync.execution import FIRST_ACTION
from vlasync.spec import Camera


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """Play tables stand in for both simulators, in this process; returns the checkouts that were opened."""
    roots: list[Path | None] = []

    def open_simulator(scene, cameras, *, calvin_root=None):
        roots.append(calvin_root)
        return PlayTable(scene=scene, cameras=cameras)

    for module in (protocol_run, films):
        monkeypatch.setattr(module, "open_simulator", open_simulator)
    monkeypatch.setattr(protocol_run, "results_of", lambda function, chains, *, workers: map(function, chains))
    monkeypatch.setattr(films, "VIDEO_CAMERAS", {"static": Camera(height=32, width=32)})
    return roots


def test_results_of_both_simulators_lie_side_by_side(opened, checkout, tmp_path: Path):
    (checkout / SENTENCES).write_text("\n".join(f'{task}: ["please {task}"]' for task in TASKS))
    shared = {"protocol": "calvin", "policy": "expert", "chains": 2, "videos": (1,)}
    in_calvin = ProtocolOptions(simulator="calvin", calvin_root=checkout, **shared)
    for options in (ProtocolOptions(**shared), in_calvin):
        page = evaluate_chains(tmp_path, options, max_steps=4, workers=1)
    assert [root for root in opened if root is not None] == [checkout, checkout]  # to drive, and to film
    found = {path.parent.name: ChainResults.load(path) for path in tmp_path.glob("chains/*/results.json")}
    assert {name: result.simulator for name, result in found.items()} == {
        "expert_D_first_4": "play table",
        "expert_calvin-D_first_4": "CALVIN simulator",
    }
    ours, theirs = found["expert_D_first_4"], found["expert_calvin-D_first_4"]
    for outcome, other in zip(ours.outcomes, theirs.outcomes, strict=True):
        assert outcome.tasks == other.tasks
        assert outcome.instructions == tuple(OWN_SENTENCES[task] for task in outcome.tasks)
        assert other.instructions == tuple(f"please {task}" for task in outcome.tasks)
    assert theirs.command.endswith(f"--simulator calvin --calvin-root {checkout} --policy expert --max-steps 4")
    assert page is not None
    for words in ("expert in scene D of the play table", "expert in scene D of the CALVIN simulator"):
        assert words in page.read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "calvin", "simulator": "calvin"}, "needs --calvin-root"),
        ({"protocol": "calvin", "calvin_root": Path("calvin")}, "add --simulator calvin"),
        ({"simulator": "calvin", "calvin_root": Path("calvin")}, "add --protocol calvin"),
    ],
)
def test_a_simulator_that_would_not_be_driven_is_refused(options, message):
    with pytest.raises(VlasyncError, match=message):
        ProtocolOptions(**options).require_simulator()


def test_a_checkout_that_is_none_is_refused_before_anything_runs(tmp_path: Path):
    options = ProtocolOptions(protocol="calvin", simulator="calvin", calvin_root=tmp_path, policy="expert")
    with pytest.raises(VlasyncError, match="git clone"):
        evaluate_chains(tmp_path / "run", options, max_steps=4, workers=1)
    assert not (tmp_path / "run").exists()


def test_the_expert_drives_the_real_simulator(simulator_root):
    sentences = protocol_sentences(simulator_root)
    env = CalvinEnv(simulator_root, cameras={})
    chain = plan_chains(2, sentences=sentences)[1]
    outcomes = run_chain(ExpertActor("D", sentences), env, chain, max_steps=120, execution=FIRST_ACTION)
    env.close()
    assert [outcome.success for outcome in outcomes] == [True] * 5, chain.tasks
