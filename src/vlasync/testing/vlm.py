"""The contract between a VLM and a VLA, as functions: what must hold so that a VLM can carry a policy.

Example::

    vlm = VLM.from_pretrained("my/vlm")
    for result in check_vlm(vlm):
        print(result)
        assert result.passed

Each clause runs on random images and a few sentences, in float32 unless it says otherwise.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from vlasync.models.folder import load_vla, save_vla
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.images import prepare_images
from vlasync.models.parts import VLM_PARTS, parts_of, weights_in
from vlasync.models.tuning import Tuning, tuned_parts
from vlasync.models.vla import VLA, VLAConfig
from vlasync.models.vlm import VLM
from vlasync.spec import Camera, Normalization, SyncSpec
from vlasync.testing.clause import TOLERANCE, BrokenClauseError, ClauseResult, difference, require_equal
from vlasync.testing.families import SENTENCES
from vlasync.testing.vlm_history import frames_follow_one_another
from vlasync.types import Batch

_CAMERAS = ("static", "gripper")
_WINDOW = 3
_PIXEL_TOLERANCE = 1e-4  # float32 normalisation in torch against numpy; a grey level is 4e-3 or more
_BFLOAT16_TOLERANCE = (
    0.5  # what random weights and sharp attention make of 8 bits of mantissa; nonsense differs by more
)


def check_vlm(vlm: VLM, *, seed: int = 0) -> tuple[ClauseResult, ...]:
    """Try every clause on a VLM, which becomes part of a small VLA on the way (its tokenizer gains [LRN]).

    Args:
        vlm: in float32; its weights are left as they are.
        seed: of what is added to the VLM.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return check_vla(small_vla(vlm))


def check_vla(vla: VLA, clauses: Sequence[str] | None = None) -> tuple[ClauseResult, ...]:
    """Try the named clauses, or every one, on a VLA of two cameras, `static` and `gripper`."""
    vla.eval()
    with torch.random.fork_rng(devices=[]):
        return tuple(_try(name, CLAUSES[name], vla) for name in clauses or CLAUSES)


def small_vla(vlm: VLM, tuning: Tuning | None = None) -> VLA:
    """A VLA of two cameras, a state token, two [LRN] and a small LSTM head around a VLM, for conformance tests."""
    height, width = vlm.image_transform.height, vlm.image_transform.width
    raw = SyncSpec.CALVIN.replace(cameras={name: Camera(height=height, width=width) for name in _CAMERAS})
    statistics = Normalization(
        kind="quantile",
        low=(-1.0,) * 7,
        high=(1.0,) * 7,
        identity=(6,),
        fitted_on=raw.representation(),
        count=1,
    )
    config = VLAConfig(
        cameras=_CAMERAS,
        window_size=_WINDOW,
        chunk_size=2,
        latent=2,
        shift_px={},
        head=LSTMHeadConfig(hidden=16, layers=1),
        tuning=Tuning() if tuning is None else tuning,
    )
    return VLA(vlm, config, raw.replace(normalization=statistics))


def weights_are_complete(vla: VLA) -> str:
    """Every weight of the base model came from the checkpoint; one that did not would be random."""
    if missing := vla.vlm.missing_weights:
        raise BrokenClauseError(f"{len(missing)} are missing, first {missing[0]}")
    return "all there"


@torch.no_grad()
def pixels_are_the_processors(vla: VLA) -> str:
    """Images of the VLM's size become the arguments that its own processor makes of them."""
    frames = _frames(vla, SENTENCES[:1])
    images = torch.cat([frames.images[name] for name in _CAMERAS])
    expected = vla.vlm.process_images(images.permute(0, 2, 3, 1).cpu().numpy())
    got = vla.vlm.image_arguments(_pixels(vla, frames))
    if odd := [name for name in expected.keys() | got.keys() if _shape(expected, name) != _shape(got, name)]:
        raise BrokenClauseError(f"other arguments or shapes: {', '.join(odd)}")
    largest = max(float((got[name].cpu().double() - value.double()).abs().max()) for name, value in expected.items())
    if largest > _PIXEL_TOLERANCE:
        raise BrokenClauseError(f"differ by {largest:.1e}")
    return "by the processor itself, frame by frame" if vla.vlm.calls_processor else f"within {largest:.0e}, batched"


@torch.no_grad()
def prompt_is_unchanged(vla: VLA) -> str:
    """The hidden states of the prompt are those of the VLM without [LRN], as in pretraining."""
    if not vla.vlm.is_causal:
        return "does not apply: the prompt is read in both directions"
    frames = _frames(vla, SENTENCES[1:2])
    tokens = vla.tokens.assemble(frames.sentences, frames.state.device)
    pixels = _pixels(vla, frames)
    with vla.tokens.inserted(vla.tokens.values(frames.state)):
        hidden = vla.vlm(tokens.fields, tokens.attention_mask, pixels)
    fields = {name: value[None] for name, value in vla.vlm.prompt(SENTENCES[1], len(_CAMERAS)).fields.items()}
    plain = vla.vlm(fields, torch.ones_like(fields["input_ids"]), pixels)
    return require_equal(hidden[:, : plain.shape[1]], plain)


@torch.no_grad()
def padding_and_batch_mates(vla: VLA) -> str:
    """What is read at [LRN] depends neither on the other rows of a batch nor on the padding that they cause."""
    frames = _frames(vla, SENTENCES)
    together = _embed(vla, frames)
    alone = [_embed(vla, frames.rows(slice(row, row + 1))) for row in range(len(SENTENCES))]
    return require_equal(together, torch.cat(alone))


@torch.no_grad()
def cameras_reach_the_token(vla: VLA) -> str:
    """Each camera changes what is read at [LRN], and so does their order."""
    frames = _frames(vla, SENTENCES[:1])
    read = _embed(vla, frames)
    static, gripper = (frames.images[name] for name in _CAMERAS)
    others = {
        "static": {"static": 255 - static, "gripper": gripper},
        "gripper": {"static": static, "gripper": 255 - gripper},
        "order": {"static": gripper, "gripper": static},
    }
    moved = {name: difference(_embed(vla, replace(frames, images=images)), read) for name, images in others.items()}
    if deaf := [name for name, change in moved.items() if change <= TOLERANCE]:
        raise BrokenClauseError(f"[LRN] does not see: {', '.join(deaf)}")
    return ", ".join(f"{name} {change:.0e}" for name, change in moved.items())


def gradients_reach_what_is_tuned(vla: VLA) -> str:
    """Training moves the parts of the VLM that the tuning names, [LRN], state token and head, and nothing else."""
    gradients = _gradients(vla)
    parts = {part: members for part, members in parts_of(vla).items() if members}
    reached = {part: [one for one in members if gradients.get(one) is not None] for part, members in parts.items()}
    moved = {part for part, members in reached.items() if any(bool(gradients[one].any()) for one in members)}
    still = set(VLM_PARTS) - tuned_parts(vla.vlm, vla.config.tuning)
    if missed := [part for part in parts if part not in moved | still]:
        raise BrokenClauseError(f"none in: {', '.join(missed)}")
    if astray := [part for part in parts if part in moved & still]:
        raise BrokenClauseError(f"astray in: {', '.join(astray)}")
    total = sum(weights_in(one) for members in parts.values() for one in members)
    share = sum(weights_in(one) for members in reached.values() for one in members) / total
    return f"{', '.join(part for part in parts if part in moved)}; {share:.1%} of all parameters"


@torch.no_grad()
def saved_equals_loaded(vla: VLA) -> str:
    """A VLA that is written to a folder and read again computes the same."""
    frames = _frames(vla, SENTENCES)
    with tempfile.TemporaryDirectory() as folder:
        save_vla(vla, Path(folder) / "vla")
        loaded = load_vla(Path(folder) / "vla")
    return require_equal(_embed(loaded, frames), _embed(vla, frames))


@torch.no_grad()
def streaming_equals_window(vla: VLA) -> str:
    """Frames given one by one, as on a robot, lead to the actions that a whole window leads to."""
    batch = _window(vla)
    window = vla(batch)
    stream = vla.init_stream(1)
    poses = []
    for frame in range(_WINDOW):
        images = {name: images[:, frame] for name, images in batch.images.items()}
        stream, prediction = vla.step(stream, images, batch.state[:, frame], batch.sentences)
        poses.append(prediction.pose)
    return require_equal(torch.stack(poses, dim=1), window.pose)


def bfloat16_runs(vla: VLA) -> str:
    """Forward and backward run under bfloat16 autocast and give finite numbers near those of float32."""
    frames = _frames(vla, SENTENCES)
    with torch.no_grad():
        exact = _embed(vla, frames)
    with torch.autocast(exact.device.type, torch.bfloat16):
        gradients = _gradients(vla)
        with torch.no_grad():
            coarse = _embed(vla, frames).float()
    if not all(bool(gradient.isfinite().all()) for gradient in gradients.values()):
        raise BrokenClauseError("gradients are not finite")
    departure = float((coarse - exact).norm() / exact.norm())
    if not departure < _BFLOAT16_TOLERANCE:
        raise BrokenClauseError(f"hidden states differ from float32 by {departure:.1%}")
    return f"within {departure:.1%} of float32"


def checkpointing_equals_plain(vla: VLA) -> str:
    """Gradient checkpointing, which forgets activations and computes them again, gives equal gradients."""
    model = vla.vlm.model
    model.train()  # transformers checkpoints in training mode alone
    try:
        plain = _gradients(vla)
        model.activation_checkpointing_enable()
        again = _gradients(vla)
    finally:
        model.activation_checkpointing_disable()
        vla.eval()
    if plain.keys() != again.keys():
        raise BrokenClauseError(f"gradients of {len(plain.keys() ^ again.keys())} parameters come or go")
    worst = max(difference(again[one], plain[one]) for one in plain)
    if worst > TOLERANCE:
        raise BrokenClauseError(f"gradients differ by {worst:.1e}")
    return f"within {worst:.0e}"


CLAUSES: Mapping[str, Callable[[VLA], str]] = {
    "weights": weights_are_complete,
    "pixels": pixels_are_the_processors,
    "prompt": prompt_is_unchanged,
    "padding": padding_and_batch_mates,
    "cameras": cameras_reach_the_token,
    "gradients": gradients_reach_what_is_tuned,
    "folder": saved_equals_loaded,
    "streaming": streaming_equals_window,
    "interleaved": frames_follow_one_another,
    "bfloat16": bfloat16_runs,
    "checkpointing": checkpointing_equals_plain,
}
"""The clauses by name. Each takes a VLA in evaluation mode and says what it measured, or raises `BrokenClauseError`."""


def _try(name: str, clause: Callable[[VLA], str], vla: VLA) -> ClauseResult:
    """Run a clause; whatever it raises is a finding about the VLM and is reported as such."""
    try:
        return ClauseResult(clause=name, passed=True, measured=clause(vla))
    except BrokenClauseError as error:
        return ClauseResult(clause=name, passed=False, measured=str(error))
    except Exception as error:
        return ClauseResult(clause=name, passed=False, measured=f"{type(error).__name__}: {error}")


@dataclass(frozen=True, kw_only=True)
class _Frames:
    """N frames: images `[N, 3, h, w]` uint8 per camera, state `[N, S]`, N sentences."""

    images: Mapping[str, torch.Tensor]
    state: torch.Tensor
    sentences: Sequence[str]

    def rows(self, rows: slice) -> _Frames:
        images = {name: images[rows] for name, images in self.images.items()}
        return _Frames(images=images, state=self.state[rows], sentences=self.sentences[rows])


def _frames(vla: VLA, sentences: Sequence[str]) -> _Frames:
    """Frames of noise, the same at every call."""
    random = torch.Generator().manual_seed(0)
    count, device = len(sentences), vla.tokens.embeddings.device
    return _Frames(
        images={
            name: torch.randint(0, 256, (count, 3, one.height, one.width), generator=random, dtype=torch.uint8).to(
                device
            )
            for name, one in vla.spec.cameras.items()
        },
        state=torch.rand(count, vla.spec.state_size, generator=random).to(device),
        sentences=sentences,
    )


def _window(vla: VLA) -> Batch:
    """One window of noise."""
    frames = _frames(vla, SENTENCES[1:2] * _WINDOW)
    chunk = (1, _WINDOW, vla.config.chunk_size)
    return Batch(
        images={name: images.unsqueeze(0) for name, images in frames.images.items()},
        state=frames.state.unsqueeze(0),
        actions=frames.state.new_zeros(*chunk, vla.spec.action_size),
        chunk_mask=torch.ones(chunk, dtype=torch.bool, device=frames.state.device),
        sentences=tuple(SENTENCES[1:2]),
    )


def _embed(vla: VLA, frames: _Frames) -> torch.Tensor:
    return vla.embed(frames.images, frames.state, frames.sentences)


def _pixels(vla: VLA, frames: _Frames) -> torch.Tensor:
    """`[N, 2, 3, h, w]`, the cameras in the order of the prompt."""
    return torch.stack([prepare_images(frames.images[name], vla.vlm.image_transform) for name in _CAMERAS], dim=1)


def _gradients(vla: VLA) -> dict[nn.Parameter, torch.Tensor]:
    """Gradients of a window's loss with respect to the parameters that it depends on."""
    torch.manual_seed(0)  # of dropout
    batch = _window(vla)
    prediction = vla(batch)
    loss = prediction.pose.float().square().mean() + prediction.gripper.float().square().mean()
    parameters = [parameter for parameter in vla.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    return {one: gradient for one, gradient in zip(parameters, gradients, strict=True) if gradient is not None}


def _shape(arguments: Mapping[str, torch.Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(arguments[name].shape) if name in arguments else None
