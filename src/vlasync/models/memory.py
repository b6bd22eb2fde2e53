"""How much memory a VLA needs to act and to train, before a GPU says that it was too much."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vlasync.models.vla import VLA

FORMULA = (
    "acting: 2 B x parameters (bfloat16). Training: 4 B x parameters (float32 weights) + 16 B x those that train "
    "(gradient, two AdamW moments, average) + what autograd keeps per frame x frames per batch. Parameters in 4 bits "
    "take half a byte in both."
)
"""The estimate in words. Not in it: fragmentation, workspaces of kernels, and the images of the batch."""


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Memory of one VLA in bytes, by `FORMULA`.

    Attributes:
        acting: weights in bfloat16.
        training: weights, gradients, AdamW's moments and the average of the weights.
        per_frame: what autograd keeps for the backward pass of one frame, measured under bfloat16 autocast.
    """

    acting: int
    training: int
    per_frame: int

    def batch(self, frames: int) -> int:
        """Bytes for training on `frames` frames at once: window size times windows per process."""
        return self.training + frames * self.per_frame


def estimate_memory(vla: VLA, sentence: str) -> MemoryEstimate:
    """Count the parameters, and run one black frame forward to see what autograd keeps of it."""
    parameters = list(vla.parameters())
    floating = sum(one.numel() for one in parameters if one.is_floating_point())
    packed = sum(one.nbytes for one in parameters if not one.is_floating_point())  # two weights in 4 bits to a byte
    trainable = sum(one.numel() for one in parameters if one.requires_grad)
    return MemoryEstimate(
        acting=2 * floating + packed,
        training=4 * floating + packed + 16 * trainable,
        per_frame=_kept(vla, sentence),
    )


def _kept(vla: VLA, sentence: str) -> int:
    """Bytes of the tensors saved for the backward pass of one frame; parameters are there anyhow."""
    device = vla.tokens.embeddings.device
    images = {
        name: torch.zeros(1, 3, camera.height, camera.width, dtype=torch.uint8, device=device)
        for name, camera in vla.spec.cameras.items()
    }
    weights = {parameter.data_ptr() for parameter in vla.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast(device.type, torch.bfloat16),
    ):
        embedding = vla.embed(images, torch.zeros(1, vla.spec.state_size, device=device), [sentence])
    del embedding
    return sum(kept.values())
