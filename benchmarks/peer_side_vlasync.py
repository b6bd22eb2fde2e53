"""The side of vlasync in `peer_robovlms.py`: the same config, the same prompt, the same policy head.

python peer_side_vlasync.py FOLDER PRECISION CLOCK CHECKPOINTING
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import torch

from peer_side import BATCH, SENTENCE, arithmetic, optimizer_of, resident_bytes, serve
from vlasync.compat.robovlms.build import build_policy
from vlasync.compat.robovlms.settings import read_settings
from vlasync.models.compute import Compute
from vlasync.models.kernels import halve_weights, set_up
from vlasync.policy import Policy
from vlasync.speed.acting import noise_frames
from vlasync.speed.learning import noise_batch


def main(folder: Path, precision: str, clock: str, *, checkpointing: int) -> None:
    """Build a VLA that trains, and one that acts when it is asked to, and answer."""
    before = resident_bytes()
    settings, half, cpu = read_settings(folder / "config.json"), precision == "bf16", torch.device("cpu")
    vla = build_policy(settings)
    set_up(vla.vlm, Compute(checkpointing=checkpointing), cpu, half=half)
    batch, optimizer = noise_batch(vla, SENTENCE, windows=BATCH), optimizer_of(vla, fused=True)
    frames = noise_frames(vla.spec)

    def train() -> None:
        vla.train()
        with arithmetic(precision):
            loss = vla.loss(batch).total
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    @cache
    def policy() -> Policy:
        acting = build_policy(settings)
        set_up(acting.vlm, Compute(), cpu, half=half)
        if half:
            halve_weights(acting.vlm)
        following = Policy(acting)
        following.reset(SENTENCE)
        return following

    serve(train, lambda: policy().act(next(frames)), clock=clock, before=before)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], checkpointing=int(sys.argv[4]))
