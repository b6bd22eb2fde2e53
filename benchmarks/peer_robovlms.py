"""The same model in RoboVLMs and in vlasync: what a training step and a control step take, and how much memory.

    python benchmarks/peer_robovlms.py --robovlms ../RoboVLMs --robovlms-python ../RoboVLMs/.venv/bin/python [--write]

A Kosmos-2 of random weights, one static camera, an LSTM head, windows of 8 frames with chunks of 10, batches of 2. Each
side runs in fp32 and in bf16, each of these in a process of its own under the interpreter of its project, and the
rounds go from one to the next, so that whatever else a machine does meets all alike. A training step is loss, gradients
and AdamW; a control step goes from the camera's pixels to the chunk of actions. vlasync computes as `vlasync train`
does, and trains with `--checkpointing` as well, of every third layer and of all. RoboVLMs wants transformers 4.44 with
its own `tools/modeling_kosmos2.py` in the place of that of transformers, einops and Pillow. Its model is its own, built
from its own config; what its packages import beside it is left out.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from figures import keep
from peer_side import CHUNK, REPLY, SENTENCE, WINDOW
from vlasync.speed.acting import percentiles

THEIRS = "robovlms"
OURS = {"vlasync": 0, "vlasync --checkpointing 3": 3, "vlasync --checkpointing 1": 1}
"""Our sides: name -> `Compute.checkpointing`."""
PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True, kw_only=True)
class PeerSize:
    """A Kosmos-2: equal widths of tower and decoder, patches of 14 px out of 224.

    Attributes:
        hidden: width.
        layers: of the tower, and of the decoder.
        heads: of attention.
        image_tokens: latent queries.
        vocabulary: rows of the text embedding.
        head: width of the LSTM.
    """

    hidden: int
    layers: int
    heads: int
    image_tokens: int
    vocabulary: int
    head: int


SIZES = {
    "tiny": PeerSize(hidden=64, layers=2, heads=4, image_tokens=8, vocabulary=512, head=64),
    "small": PeerSize(hidden=256, layers=6, heads=8, image_tokens=64, vocabulary=65_037, head=256),
}


class Side:
    """A process that holds one model and answers requests; see `peer_side.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, request: str) -> float:
        """Milliseconds of a `train` or `act`, bytes of `memory`.

        Raises:
            RuntimeError: the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith(REPLY):
                return json.loads(line.removeprefix(REPLY))
        raise RuntimeError(f"{self._process.args}: ended with {self._process.wait()}")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one side took in one precision: milliseconds of its steps, and bytes that training adds to a process."""

    train: Sequence[float]
    act: Sequence[float]
    memory: float


def write_model(folder: Path, size: PeerSize) -> None:
    """Write a config of RoboVLMs, and beside it the config and the tokenizer of its VLM."""
    vlm = folder / "vlm"
    text = {"vocab_size": size.vocabulary, "embed_dim": size.hidden, "layers": size.layers, "ffn_dim": 4 * size.hidden}
    vision = {"hidden_size": size.hidden, "intermediate_size": 4 * size.hidden, "num_hidden_layers": size.layers}
    config = {
        "model_type": "kosmos-2",
        "architectures": ["Kosmos2ForConditionalGeneration"],
        "latent_query_num": size.image_tokens,
        "text_config": {**text, "attention_heads": size.heads},
        "vision_config": {**vision, "num_attention_heads": size.heads, "image_size": 224, "patch_size": 14},
    }
    words = ["<s>", "<pad>", "</s>", "<unk>", *dict.fromkeys(f"<grounding>An image of a robot {SENTENCE}".split())]
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(vlm)
    (vlm / "config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps(_robovlms_config(size)))


def _robovlms_config(size: PeerSize) -> dict[str, Any]:
    """What RoboVLMs is told: its released CALVIN configuration, as far as its model reads it."""
    return {
        "robovlm_name": "RoboKosMos",
        "model": "kosmos",
        "image_size": 224,
        "window_size": WINDOW,
        "fwd_pred_next_n": CHUNK,
        "arm_gripper_loss_ratio": 0.01,
        "learning_rate": 2e-5,
        "min_lr_scale": 0.01,
        "weight_decay": 0,
        "warmup_epochs": 0.25,
        "warmup_steps": 0,
        "batch_size": 2,
        "seed": 0,
        "use_hand_rgb": False,
        "norm_action": True,
        "norm_min": -0.65,
        "norm_max": 0.65,
        "vlm": {"type": "AutoModelForVision2Seq", "name": "kosmos", "pretrained_model_name_or_path": "vlm"},
        "tokenizer": {
            "type": "PreTrainedTokenizerFast",
            "pretrained_model_name_or_path": "vlm",
            "tokenizer_type": "kosmos",
            "max_text_len": 256,
            "additional_special_tokens": None,
        },
        "train_setup": {
            "predict_action": True,
            "freeze_backbone": False,
            "train_vision": True,
            "train_text_embedding": True,
            "lora_enable": False,
        },
        "act_head": {
            "type": "LSTMDecoder",
            "hidden_size": size.head,
            "action_dim": 7,
            "down_sample": "none",
            "latent": 1,
            "action_space": "continuous",
            "with_history": True,
            "history_type": "post",
        },
        "trainer": {"precision": "bf16", "gradient_clip_val": 1.0, "max_epochs": 5, "accumulate_grad_batches": 1},
        "train_dataset": {"type": "DiskCalvinDataset", "model_name": "kosmos", "rgb_pad": 10, "gripper_pad": 4},
    }


@contextmanager
def started(command: Sequence[str], checkout: Path, threads: int) -> Iterator[Side]:
    """A side while it lasts; RoboVLMs' checkout and the scripts here are on its path."""
    paths = os.pathsep.join((str(checkout), str(Path(__file__).parent)))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield Side(process)
        finally:
            process.terminate()


def measure(
    commands: Mapping[tuple[str, str], Sequence[str]], checkout: Path, *, rounds: int, acts: int, threads: int
) -> dict[tuple[str, str], Measured]:
    """All sides in all precisions, round by round; the first of their steps warm up and do not count."""
    with ExitStack() as stack:
        sides = {key: stack.enter_context(started(command, checkout, threads)) for key, command in commands.items()}
        train: dict[tuple[str, str], list[float]] = {key: [] for key in sides}
        act: dict[tuple[str, str], list[float]] = {key: [] for key in sides}
        for side in sides.values():
            side.ask("train")
        for _ in range(rounds):
            for key, side in sides.items():
                train[key].append(side.ask("train"))
        memory = {key: side.ask("memory") for key, side in sides.items()}
        for side in sides.values():
            for _ in range(WINDOW + 1):
                side.ask("act")
        for _ in range(rounds):
            for key, side in sides.items():
                act[key] += [side.ask("act") for _ in range(acts)]
        return {key: Measured(train=train[key], act=act[key], memory=memory[key]) for key in sides}


def main(
    robovlms: Path,
    robovlms_python: Path,
    *,
    size: Literal["tiny", "small"] = "small",
    rounds: int = 5,
    acts: int = 20,
    threads: int = 2,
    clock: Literal["wall", "cpu"] = "wall",
    write: bool = False,
) -> None:
    """Measure and show; ratios are RoboVLMs' over ours.

    Args:
        robovlms: a checkout of RoboVLMs.
        robovlms_python: an interpreter that has what it needs.
        size: of the model.
        rounds: training steps of each.
        acts: control steps of each, in each round.
        threads: of each process.
        clock: `cpu` is the processes' own time, for a machine that does other work, with one thread.
        write: append a line to RESULTS.md.
    """
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), SIZES[size])
        theirs = [str(robovlms_python), str(here / "peer_side_robovlms.py")]
        ours = [sys.executable, str(here / "peer_side_vlasync.py")]
        commands: dict[tuple[str, str], Sequence[str]] = {}
        for precision in PRECISIONS:
            commands[THEIRS, precision] = [*theirs, folder, precision, clock]
            for side, checkpointing in OURS.items():
                commands[side, precision] = [*ours, folder, precision, clock, str(checkpointing)]
        found = measure(commands, robovlms.absolute(), rounds=rounds, acts=acts, threads=threads)
    table = Table("", "training step, ms", "control step p50, ms", "p99, ms", "p99 / p50", "memory in training, MiB")
    for (side, precision), taken in found.items():
        p50, _, p99 = percentiles(taken.act)
        cells = (statistics.median(taken.train), p50, p99)
        words = (f"{cell:.1f}" for cell in cells)
        table.add_row(f"{side} {precision}", *words, f"{p99 / p50:.2f}", f"{taken.memory / 2**20:.0f}")
    Console().print(table)
    lines = [_ratios(found, theirs, ours) for theirs, ours in _PAIRS]
    print("\n".join(lines))
    if write:
        keep("peer_robovlms", f"{size}, {threads} threads, {clock} clock: {'; '.join(lines)}")


_PAIRS = tuple(
    ((THEIRS, theirs), (side, ours))
    for side in OURS
    for theirs, ours in (("fp32", "fp32"), ("bf16", "bf16"), ("fp32", "bf16"))
)


def _ratios(found: Mapping[tuple[str, str], Measured], their: tuple[str, str], our: tuple[str, str]) -> str:
    theirs, ours = found[their], found[our]
    train = statistics.median(theirs.train) / statistics.median(ours.train)
    act = statistics.median(theirs.act) / statistics.median(ours.act)
    return (
        f"{' '.join(their)} / {' '.join(our)}: training step {train:.2f}, control step {act:.2f}, "
        f"memory of ours {ours.memory / theirs.memory:.2f} of theirs"
    )


if __name__ == "__main__":
    tyro.cli(main)
