"""Hand-overs: equal specs pass, convertible ones convert and say so, others are refused with both values."""

import numpy as np
import pytest

from vlasync.actions.frames import convert
from vlasync.actions.handover import hand_over, hand_to_environment
from vlasync.actions.representations import REPRESENTATIONS, represent
from vlasync.errors import SpecMismatchError, VlasyncError
from vlasync.spec import Camera, SyncSpec

CALVIN = SyncSpec.CALVIN
TABLE = CALVIN.replace(action_mode="relative_to_target")


def demonstration(frames: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Actions `[T, 7]` in CALVIN's convention and states `[T, 15]`, gripper pointing down as in CALVIN."""
    rng = np.random.default_rng(seed)
    state = rng.normal(scale=0.1, size=(frames, 15))
    state[:, 3:6] += [np.pi - 0.3, 0.0, 1.5]
    actions = rng.uniform(-1, 1, size=(frames, 7))
    actions[:, 6] = np.sign(actions[:, 6])
    return actions, state


def test_equal_specs_hand_over_the_very_same_array():
    actions, state = demonstration()
    made = hand_over(CALVIN, SyncSpec.from_json(CALVIN.to_json()), where="here -> there")
    assert made.apply(actions, state) is actions
    assert made.changes == ()


def test_a_convertible_difference_is_converted_exactly_and_put_on_record():
    actions, state = demonstration()
    tcp = represent(CALVIN, "tcp_relative")
    made = hand_over(CALVIN, tcp, where="store -> windows")
    np.testing.assert_array_equal(made.apply(actions, state), convert(actions, state, CALVIN, tcp))
    assert "store -> windows: action_frame 'world' becomes 'tcp'" in made.conversions
    back = hand_over(tcp, CALVIN, where="back").apply(made.apply(actions, state), state)
    np.testing.assert_allclose(back, actions, atol=1e-10)


@pytest.mark.parametrize(
    ("change", "ours", "theirs"),
    [
        ({"rate_hz": 15.0}, "30.0", "15.0"),
        ({"action_index": 1}, "0", "1"),
        ({"cameras": {"static": Camera(height=8, width=8)}}, "height=200", "height=8"),
    ],
)
def test_what_no_conversion_bridges_is_refused_with_both_values(change, ours, theirs):
    with pytest.raises(SpecMismatchError, match="policy -> environment") as raised:
        hand_over(CALVIN, CALVIN.replace(action_frame="base", **change), where="policy -> environment")
    (field,) = change
    assert all(part in str(raised.value) for part in (field, ours, theirs))
    assert "action_frame" not in str(raised.value)


def test_a_side_without_meaning_is_refused_before_anything_is_converted():
    with pytest.raises(VlasyncError, match="absolute"):
        hand_over(CALVIN, CALVIN.replace(action_mode="absolute", action_frame="tcp"), where="here -> there")


def test_another_clip_changes_no_number_but_is_put_on_record():
    actions, state = demonstration()
    made = hand_over(CALVIN, CALVIN.replace(action_clip=None), where="here -> there")
    assert made.apply(actions, state) is actions
    assert made.changes == ("action_clip 1.0 becomes None",)


def test_increments_on_the_measured_pose_reach_the_environment_unchanged():
    actions, state = demonstration()
    made = hand_to_environment(CALVIN, TABLE)
    assert made.apply(actions[:1], state[0], commanded=state[5, :6]) is not None
    np.testing.assert_array_equal(made.apply(actions[:1], state[0], commanded=state[5, :6]), actions[:1])
    (words,) = made.conversions
    assert "'relative_to_measured' is taken for 'relative_to_target', unchanged" in words


def test_increments_in_the_tcp_frame_reach_the_environment_as_the_same_motion():
    """What is added to the target is the motion that the policy meant at the measured pose."""
    actions, state = demonstration()
    tcp = represent(CALVIN, "tcp_relative")
    made = hand_to_environment(tcp, TABLE)
    for t in range(len(state)):
        chunk = convert(actions[t : t + 1], state[t], CALVIN, tcp)
        handed = made.apply(chunk, state[t], commanded=np.zeros(6))
        np.testing.assert_allclose(handed, actions[t : t + 1], atol=1e-10)
    assert {words.split(": ")[1].split()[0] for words in made.conversions} == {
        "action_frame",
        "action_mode",
        "action_clip",
        "rotation",
        "rotation_composition",
    }


def test_a_pose_reaches_the_environment_as_the_step_that_its_target_lacks():
    actions, state = demonstration()
    poses = represent(CALVIN, "world_absolute")
    goal = convert(actions, state, CALVIN, poses)
    target = state[3, :6] + 0.01
    step = hand_to_environment(poses, TABLE).apply(goal[:1], state[0], commanded=target)[0]
    scale = np.repeat([CALVIN.position_scale_m, CALVIN.rotation_scale_rad], 3)
    wrapped = (target + step[:6] * scale - goal[0, :6] + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(wrapped, 0.0, atol=1e-12)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_every_representation_leads_back_to_the_recorded_actions(name):
    actions, state = demonstration()
    spec = represent(CALVIN, name)
    there = hand_over(CALVIN, spec, where="there").apply(actions, state)
    back = hand_over(spec, CALVIN, where="back").apply(there, state)
    np.testing.assert_allclose(back, actions, atol=1e-10)


def test_a_representation_that_the_data_has_already_changes_nothing():
    assert represent(CALVIN, "recorded") is CALVIN
    assert represent(CALVIN, "world_relative") is CALVIN
    assert represent(TABLE, "tcp_relative").action_mode == "relative_to_target"
    with pytest.raises(VlasyncError, match=r"unknown representation of actions 'tcp'; there are recorded, "):
        represent(CALVIN, "tcp")  # pyright: ignore[reportArgumentType]
