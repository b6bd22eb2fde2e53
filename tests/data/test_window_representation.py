"""Windows show the actions that a model learns, whatever the demonstrations were written in."""

from dataclasses import replace

import numpy as np
import pytest

from vlasync.actions.frames import convert
from vlasync.actions.representations import represent
from vlasync.data.store import Store, create_store, write_shard
from vlasync.data.windows import Windows
from vlasync.errors import DatasetError, SpecMismatchError
from vlasync.spec import Camera, SyncSpec
from vlasync.types import Episode, LanguageSpan

SPEC = SyncSpec.CALVIN.replace(cameras={"static": Camera(height=4, width=6)})
TCP = represent(SPEC, "tcp_relative")
W, K = 4, 3


def moving(number: int, *spans: tuple[int, int], length: int = 12) -> Episode:
    """An episode with random poses and actions, which all differ."""
    rng = np.random.default_rng(number)
    actions = rng.uniform(-1, 1, size=(length, 7))
    actions[:, 6] = np.sign(actions[:, 6])
    state = rng.normal(scale=0.3, size=(length, 15))
    state[:, 3] += 3.0
    return Episode(
        name=f"episode {number}",
        spec=SPEC,
        images={"static": np.zeros((length, 4, 6, 3), np.uint8)},
        state=state,
        actions=actions,
        scene=None,
        frame_index=np.arange(length),
        language=tuple(LanguageSpan(first=a, last=b, sentence="go", task="go") for a, b in spans),
    )


EPISODES = [moving(0, (1, 8), (6, 11)), moving(1, (0, 2)), moving(2, (3, 11))]


def in_spec(episode: Episode, spec: SyncSpec) -> Episode:
    return replace(episode, spec=spec, actions=convert(episode.actions, episode.state, episode.spec, spec))


def test_windows_convert_to_their_target_and_say_so():
    windows = Windows(EPISODES, window_size=W, chunk_size=K, target=TCP)
    plain = Windows([in_spec(episode, TCP) for episode in EPISODES], window_size=W, chunk_size=K)
    everything = np.arange(len(windows))
    np.testing.assert_array_equal(windows.batch(everything).actions, plain.batch(everything).actions)
    np.testing.assert_array_equal(windows.labelled_actions(), plain.labelled_actions())
    assert windows.spec == TCP
    assert plain.conversions == ()
    assert "demonstrations -> windows: action_frame 'world' becomes 'tcp'" in windows.conversions


def test_recorded_actions_pass_bit_by_bit():
    batch = Windows(EPISODES, window_size=W, chunk_size=K).batch([0])
    np.testing.assert_array_equal(batch.actions[0, :, 0], EPISODES[0].actions[1 : 1 + W].astype(np.float32))


def test_episodes_of_several_conventions_meet_in_one():
    mixed = [EPISODES[0], in_spec(EPISODES[1], TCP), in_spec(EPISODES[2], represent(SPEC, "world_absolute"))]
    met = Windows(mixed, window_size=W, chunk_size=K)
    np.testing.assert_allclose(
        met.labelled_actions(), Windows(EPISODES, window_size=W, chunk_size=K).labelled_actions(), atol=1e-5
    )


def test_an_episode_that_cannot_be_converted_is_named():
    odd = replace(EPISODES[1], spec=SPEC.replace(rate_hz=15.0))
    with pytest.raises(SpecMismatchError, match=r"episode 1 -> windows.*\n.*rate_hz: 15\.0 here, 30\.0 there"):
        Windows([EPISODES[0], odd], window_size=2, chunk_size=1)
    chunked = replace(EPISODES[1], spec=SPEC.replace(chunk_frame="first_step"))
    with pytest.raises(SpecMismatchError, match="only chunks have a first step"):
        Windows([chunked], window_size=2, chunk_size=1)


@pytest.mark.parametrize("name", ["world_relative", "tcp_relative"])
def test_chunks_on_their_first_step_refer_to_the_pose_they_were_issued_at(name):
    """Each entry says where its frame's action leads, as seen from the first frame of its chunk."""
    target = represent(SPEC, name).replace(chunk_frame="first_step")
    poses = represent(SPEC, "world_absolute")
    windows = Windows(EPISODES, window_size=W, chunk_size=K, target=target)
    batch = windows.batch(np.arange(len(windows)))
    plain = Windows([in_spec(episode, poses) for episode in EPISODES], window_size=W, chunk_size=K)
    goals = plain.batch(np.arange(len(plain))).actions
    assert batch.actions.shape == (len(windows), W, K, 7)
    back = convert(batch.actions, batch.state, target, poses)
    apart = (back - goals)[batch.chunk_mask].numpy()
    apart[:, 3:6] = (apart[:, 3:6] + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(apart, 0.0, atol=2e-5)
    each_step = Windows(EPISODES, window_size=W, chunk_size=K, target=represent(SPEC, name))
    np.testing.assert_allclose(
        batch.actions[:, :, 0], each_step.batch(np.arange(len(windows))).actions[:, :, 0], atol=2e-4
    )


def test_statistics_on_the_first_step_count_what_the_windows_show():
    target = TCP.replace(chunk_frame="first_step")
    windows = Windows([EPISODES[2]], window_size=W, chunk_size=K, target=target)
    batch = windows.batch(np.arange(len(windows)))
    shown = np.unique(np.round(batch.actions[batch.chunk_mask].numpy(), 4), axis=0)
    counted = np.unique(np.round(windows.labelled_actions(), 4), axis=0)
    np.testing.assert_allclose(counted, shown, atol=2e-4)


def test_a_store_converts_what_it_takes_in_and_keeps_a_record(tmp_path):
    create_store(tmp_path, TCP)
    write_shard(tmp_path, "0", [EPISODES[0], in_spec(EPISODES[1], TCP)])
    store = Store.open(tmp_path)
    expected = convert(EPISODES[0].actions, EPISODES[0].state, SPEC, TCP)
    np.testing.assert_array_equal(store[0].actions, expected)
    assert store[0].spec == TCP
    assert "demonstrations -> store: action_frame 'world' becomes 'tcp'" in store.conversions
    windows = Windows(store, window_size=W, chunk_size=K, target=SPEC)
    assert windows.conversions[: len(store.conversions)] == store.conversions
    with pytest.raises(SpecMismatchError, match="episode 2 -> store"):
        write_shard(tmp_path, "1", [replace(EPISODES[2], spec=SPEC.replace(action_index=1))])


def test_a_store_holds_actions_of_any_size(tmp_path):
    spec = TCP.replace(rotation="rot6d")
    create_store(tmp_path, spec)
    write_shard(tmp_path, "0", EPISODES)
    store = Store.open(tmp_path)
    assert store[0].actions.shape == (12, 10)
    np.testing.assert_allclose(convert(store[2].actions, store[2].state, spec, SPEC), EPISODES[2].actions, atol=1e-10)


def test_timestamps_stay_with_their_frames(tmp_path):
    create_store(tmp_path, SPEC)
    stamped = [
        replace(episode, timestamps=100.0 * number + np.arange(12) / 30) for number, episode in enumerate(EPISODES)
    ]
    write_shard(tmp_path, "0", stamped)
    write_shard(tmp_path, "1", EPISODES[:1])
    store = Store.open(tmp_path)
    for episode, kept in zip(stamped, store, strict=False):
        np.testing.assert_array_equal(kept.timestamps, episode.timestamps)
    assert store[3].timestamps is None
    with pytest.raises(DatasetError, match="some episodes have `timestamps` and some have not"):
        write_shard(tmp_path, "2", [stamped[0], EPISODES[1]])
    with pytest.raises(DatasetError, match=r"`timestamps` has shape \(11,\), expected \(12,\)"):
        write_shard(tmp_path, "2", [replace(EPISODES[0], timestamps=np.arange(11.0))])
