"""RoboVLMs' own CALVIN loader, timed; run by `loader_speed.py` with the interpreter of a RoboVLMs installation.

    PY benchmarks/robovlms_loader.py CHECKOUT SPLIT --workers 2 --batch-size 16 --batches 6

Images are stacked and nothing more: its resizing and normalising, which take as long again, are left out, because
vlasync does them on the device. Sentences are not tokenised either. The last line printed is samples per second.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader


def stacked(images: Sequence[Any]) -> torch.Tensor:
    """Images `[T, 3, H, W']` uint8."""
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)


def no_tokens(sentences: Sequence[str], **_: Any) -> dict[str, torch.Tensor]:
    """In place of a tokenizer."""
    empty = torch.zeros(len(sentences), 0, dtype=torch.long)
    return {"input_ids": empty, "attention_mask": empty}


def main() -> None:
    """Time the batches after the first, which starts the workers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkout")
    parser.add_argument("split")
    for name in ("workers", "batch-size", "batches", "window-size", "chunk-size"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    sys.path.insert(0, given.checkout)
    from robovlms.data.calvin_dataset import DiskCalvinDataset

    dataset = DiskCalvinDataset(
        image_fn=stacked,
        tokenizer=no_tokens,
        model_name="llava",
        data_dir=given.split,
        window_size=given.window_size,
        fwd_pred_next_n=given.chunk_size,
    )
    loader = DataLoader(
        dataset,
        batch_size=given.batch_size,
        shuffle=True,
        num_workers=given.workers,
        collate_fn=dataset.collater,
        generator=torch.Generator().manual_seed(0),
    )
    batches = iter(loader)
    next(batches)
    started = time.perf_counter()
    count = sum(len(batch["raw_text"]) for batch in islice(batches, given.batches))
    print(count / (time.perf_counter() - started))


if __name__ == "__main__":
    main()
