"""Models of the size that papers train, with random weights: frames/s, MFU, memory and latency on this device.

    python benchmarks/gpu.py [--model kosmos2|paligemma|tiny] [--tuning full|lora] [--write]

Kosmos-2 has 1.6 B parameters and PaliGemma 2.9 B; the weights are random, since speed does not depend on them. Both
cameras, windows of 8, chunks of 10, an LSTM head of 1024. `tiny` is for a CPU and for trying the script.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from rich.console import Console
from transformers import AutoConfig, AutoModel

from figures import keep
from history_speed import calvin_spec
from vlasync.models.compute import Compute
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.processor import load_processor
from vlasync.models.tiny import Family, TinySize, build_tiny_vlm
from vlasync.models.tuning import Tuning
from vlasync.models.vla import VLA, VLAConfig
from vlasync.models.vlm import VLM
from vlasync.speed.measure import Speed, measure_speed

SENTENCE = "push the red block to the left side of the table"
PUBLISHED = TinySize(image_size=224, patch_size=14, hidden=64, pixel_shuffle=1, latent_queries=64)
"""Images and image tokens of the published models; the other numbers are replaced."""


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """A family, and the numbers of its published config that make its size, in place of a tiny one's at `base`."""

    family: Family
    base: TinySize = PUBLISHED
    text: Mapping[str, Any]
    vision: Mapping[str, Any]
    whole: Mapping[str, Any]


MODELS = {
    # microsoft/kosmos-2-patch14-224
    "kosmos2": ModelSize(
        family="kosmos2",
        text={"vocab_size": 65_037, "embed_dim": 2048, "layers": 24, "ffn_dim": 8192, "attention_heads": 32},
        vision={"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16},
        whole={},
    ),
    # google/paligemma-3b-pt-224
    "paligemma": ModelSize(
        family="paligemma",
        text={
            "vocab_size": 257_216,
            "hidden_size": 2048,
            "intermediate_size": 16_384,
            "num_hidden_layers": 18,
            "num_attention_heads": 8,
            "num_key_value_heads": 1,
            "head_dim": 256,
        },
        vision={"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16},
        whole={"hidden_size": 2048, "projection_dim": 2048},
    ),
    "tiny": ModelSize(
        family="kosmos2", base=TinySize(image_size=32, patch_size=16, hidden=32), text={}, vision={}, whole={}
    ),
}


def random_vlm(size: ModelSize, device: torch.device) -> VLM:
    """A VLM of this size with random weights, made on the device; prompt and images are the family's own."""
    with tempfile.TemporaryDirectory() as folder:
        build_tiny_vlm(size.family, Path(folder), corpus=(SENTENCE,), size=size.base)
        config: Any = AutoConfig.from_pretrained(folder)
        parts = ((config.text_config, size.text), (config.vision_config, size.vision), (config, size.whole))
        for part, settings in parts:
            for name, value in settings.items():
                setattr(part, name, value)
        processor = load_processor(folder)
    with device:
        model = AutoModel.from_config(config, dtype=torch.float32, attn_implementation="eager")
    return VLM(model, processor)


def measure(
    model: str, *, tuning: Literal["full", "lora"], compute: Compute, half: bool, batch: int, steps: int
) -> Speed:
    """What this device makes of one of `MODELS`."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = MODELS[model]
    head = LSTMHeadConfig(hidden=1024, layers=4) if size.text else LSTMHeadConfig(hidden=32, layers=1)
    config = VLAConfig(tuning=Tuning(mode=tuning), head=head)
    vla = VLA(random_vlm(size, device), config, calvin_spec()).to(device)
    return measure_speed(vla, SENTENCE, compute=compute, half=half, windows=batch, steps=steps)


def main(
    model: Literal["kosmos2", "paligemma", "tiny"] = "kosmos2",
    *,
    tuning: Literal["full", "lora"] = "full",
    batch: int = 8,
    steps: int = 200,
    checkpointing: int = 0,
    compile: bool = False,
    write: bool = False,
) -> None:
    """Measure and show, in bf16.

    Args:
        model: whose size.
        tuning: all weights, or low-rank updates.
        batch: windows of 8 frames in a training step.
        steps: of acting.
        checkpointing: keep no activations within every n-th layer.
        compile: compile the layers.
        write: append a line to RESULTS.md.
    """
    compute = Compute(checkpointing=checkpointing, compile=compile)
    speed = measure(model, tuning=tuning, compute=compute, half=True, batch=batch, steps=steps)
    speed.print(Console())
    if write:
        learning, acting = speed.learning, speed.acting
        keep(
            "gpu",
            f"{model}, {tuning}, bf16, {speed.device}: {learning.frames_per_second:.1f} frames/s, "
            f"MFU {learning.mfu:.0%} of {learning.peak_flops / 1e12:.3g} TFLOP/s, "
            f"{learning.peak_memory / 2**30:.1f} GiB, control step p50 {acting.p50:.1f} ms, p99 {acting.p99:.1f} ms",
        )


if __name__ == "__main__":
    tyro.cli(main)
