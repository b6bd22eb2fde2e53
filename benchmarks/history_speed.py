"""What a step on the robot costs where the VLM looks back, with vision features kept and with all of them made again.

    python benchmarks/history_speed.py

A small VLM with random weights, two cameras, one rollout, one CPU thread, full windows; the median of five calls in
seconds of that thread, which other work on the machine does not lengthen.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from vlasync.models.tiny import TinySize, build_tiny_vlm
from vlasync.models.vla import VLA, VLAConfig, build_vla
from vlasync.spec import Normalization, SyncSpec

SIZE = TinySize(image_size=224, patch_size=16, hidden=256, vision_layers=6, text_layers=6, heads=4, expansion=4)
WINDOWS = (4, 8, 16)
SENTENCE = "open the drawer"
REPEATS = 5


def main() -> None:
    """Measure all windows and show them."""
    torch.set_num_threads(1)
    table = Table("window", "features kept", "window read again", "ratio")
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        build_tiny_vlm("smolvlm", Path(folder), corpus=(SENTENCE,), size=SIZE)
        for window in WINDOWS:
            config = VLAConfig(window_size=window, history="interleaved")
            kept, again = measure(build_vla(folder, config, calvin_spec()).eval())
            table.add_row(str(window), f"{kept:.2f} s", f"{again:.2f} s", f"{again / kept:.1f}")
    Console().print(table)


def measure(vla: VLA) -> tuple[float, float]:
    """Seconds of a step at the end of a full window, and of reading that window at once."""
    window = vla.config.window_size
    images = {
        name: torch.randint(0, 256, (1, window, 3, camera.height, camera.width), dtype=torch.uint8)
        for name, camera in vla.spec.cameras.items()
    }
    state = torch.zeros(1, window, vla.spec.state_size)
    newest = {name: image[:, -1] for name, image in images.items()}
    stream = vla.init_stream(1)
    for _ in range(window):
        stream, _ = vla.step(stream, newest, state[:, -1], [SENTENCE])
    step = median(lambda: vla.step(stream, newest, state[:, -1], [SENTENCE]))
    return step, median(lambda: vla.embed_windows(images, state, [SENTENCE]))


def median(call: Callable[[], object]) -> float:
    """Median CPU seconds of a call."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def calvin_spec() -> SyncSpec:
    """CALVIN's conventions with a normalisation that changes nothing."""
    raw = SyncSpec.CALVIN
    bounds = Normalization(
        kind="quantile",
        low=(-1.0,) * raw.action_size,
        high=(1.0,) * raw.action_size,
        identity=(raw.action_size - 1,),
        fitted_on=raw.representation(),
        count=1,
    )
    return raw.replace(normalization=bounds)


if __name__ == "__main__":
    main()
