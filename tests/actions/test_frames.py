"""Conversions are exact: every pair of conventions leads back, an episode's actions lead through its poses."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vlasync.actions.frames import convert, increments, integrate
from vlasync.actions.poses import require_meaning
from vlasync.errors import SpecMismatchError, VlasyncError
from vlasync.spec import ROTATION_SIZE, SyncSpec

CALVIN = SyncSpec.CALVIN.replace(base_in_world=(-0.3, 0.2, 0.1, 0.1, -0.2, 0.3, math.sqrt(0.86)))
GOAL = CALVIN.replace(action_mode="absolute", rotation="rot6d", position_scale_m=1.0, rotation_scale_rad=1.0)
"""Poses without any choice of angles: where two actions agree in this convention, they aim at the same pose."""

RECIPE = "inverted_pseudo_infinitesimal"


def conventions() -> list[SyncSpec]:
    """Every combination that means something; scales as CALVIN's, metres and radians for absolute poses."""
    found = []
    for mode, frame, rotation, composition in itertools.product(
        ("absolute", "relative_to_measured", "relative_to_target"),
        ("world", "base", "tcp"),
        ROTATION_SIZE,
        ("euler_difference", "left", "right", RECIPE),
    ):
        spec = CALVIN.replace(action_mode=mode, action_frame=frame, rotation=rotation, rotation_composition=composition)
        if mode == "absolute":
            spec = spec.replace(position_scale_m=1.0, rotation_scale_rad=1.0)
        if mode == "absolute" and composition != "right":  # without meaning there
            continue
        try:
            require_meaning(spec)
        except VlasyncError:
            continue
        found.append(spec)
    return found


CONVENTIONS = conventions()


def name(spec: SyncSpec) -> str:
    return f"{spec.action_mode}-{spec.action_frame}-{spec.rotation}-{spec.rotation_composition}"


def numbers(low: float, high: float, *shape: int) -> st.SearchStrategy[NDArray[np.float64]]:
    return hnp.arrays(np.float64, shape, elements=st.floats(low, high, width=64))


@st.composite
def states(draw: st.DrawFn, rows: int = 4) -> NDArray[np.float64]:
    """Measured states `[rows, 15]`: any orientation, often gimbal lock and angles beside +-pi."""
    state = np.zeros((rows, 15))
    state[:, :3] = draw(numbers(-1, 1, rows, 3))
    state[:, 3:6] = draw(numbers(-math.pi, math.pi, rows, 3))
    special = [-math.pi, math.pi - 1e-9, math.pi / 2, -math.pi / 2, math.pi / 2 - 1e-9, math.pi / 2 + 1e-12, 0.0]
    for row, column in draw(st.lists(st.tuples(st.integers(0, rows - 1), st.integers(3, 5)), max_size=6)):
        state[row, column] = draw(st.sampled_from(special))
    return state


@st.composite
def steps(draw: st.DrawFn, rows: int = 4) -> NDArray[np.float64]:
    """CALVIN actions `[rows, 7]`, a little past the clip."""
    moves = draw(numbers(-1.5, 1.5, rows, 6))
    grip = np.array(draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=rows, max_size=rows)))
    return np.concatenate([moves, grip[:, None]], axis=1)


EXACT = [spec for spec in CONVENTIONS if spec.rotation_composition != RECIPE]
"""The recipe turns differences of angles into a rotation and back, which at gimbal lock cannot be undone."""

PAIRS = st.tuples(st.sampled_from(EXACT), st.sampled_from(EXACT))


def off_the_lock(spec: SyncSpec, state: NDArray[np.float64], goals: NDArray[np.float64]) -> float:
    """Least distance of poses from gimbal lock, rad, where `spec` chains differences of angles that no pose carries."""
    carried = spec.action_frame == "world" and spec.rotation == "euler_xyz_extrinsic"
    if carried or spec.action_mode != "relative_to_target" or spec.rotation_composition != "euler_difference":
        return math.inf
    columns = convert(goals, state, CALVIN, GOAL)[:, 3:9].reshape(-1, 2, 3)
    turns = np.stack([*columns.swapaxes(0, 1), np.cross(columns[:, 0], columns[:, 1])], axis=-1)
    turns = np.concatenate([turns, Rotation.from_euler("xyz", state[:, 3:6]).as_matrix()])
    if spec.action_frame == "base":
        turns = Rotation.from_quat(CALVIN.base_in_world[3:]).as_matrix().T @ turns
    if spec.rotation == "euler_xyz_intrinsic":
        turns = turns.swapaxes(1, 2)
    return float(np.hypot(turns[:, 0, 0], turns[:, 1, 0]).min())


@settings(max_examples=300, deadline=None)
@given(PAIRS, states(), steps())
def test_every_pair_leads_back(
    pair: tuple[SyncSpec, SyncSpec], state: NDArray[np.float64], actions: NDArray[np.float64]
) -> None:
    one, other = pair
    assume(min(off_the_lock(spec, state, actions) for spec in pair) > 1e-5)
    first = convert(actions, state, CALVIN, one)
    again = convert(convert(first, state, one, other), state, other, one)
    np.testing.assert_allclose(convert(again, state, one, GOAL), convert(first, state, one, GOAL), atol=1e-10)


@pytest.mark.parametrize("distance", [1e-5, 1e-7, 1e-9])
def test_differences_of_angles_lead_back_less_exactly_beside_gimbal_lock(distance: float) -> None:
    """The angles of a pose beside the lock follow from numbers as small as the distance, and so do differences."""
    spec = CALVIN.replace(action_mode="relative_to_target", rotation="euler_xyz_intrinsic")
    state = np.zeros((4, 15))
    state[1:, 3], state[1:, 4] = math.pi - distance, math.pi / 2
    actions = np.tile([0.0, 0, 0, 0, 0, 0, -1], (4, 1))
    assert off_the_lock(spec, state, actions) == pytest.approx(distance, rel=1e-3)
    goals = convert(actions, state, CALVIN, GOAL)
    again = convert(convert(goals, state, GOAL, spec), state, spec, GOAL)
    np.testing.assert_allclose(again, goals, atol=1e-15 / distance)


@settings(max_examples=150, deadline=None)
@given(PAIRS, states(), steps())
def test_every_pair_leads_back_in_single_precision(
    pair: tuple[SyncSpec, SyncSpec], state: NDArray[np.float64], actions: NDArray[np.float64]
) -> None:
    one, other = pair
    assume(min(off_the_lock(spec, state, actions) for spec in pair) > 0.02)
    state = state.astype(np.float32)
    first = convert(actions.astype(np.float32), state, CALVIN, one)
    again = convert(convert(first, state, one, other), state, other, one)
    assert again.dtype == np.float32
    np.testing.assert_allclose(convert(again, state, one, GOAL), convert(first, state, one, GOAL), atol=1e-5)


@pytest.mark.parametrize("spec", CONVENTIONS, ids=name)
def test_the_numbers_themselves_come_back_away_from_gimbal_lock(spec: SyncSpec) -> None:
    random = np.random.default_rng(0)
    state = np.zeros((50, 15))
    state[:, :3] = random.normal(size=(50, 3))
    state[:, 3:6] = random.uniform(-1.2, 1.2, (50, 3))
    actions = random.uniform(-1, 1, (50, 7))
    np.testing.assert_allclose(convert(convert(actions, state, CALVIN, spec), state, spec, CALVIN), actions, atol=1e-10)


@pytest.mark.parametrize("spec", CONVENTIONS, ids=name)
def test_the_actions_of_an_episode_lead_through_its_poses(spec: SyncSpec) -> None:
    """Absolute poses of a recording, converted; every goal is the next recorded pose, and chained ones never drift."""
    random = np.random.default_rng(1)
    state = np.zeros((120, 15))
    state[:, :6] = np.array([0, 0, 0.5, 3.1, 0, 1.5]) + random.normal(scale=0.03, size=(120, 6)).cumsum(axis=0)
    poses = CALVIN.replace(action_mode="absolute", position_scale_m=1.0, rotation_scale_rad=1.0)
    absolute = np.concatenate([state[1:, :6], np.ones((119, 1))], axis=1)
    goals = convert(convert(absolute, state[:-1], poses, spec), state[:-1], spec, poses)
    np.testing.assert_allclose(goals[:, :3], state[1:, :3], atol=1e-10)
    np.testing.assert_allclose(np.exp(1j * goals[:, 3:6]), np.exp(1j * state[1:, 3:6]), atol=1e-10)


@pytest.mark.parametrize("spec", EXACT, ids=name)
def test_gradients_match_finite_differences(spec: SyncSpec) -> None:
    """For actions and states; `relative_to_target` goes through the chain of goals."""
    random = np.random.default_rng(2)
    state = torch.tensor(random.uniform(-1, 1, (2, 15)), requires_grad=True)
    actions = torch.tensor(random.uniform(-0.8, 0.8, (2, 7)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, s: convert(a, s, CALVIN, spec), (actions, state), atol=1e-5)


WITHOUT_ANGLES = [spec for spec in CONVENTIONS if not spec.rotation.startswith("euler")]


@pytest.mark.parametrize("spec", WITHOUT_ANGLES, ids=name)
def test_gradients_stay_finite_at_rest_and_at_gimbal_lock(spec: SyncSpec) -> None:
    """Of conventions without Euler angles, which have no derivative at the lock."""
    source = CALVIN.replace(action_frame="tcp", rotation="rotvec", rotation_composition="right")
    state = torch.zeros(2, 15, dtype=torch.float64)
    state[1, 4] = math.pi / 2
    actions = torch.zeros(2, 7, dtype=torch.float64, requires_grad=True)
    convert(actions, state, source, spec).square().sum().backward()
    assert actions.grad is not None
    assert actions.grad.isfinite().all()


def test_torch_and_numpy_agree_for_any_batch_shape() -> None:
    random = np.random.default_rng(3)
    state, actions = random.uniform(-1, 1, (2, 3, 4, 15)), random.uniform(-1, 1, (2, 3, 4, 7))
    target = CALVIN.replace(action_frame="tcp", rotation="quat_xyzw", rotation_composition="right")
    numpy_result = convert(actions, state, CALVIN, target)
    assert numpy_result.shape == (2, 3, 4, 8)
    torch_result = convert(torch.tensor(actions), torch.tensor(state), CALVIN, target)
    np.testing.assert_array_equal(torch_result.numpy(), numpy_result)
    np.testing.assert_array_equal(convert(actions[1, 2, 3], state[1, 2, 3], CALVIN, target), numpy_result[1, 2, 3])


def test_axes_and_composition_are_what_they_are_called() -> None:
    """A hand turned by 90 degrees about z: its x axis is the world's y axis."""
    state = np.zeros(15)
    state[3:6] = 0, 0, math.pi / 2
    metres: dict[str, Any] = {"position_scale_m": 1.0, "rotation_scale_rad": 1.0, "rotation": "rotvec"}
    body = CALVIN.replace(action_frame="tcp", rotation_composition="right", **metres)
    world = CALVIN.replace(rotation_composition="left", base_in_world=(0, 0, 0, 1, 0, 0, 0), **metres)
    moved = convert(np.array([0.1, 0, 0, 0.2, 0, 0, 1]), state, body, world)
    np.testing.assert_allclose(moved, [0, 0.1, 0, 0, 0.2, 0, 1], atol=1e-12)
    based = convert(moved, state, world, world.replace(action_frame="base"))  # turned by 180 degrees about x
    np.testing.assert_allclose(based, [0, -0.1, 0, 0, -0.2, 0, 1], atol=1e-12)
    mixed = convert(moved, state, world, world.replace(rotation_composition="right"))
    np.testing.assert_allclose(mixed, [0, 0.1, 0, 0.2, 0, 0, 1], atol=1e-12)


def test_a_chunk_from_one_state_follows_its_own_goals() -> None:
    random = np.random.default_rng(4)
    state = random.uniform(-1, 1, 15)
    chunk = random.uniform(-1, 1, (10, 7))
    pose = state[:6]
    goals = []
    for action in chunk:
        pose = integrate(pose, action[:6], CALVIN)
        goals.append(pose)
    absolute = CALVIN.replace(action_mode="absolute", position_scale_m=1.0, rotation_scale_rad=1.0)
    np.testing.assert_allclose(convert(chunk, state, CALVIN, absolute)[:, :6], goals, atol=1e-12)
    first_step = CALVIN.replace(chunk_frame="first_step")
    expected = increments(np.broadcast_to(state[:6], (10, 6)), np.array(goals), CALVIN)
    np.testing.assert_allclose(convert(chunk, state, CALVIN, first_step)[:, :6], expected, atol=1e-10)
    np.testing.assert_allclose(
        convert(convert(chunk, state, CALVIN, first_step), state, first_step, CALVIN), chunk, atol=1e-10
    )


def test_increments_on_the_target_start_from_the_commanded_pose() -> None:
    random = np.random.default_rng(5)
    state, commanded = random.uniform(-1, 1, (6, 15)), random.uniform(-1, 1, 6)
    actions = random.uniform(-1, 1, (6, 7))
    to_target = CALVIN.replace(action_mode="relative_to_target")
    absolute = CALVIN.replace(action_mode="absolute", position_scale_m=1.0, rotation_scale_rad=1.0)
    goals = convert(actions, state, to_target, absolute, commanded=commanded)
    np.testing.assert_allclose(goals[:, :3], commanded[:3] + 0.02 * actions[:, :3].cumsum(axis=0), atol=1e-12)
    before = np.concatenate([commanded[None], goals[:-1, :6]])
    np.testing.assert_allclose(
        convert(goals, state, absolute, to_target, commanded=before), actions, atol=1e-10
    )  # a commanded pose for each row
    np.testing.assert_allclose(convert(goals, state, absolute, to_target, commanded=commanded), actions, atol=1e-10)
    single = convert(goals[0], state[0], absolute, to_target, commanded=commanded)
    np.testing.assert_allclose(single, actions[0], atol=1e-10)


@given(st.floats(-2, 2), st.sampled_from([(1.0, -1.0), (0.0, 1.0), (1.0, 0.0), (0.08, 0.0)]))
def test_the_gripper_keeps_its_meaning(opening: float, codes: tuple[float, float]) -> None:
    target = CALVIN.replace(gripper_open=codes[0], gripper_closed=codes[1])
    actions, state = np.zeros((3, 7)), np.zeros((3, 15))
    actions[:, 6] = 1.0, -1.0, opening
    there = convert(actions, state, CALVIN, target)
    assert there[:2, 6].tolist() == list(codes)
    np.testing.assert_allclose(convert(there, state, target, CALVIN), actions, atol=1e-12)


def test_equal_conventions_hand_the_numbers_on_untouched() -> None:
    actions = np.ones((3, 7))
    assert convert(actions, np.zeros((3, 15)), CALVIN, CALVIN.replace(rate_hz=15.0)) is actions


def test_conversion_never_clips() -> None:
    clipped = CALVIN.replace(action_frame="tcp", rotation="rotvec", rotation_composition="right", action_clip=1.0)
    actions = np.full((1, 7), 3.0)
    assert np.abs(convert(actions, np.zeros((1, 15)), CALVIN, clipped)[:, :3]).max() == pytest.approx(3.0)


@given(st.data())
def test_increments_and_integrate_are_inverse(data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from(EXACT))
    now, later = data.draw(states())[:, :6], data.draw(states())[:, :6]
    moved = integrate(now, increments(now, later, spec), spec)
    goal = CALVIN.replace(action_mode="absolute", position_scale_m=1.0, rotation_scale_rad=1.0)
    both = [convert(np.pad(pose, ((0, 0), (0, 1))), np.zeros((4, 15)), goal, GOAL)[:, :-1] for pose in (moved, later)]
    np.testing.assert_allclose(*both, atol=1e-10)


def test_the_short_way_round_is_taken() -> None:
    now, later = np.zeros(6), np.zeros(6)
    now[3], later[3] = math.pi - 0.01, -math.pi + 0.015  # a hand that points down rolls through +-pi
    np.testing.assert_allclose(increments(now, later, CALVIN), [0, 0, 0, 0.5, 0, 0], atol=1e-12)


def test_inputs_stay_as_they_were() -> None:
    random = np.random.default_rng(6)
    actions, state = random.normal(size=(4, 7)), random.normal(size=(4, 15))
    kept = actions.copy(), state.copy()
    for spec in CONVENTIONS:
        convert(actions, state, CALVIN, spec)
    np.testing.assert_array_equal(actions, kept[0])
    np.testing.assert_array_equal(state, kept[1])


def test_recorded_actions_are_clipped_increments(shared_data: Path) -> None:
    state, recorded = recording(shared_data)
    moved = increments(state[:-1, :6], state[1:, :6], SyncSpec.CALVIN)
    np.testing.assert_allclose(np.clip(moved, -1, 1), recorded[:-1, :6], atol=1e-12)


def test_a_recording_survives_every_convention(shared_data: Path) -> None:
    state, recorded = recording(shared_data)
    for spec in CONVENTIONS:
        np.testing.assert_allclose(
            convert(convert(recorded, state, CALVIN, spec), state, spec, CALVIN), recorded, atol=1e-9
        )


def recording(shared_data: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    folder = shared_data / "calvin_sample" / "validation"
    frames = [np.load(folder / f"episode_{number:07d}.npz") for number in range(766, 806)]
    return np.stack([frame["robot_obs"] for frame in frames]), np.stack([frame["rel_actions"] for frame in frames])


def test_the_published_recipe_gives_the_published_numbers(shared_data: Path) -> None:
    """Golden numbers are single precision, and the recipe multiplies their rounding of angles by 100."""
    golden = np.load(shared_data / "golden" / "robovlms" / "actions.npz")
    state, actions = golden["robot_obs"].astype(float), golden["actions"].astype(float)
    recipe = CALVIN.replace(action_frame="tcp", rotation="euler_xyz_intrinsic", rotation_composition=RECIPE)
    for key, source, target in (("world_to_tcp", CALVIN, recipe), ("tcp_to_world", recipe, CALVIN)):
        found = convert(actions, state, source, target)
        np.testing.assert_allclose(found[..., :3], golden[key][..., :3], atol=1e-6)
        np.testing.assert_allclose(found[..., 3:6], golden[key][..., 3:6], atol=2e-4)
        np.testing.assert_array_equal(found[..., 6], golden[key][..., 6])
    # The same function takes the four axes that come out of order there: numbers right, shape wrong.
    flat = convert(actions.reshape(4, 4, 8, 7), state.reshape(4, 4, 8, 15), CALVIN, recipe).reshape(4, -1, 1, 7)
    if golden["world_to_tcp_4d"].shape == flat.shape:
        np.testing.assert_allclose(flat, golden["world_to_tcp_4d"], atol=2e-4)


def test_the_published_recipe_inverts_the_rotation() -> None:
    """Against the body rotation under its own, intrinsic, reading of the angles."""
    random = np.random.default_rng(7)
    state, actions = random.uniform(-1, 1, (50, 15)), random.uniform(-1, 1, (50, 7))
    recipe = CALVIN.replace(action_frame="tcp", rotation="euler_xyz_intrinsic", rotation_composition=RECIPE)
    old = Rotation.from_euler("XYZ", state[:, 3:6])
    new = Rotation.from_euler("XYZ", state[:, 3:6] + 0.01 * actions[:, 3:6])
    true = (old.inv() * new).as_rotvec()
    published = convert(actions, state, CALVIN, recipe)[:, 3:6]
    cosine = (true * published).sum(axis=1) / np.linalg.norm(true, axis=1) / np.linalg.norm(published, axis=1)
    assert cosine.max() < -0.999


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"action_frame": "tcp"}, "euler_difference"),
        ({"rotation": "rotvec"}, "euler_difference"),
        ({"action_frame": "tcp", "rotation": "rotvec", "rotation_composition": "left"}, "right"),
        ({"action_frame": "tcp", "action_mode": "absolute"}, "absolute"),
        ({"rotation_composition": RECIPE}, "recipe"),
        ({"gripper_open": -1.0}, "gripper_open"),
    ],
)
def test_a_combination_without_meaning_is_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(VlasyncError, match=named):
        convert(np.zeros((2, 7)), np.zeros((2, 15)), CALVIN, CALVIN.replace(**changes))


def test_a_shift_of_rows_is_no_conversion() -> None:
    with pytest.raises(SpecMismatchError, match="action_index is 0 here and 1 there"):
        convert(np.zeros((2, 7)), np.zeros((2, 15)), CALVIN, CALVIN.replace(action_index=1))


@pytest.mark.parametrize(
    ("actions", "state"), [((4, 8), (4, 15)), ((4, 7), (4, 14)), ((4, 7), (5, 15)), ((7,), (1, 15))]
)
def test_shapes_that_do_not_fit_are_named(actions: tuple[int, ...], state: tuple[int, ...]) -> None:
    with pytest.raises(VlasyncError, match="do not fit"):
        convert(np.zeros(actions), np.zeros(state), CALVIN, CALVIN.replace(rotation="euler_xyz_intrinsic"))


@given(states())
def test_euler_angles_keep_the_rotation_at_gimbal_lock(state: NDArray[np.float64]) -> None:
    assume(len(state))
    intrinsic = GOAL.replace(rotation="euler_xyz_intrinsic")
    extrinsic = GOAL.replace(rotation="euler_xyz_extrinsic")
    poses = np.concatenate([state[:, :6], np.ones((4, 1))], axis=1)
    matrix = convert(poses, state, extrinsic, GOAL)
    for spec in (intrinsic, extrinsic):
        np.testing.assert_allclose(convert(convert(matrix, state, GOAL, spec), state, spec, GOAL), matrix, atol=1e-12)
