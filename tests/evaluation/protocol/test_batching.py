"""One policy for many simulators: batches change no bit, and nobody gets another's answer."""

import threading

import numpy as np
import pytest

from vlasync.evaluation.protocol.batching import RemotePolicy, serve
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.tiny import TinySize, build_tiny_vlm
from vlasync.models.vla import VLAConfig, build_vla
from vlasync.policy import Policy
from vlasync.spec import Camera, Normalization, SyncSpec
from vlasync.types import Observation

SENTENCES = ("open the drawer", "push the blue block to the left until it is far away", "go")
ROWS = 4


@pytest.fixture(scope="module", params=["smolvlm", "paligemma", "kosmos2"])
def policy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Policy:
    size = TinySize(image_size=32, patch_size=8, hidden=32, vision_layers=1, text_layers=2, heads=2, expansion=2)
    folder = build_tiny_vlm(request.param, tmp_path_factory.mktemp("vlm") / "vlm", corpus=SENTENCES, size=size)
    raw = SyncSpec.CALVIN.replace(cameras={name: Camera(height=32, width=32) for name in ("static", "gripper")})
    fitted = Normalization(
        kind="quantile",
        low=(-1.0,) * 7,
        high=(1.0,) * 7,
        identity=(6,),
        fitted_on=raw.representation(),
        count=100,
    )
    config = VLAConfig(window_size=4, chunk_size=3, head=LSTMHeadConfig(hidden=32, layers=1))
    return Policy(build_vla(folder, config, raw.replace(normalization=fitted)))


def observations(policy: Policy, seed: int, steps: int = 6) -> list[Observation]:
    rng = np.random.default_rng(seed)
    return [
        Observation(
            images={
                name: rng.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
                for name, camera in policy.spec.cameras.items()
            },
            state=rng.normal(size=policy.spec.state_size),
        )
        for _ in range(steps)
    ]


def together(policy: Policy, seeds: list[int]) -> list[np.ndarray]:
    """The chunks `[T, K, 7]` of rollouts that go on side by side, each by its seed."""
    policies = [Policy(policy.vla) for _ in seeds]
    for each, seed in zip(policies, seeds, strict=True):
        each.reset(SENTENCES[seed % len(SENTENCES)])
    streams = [observations(policy, seed) for seed in seeds]
    steps = [
        Policy.predict_together(policies, list(seen), rows=ROWS, filler=SENTENCES[1])
        for seen in zip(*streams, strict=True)
    ]
    return [np.stack([step[row].actions for step in steps]) for row in range(len(seeds))]


def test_who_shares_a_batch_changes_no_bit(policy):
    alone = {seed: together(policy, [seed])[0] for seed in range(5)}
    for seeds in ([0, 1], [1, 0], [4, 3, 2, 1], [2, 2, 0]):
        for seed, chunks in zip(seeds, together(policy, seeds), strict=True):
            np.testing.assert_array_equal(chunks, alone[seed])


def test_a_batch_predicts_what_a_policy_by_itself_does(policy):
    for seed, chunks in zip((0, 1, 2), together(policy, [0, 1, 2]), strict=True):
        single = Policy(policy.vla)
        single.reset(SENTENCES[seed])
        expected = np.stack([single.predict(seen).actions for seen in observations(policy, seed)])
        np.testing.assert_allclose(chunks, expected, atol=1e-4)


def test_simulators_get_their_own_answers_whoever_asks_meanwhile(policy):
    expected = {seed: together(policy, [seed])[0] for seed in range(6)}
    answers: dict[int, np.ndarray] = {}
    with serve(policy, rows=ROWS, sentences=SENTENCES) as address:

        def simulate(seed: int) -> None:
            remote = RemotePolicy(address)
            assert remote.spec == policy.spec
            assert remote.memory == policy.memory
            for _ in range(2):  # a second task begins with an empty history
                remote.reset(SENTENCES[seed % len(SENTENCES)])
                answers[seed] = np.stack([remote.predict(seen).actions for seen in observations(policy, seed)])

        threads = [threading.Thread(target=simulate, args=(seed,)) for seed in expected]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for seed, chunks in expected.items():
        np.testing.assert_array_equal(answers[seed], chunks)


def test_a_simulator_that_goes_away_does_not_disturb_the_others(policy):
    with serve(policy, rows=ROWS, sentences=SENTENCES) as address:
        gone, left = RemotePolicy(address), RemotePolicy(address)
        for remote in (gone, left):
            remote.reset(SENTENCES[0])
        gone._connection.send(observations(policy, 0)[0])
        gone._connection.close()
        chunks = np.stack([left.predict(seen).actions for seen in observations(policy, 0)])
    np.testing.assert_array_equal(chunks, together(policy, [0])[0])


def test_an_error_of_the_policy_reaches_the_simulator(policy):
    with serve(policy, rows=ROWS, sentences=SENTENCES) as address:
        remote = RemotePolicy(address)
        remote.reset(SENTENCES[0])
        with pytest.raises(ValueError, match=r"observation\.images"):
            remote.predict(Observation(images={}, state=np.zeros(15)))
