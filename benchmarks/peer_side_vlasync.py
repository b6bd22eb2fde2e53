"""The side of vlasync in `peer_robovlms.py`: the same config, the same prompt, the same policy head.

python peer_side_vlasync.py FOLDER PRECISION CLOCK
"""

from __future__ import annotations

import sys
from pathlib import Path

from peer_side import BATCH, SENTENCE, arithmetic, optimizer_of, resident_bytes, serve
from vlasync.compat.robovlms.build import build_policy
from vlasync.compat.robovlms.settings import read_settings
from vlasync.models.computing import halve_weights
from vlasync.policy import Policy
from vlasync.speed.acting import noise_frames
from vlasync.speed.learning import noise_batch


def main(folder: Path, precision: str, clock: str) -> None:
    """Build two VLAs, since acting in bf16 halves the weights, and answer."""
    before = resident_bytes()
    settings = read_settings(folder / "config.json")
    vla = build_policy(settings)
    batch, optimizer = noise_batch(vla, SENTENCE, windows=BATCH), optimizer_of(vla, fused=True)

    def train() -> None:
        vla.train()
        with arithmetic(precision):
            loss = vla.loss(batch).total
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    acting = build_policy(settings)
    if precision == "bf16":
        halve_weights(acting.vlm)
    policy, frames = Policy(acting), noise_frames(vla.spec)
    policy.reset(SENTENCE)
    serve(train, lambda: policy.act(next(frames)), clock=clock, before=before)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
