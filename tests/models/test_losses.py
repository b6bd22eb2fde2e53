import math

import pytest
import torch

from vlasync.models.chunks import ChunkPrediction, ChunkTarget
from vlasync.models.losses import LossConfig, chunk_loss


def terms(config: LossConfig, *, error: float = 0.5, mask: torch.Tensor | None = None):
    pose = torch.randn(2, 3, 4, 6)
    return chunk_loss(
        ChunkPrediction(pose=pose + error, gripper=torch.zeros(2, 3, 4)),
        ChunkTarget(
            pose=pose,
            gripper_open=torch.ones(2, 3, 4, dtype=torch.bool),
            mask=torch.ones(2, 3, 4, dtype=torch.bool) if mask is None else mask,
        ),
        config,
    )


@pytest.mark.parametrize(("pose", "value"), [("mse", 0.25), ("huber", 0.125), ("l1", 0.5)])
def test_known_errors_give_known_terms(pose, value):
    loss = terms(LossConfig(pose=pose, gripper_weight=0.01))
    assert loss.pose.item() == pytest.approx(value, abs=1e-5)
    assert loss.gripper.item() == pytest.approx(math.log(2), abs=1e-5)
    assert loss.total.item() == pytest.approx(value + 0.01 * math.log(2), abs=1e-5)


def test_masked_entries_do_not_count():
    torch.manual_seed(0)
    mask = torch.rand(2, 3, 4) > 0.5
    target, wrong = torch.randn(2, 3, 4, 6), torch.randn(2, 3, 4, 6)
    logits, target_open = torch.randn(2, 3, 4), torch.rand(2, 3, 4) > 0.5
    prediction = ChunkPrediction(pose=torch.where(mask[..., None], target + 1.0, wrong * 100), gripper=logits)
    loss = chunk_loss(prediction, ChunkTarget(pose=target, gripper_open=target_open, mask=mask), LossConfig())
    assert loss.pose.item() == pytest.approx(1.0, abs=1e-5)
    kept = torch.nn.functional.binary_cross_entropy_with_logits(logits[mask], target_open[mask].float())
    assert loss.gripper.item() == pytest.approx(kept.item(), abs=1e-5)


def test_an_empty_mask_gives_zero_and_not_nan():
    loss = terms(LossConfig(), mask=torch.zeros(2, 3, 4, dtype=torch.bool))
    assert loss.total.item() == 0.0
