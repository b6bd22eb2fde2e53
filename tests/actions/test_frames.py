"""Increments and poses are each other's inverse, and agree with what CALVIN recorded."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from vlasync.actions.frames import increments, integrate
from vlasync.errors import VlasyncError
from vlasync.spec import SyncSpec


def poses(count: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.concatenate([random.normal(size=(count, 3)), random.uniform(-math.pi, math.pi, (count, 3))], axis=1)


def test_integrate_inverts_increments() -> None:
    now, later = poses(200)[:100], poses(200)[100:]
    action = increments(now, later, SyncSpec.CALVIN)
    np.testing.assert_allclose(integrate(now, action, SyncSpec.CALVIN), later, atol=1e-12)
    assert np.abs(action[:, 3:]).max() <= math.pi / SyncSpec.CALVIN.rotation_scale_rad


def test_the_short_way_round_is_taken() -> None:
    now, later = np.zeros(6), np.zeros(6)
    now[3], later[3] = math.pi - 0.01, -math.pi + 0.015  # a hand that points down rolls through +-pi
    np.testing.assert_allclose(increments(now, later, SyncSpec.CALVIN), [0, 0, 0, 0.5, 0, 0], atol=1e-12)


def test_inputs_stay_as_they_were() -> None:
    now, later = poses(2)
    kept = now.copy(), later.copy()
    action = increments(now, later, SyncSpec.CALVIN)
    kept_action = action.copy()
    integrate(now, action, SyncSpec.CALVIN)
    np.testing.assert_array_equal([now, later], kept)
    np.testing.assert_array_equal(action, kept_action)


def test_torch_gives_the_same_numbers_and_gradients() -> None:
    now, later = torch.tensor(poses(2))
    later.requires_grad_()
    action = increments(now, later, SyncSpec.CALVIN)
    np.testing.assert_allclose(action.detach(), increments(now.numpy(), later.detach().numpy(), SyncSpec.CALVIN))
    action.sum().backward()
    np.testing.assert_allclose(later.grad, [50, 50, 50, 20, 20, 20])


def test_recorded_actions_are_clipped_increments(shared_data: Path) -> None:
    folder = shared_data / "calvin_sample" / "validation"
    frames = [np.load(folder / f"episode_{number:07d}.npz") for number in range(766, 806)]
    pose = np.stack([frame["robot_obs"][:6] for frame in frames])
    recorded = np.stack([frame["rel_actions"][:6] for frame in frames])
    np.testing.assert_allclose(
        np.clip(increments(pose[:-1], pose[1:], SyncSpec.CALVIN), -1, 1), recorded[:-1], atol=1e-12
    )


@pytest.mark.parametrize(
    ("field", "value"), [("action_frame", "tcp"), ("rotation", "rotvec"), ("action_mode", "absolute")]
)
def test_another_convention_is_refused_by_name(field: str, value: str) -> None:
    with pytest.raises(VlasyncError, match=f"{field} is '{value}'"):
        increments(*poses(2), SyncSpec.CALVIN.replace(**{field: value}))
