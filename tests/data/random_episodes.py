"""Episodes of random numbers, for what has to come back as it was written."""

import numpy as np

from vlasync.spec import SyncSpec
from vlasync.types import Episode, LanguageSpan


def random_episode(length: int, *spans: tuple[int, int], spec: SyncSpec, seed: int = 0) -> Episode:
    """`length` frames, always the same for a seed, with a sentence over each of `spans`."""
    random = np.random.default_rng([seed, length])
    return Episode(
        name=f"{length} frames",
        spec=spec,
        images={
            name: random.integers(0, 256, (length, size.height, size.width, 3), dtype=np.uint8)
            for name, size in spec.cameras.items()
        },
        state=random.normal(size=(length, spec.state_size)),
        actions=random.uniform(-1, 1, size=(length, 7)),
        scene=random.normal(size=(length, 24)),
        frame_index=np.arange(length),
        language=tuple(LanguageSpan(first=a, last=b, sentence=f"words {a}", task="open_drawer") for a, b in spans),
    )
