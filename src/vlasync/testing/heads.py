"""The contract of policy heads, as tests that anyone can run on a head of their own.

Example::

    @pytest.mark.parametrize("clause", HEAD_CLAUSES.values(), ids=HEAD_CLAUSES)
    def test_my_head(clause):
        clause(MyHeadConfig(hidden=32))

A clause that does not hold raises an `AssertionError` that says what was measured. Small settings make it fast.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

import torch

from vlasync.models.chunks import ChunkPrediction, ChunkTarget
from vlasync.models.heads.head import HeadConfig, HeadShape, PolicyHead
from vlasync.models.losses import LossConfig, LossTerms

TOLERANCE = 1e-5
"""Largest difference of numbers that should be equal but for rounding."""

LEARNING_STEPS = 200
"""Optimiser steps within which a head must learn four windows by heart."""

LEARNING_FACTOR = 10.0
"""How many times smaller its loss must be by then."""

_SHAPE = HeadShape(embedding_size=16, latent=2, window_size=4, chunk_size=3)
_SHAPES = (
    _SHAPE,
    HeadShape(embedding_size=16, latent=1, window_size=1, chunk_size=1),
    HeadShape(embedding_size=16, latent=1, window_size=3, chunk_size=5, pose_size=9),
    HeadShape(embedding_size=16, latent=3, window_size=32, chunk_size=2),
    HeadShape(embedding_size=16, latent=1, window_size=2, chunk_size=50),
)
_ROWS = 4
_LOSS = LossConfig(gripper_weight=1.0)


def check_head(config: HeadConfig) -> None:
    """Try every clause on a head.

    Args:
        config: builds the head, in several shapes.

    Raises:
        AssertionError: a clause does not hold.
    """
    for clause in HEAD_CLAUSES.values():
        clause(config)


def chunks_have_their_shape(config: HeadConfig) -> None:
    """Windows of 1 to 32 frames, chunks of 1 to 50 actions, any latent, any rotation."""
    for shape in _SHAPES:
        head = _build(config, shape)
        with torch.no_grad():
            prediction = head(_embeddings(shape))
        rows = (_ROWS, shape.window_size, shape.chunk_size)
        assert prediction.pose.shape == (*rows, shape.pose_size), f"pose is {list(prediction.pose.shape)}"
        assert prediction.gripper.shape == rows, f"gripper is {list(prediction.gripper.shape)}"


@torch.no_grad()
def streaming_equals_windowed(config: HeadConfig) -> None:
    """Frame by frame a head predicts what it predicts for the window, and past it for the last W frames."""
    head = _build(config)
    embeddings = _embeddings(_SHAPE, frames=3 * _SHAPE.window_size)
    stream = head.init_stream(_ROWS)
    for frame in range(embeddings.shape[1]):
        stream, streamed = head.step(stream, embeddings[:, frame])
        window = head(embeddings[:, max(0, frame + 1 - _SHAPE.window_size) : frame + 1])
        _assert_equal(streamed, _last(window), f"frame {frame}, streamed against windowed")
    whole = head(embeddings[:, : _SHAPE.window_size])
    stream = head.init_stream(_ROWS)
    for frame in range(_SHAPE.window_size):
        stream, streamed = head.step(stream, embeddings[:, frame])
        inner = ChunkPrediction(pose=whole.pose[:, frame], gripper=whole.gripper[:, frame])
        _assert_equal(streamed, inner, f"frame {frame} of one window, streamed against windowed")


@torch.no_grad()
def a_window_of_one_frame_is_a_frame(config: HeadConfig) -> None:
    """Built for windows of one frame, a head reads each of several by itself, as histories without it want it."""
    head = _build(config, replace(_SHAPE, window_size=1))
    embeddings = _embeddings(_SHAPE)
    together = head(embeddings)
    for frame in range(_SHAPE.window_size):
        alone = _last(head(embeddings[:, frame : frame + 1]))
        ours = ChunkPrediction(pose=together.pose[:, frame], gripper=together.gripper[:, frame])
        _assert_equal(ours, alone, f"frame {frame} of several against itself alone")


@torch.no_grad()
def a_step_depends_on_its_stream_alone(config: HeadConfig) -> None:
    """Nothing is kept in hidden attributes: an old stream goes on as if nothing had happened since."""
    head = _build(config)
    embeddings = _embeddings(_SHAPE)
    stream, _ = head.step(head.init_stream(_ROWS), embeddings[:, 0])
    _, first = head.step(stream, embeddings[:, 1])
    head(embeddings)
    head.step(stream, embeddings[:, 2])
    _, again = head.step(stream, embeddings[:, 1])
    _assert_equal(first, again, "the same step before and after other calls", tolerance=0.0)


@torch.no_grad()
def the_future_does_not_matter(config: HeadConfig) -> None:
    """The chunk of a frame is the same whatever follows it in the window."""
    head = _build(config)
    embeddings = _embeddings(_SHAPE)
    changed = embeddings.clone()
    changed[:, -1] += 1.0
    ours, theirs = head(embeddings), head(changed)
    past = slice(0, _SHAPE.window_size - 1)
    _assert_equal(
        ChunkPrediction(pose=ours.pose[:, past], gripper=ours.gripper[:, past]),
        ChunkPrediction(pose=theirs.pose[:, past], gripper=theirs.gripper[:, past]),
        "earlier frames, with another last frame",
    )


@torch.no_grad()
def acting_is_not_random(config: HeadConfig) -> None:
    """Equal frames give equal chunks, and predicting leaves torch's generator where it was."""
    head = _build(config)
    embeddings = _embeddings(_SHAPE)
    state = torch.get_rng_state()
    first, again = head(embeddings), head(embeddings)
    head.step(head.init_stream(_ROWS), embeddings[:, 0])
    _assert_equal(first, again, "two calls in evaluation mode", tolerance=0.0)
    assert torch.equal(state, torch.get_rng_state()), "predicting drew random numbers"


def a_seed_decides(config: HeadConfig) -> None:
    """Under one seed a head has the same weights and the same loss, dropout and noise included."""
    weights = [_build(config).state_dict() for _ in range(2)]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), f"{name} differs between two heads of one seed"
    head = _build(config).train()
    first, again = (_loss(head, _target()).total.item() for _ in range(2))
    assert first == again, f"the loss is {first}, then {again} under one seed"


@torch.no_grad()
def masked_entries_do_not_count(config: HeadConfig) -> None:
    """Neither the loss nor its terms see what stands where the mask is False; an empty mask gives 0."""
    head = _build(config)
    target = _target()
    mask = torch.rand(target.mask.shape) > 0.5
    hidden = ~mask
    changed = ChunkTarget(
        pose=torch.where(hidden.unsqueeze(-1), torch.rand_like(target.pose) * 2.0 - 1.0, target.pose),
        gripper_open=target.gripper_open ^ hidden,
        mask=mask,
    )
    ours = _loss(head, ChunkTarget(pose=target.pose, gripper_open=target.gripper_open, mask=mask))
    theirs = _loss(head, changed)
    for name in ("total", "pose", "gripper"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), atol=TOLERANCE, rtol=0.0)
    empty = ChunkTarget(pose=target.pose, gripper_open=target.gripper_open, mask=torch.zeros_like(mask))
    assert _loss(head, empty).total.item() == 0.0, "a mask that keeps nothing gives a loss"


def gradients_reach_everything(config: HeadConfig) -> None:
    """The loss moves every embedding of the window and every weight; distributed training stalls on idle ones."""
    head = _build(config).train()
    embeddings = _embeddings(_SHAPE).requires_grad_()
    head.loss(embeddings, _target(), _LOSS).total.backward()
    assert embeddings.grad is not None and embeddings.grad.abs().sum((0, 3)).all(), "some embeddings have no gradient"
    idle = [name for name, weight in head.named_parameters() if weight.requires_grad and weight.grad is None]
    assert not idle, f"no gradient for {idle}"


def four_windows_are_learnt(config: HeadConfig) -> None:
    """The loss of four windows falls tenfold in 200 steps of AdamW, and predictions come near the demonstration."""
    head = _build(config)
    embeddings, target = _embeddings(_SHAPE), _target()
    first, first_error = _mean_loss(head, target), _error(head, target)
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=0.0)
    head.train()
    for _ in range(LEARNING_STEPS):
        optimizer.zero_grad()
        head.loss(embeddings, target, _LOSS).total.backward()
        optimizer.step()
    head.eval()
    last, last_error = _mean_loss(head, target), _error(head, target)
    assert last * LEARNING_FACTOR <= first, f"the loss is {first:.4f} at first, {last:.4f} at last"
    assert last_error < 0.5 * first_error, f"predictions are {first_error:.3f} off at first, {last_error:.3f} at last"


def bfloat16_runs(config: HeadConfig) -> None:
    """Under autocast, on embeddings in bfloat16, a head predicts in float32 and its loss has finite gradients."""
    head = _build(config).train()
    embeddings = _embeddings(_SHAPE).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        prediction = head(embeddings)
        loss = head.loss(embeddings, _target(), _LOSS).total
    loss.backward()
    assert prediction.pose.dtype == prediction.gripper.dtype == torch.float32, "predictions are not float32"
    assert loss.isfinite(), f"the loss is {loss.item()}"
    broken = [name for name, weight in head.named_parameters() if not _finite(weight.grad)]
    assert not broken, f"gradients that are not finite: {broken}"


@torch.no_grad()
def saved_weights_and_config_bring_a_head_back(config: HeadConfig) -> None:
    """The config survives JSON, and a head of it with the saved weights predicts the same."""
    settings = json.loads(json.dumps(asdict(config)))
    assert settings.pop("kind") == config.kind
    again = type(config)(**settings)
    assert again == config, f"{config} came back as {again}"
    head, copy = _build(config), _build(again, seed=1)
    copy.load_state_dict(head.state_dict(), strict=True)
    embeddings = _embeddings(_SHAPE)
    _assert_equal(head(embeddings), copy(embeddings), "saved and loaded", tolerance=0.0)


HEAD_CLAUSES: Mapping[str, Callable[[HeadConfig], None]] = {
    clause.__name__: clause
    for clause in (
        chunks_have_their_shape,
        streaming_equals_windowed,
        a_window_of_one_frame_is_a_frame,
        a_step_depends_on_its_stream_alone,
        the_future_does_not_matter,
        acting_is_not_random,
        a_seed_decides,
        masked_entries_do_not_count,
        gradients_reach_everything,
        four_windows_are_learnt,
        bfloat16_runs,
        saved_weights_and_config_bring_a_head_back,
    )
}
"""Every clause by name; each takes the config of a head."""


def _build(config: HeadConfig, shape: HeadShape = _SHAPE, *, seed: int = 0) -> PolicyHead:
    """A head in evaluation mode; the global generator goes on from `seed`, too."""
    torch.manual_seed(seed)
    return config.build(shape).eval()


def _embeddings(shape: HeadShape, *, frames: int | None = None) -> torch.Tensor:
    """`[4, W, n, D]` random embeddings, or as many frames as asked for."""
    generator = torch.Generator().manual_seed(1)
    count = shape.window_size if frames is None else frames
    return torch.randn(_ROWS, count, shape.latent, shape.embedding_size, generator=generator)


def _target() -> ChunkTarget:
    """Random chunks within -1 and 1, all real."""
    generator = torch.Generator().manual_seed(2)
    rows = (_ROWS, _SHAPE.window_size, _SHAPE.chunk_size)
    return ChunkTarget(
        pose=torch.rand(*rows, _SHAPE.pose_size, generator=generator) * 2.0 - 1.0,
        gripper_open=torch.rand(rows, generator=generator) > 0.5,
        mask=torch.ones(rows, dtype=torch.bool),
    )


def _loss(head: PolicyHead, target: ChunkTarget) -> LossTerms:
    """The loss under a fixed seed."""
    torch.manual_seed(3)
    return head.loss(_embeddings(_SHAPE), target, _LOSS)


@torch.no_grad()
def _mean_loss(head: PolicyHead, target: ChunkTarget) -> float:
    """Over eight draws, since a head that draws noise has a noisy loss."""
    return sum(head.loss(_embeddings(_SHAPE), target, _LOSS).total.item() for _ in range(8)) / 8


@torch.no_grad()
def _error(head: PolicyHead, target: ChunkTarget) -> float:
    """Mean absolute error of the poses."""
    return (head(_embeddings(_SHAPE)).pose - target.pose).abs().mean().item()


def _last(window: ChunkPrediction) -> ChunkPrediction:
    return ChunkPrediction(pose=window.pose[:, -1], gripper=window.gripper[:, -1])


def _finite(gradient: torch.Tensor | None) -> bool:
    return gradient is None or bool(gradient.isfinite().all())


def _assert_equal(ours: ChunkPrediction, theirs: ChunkPrediction, what: str, *, tolerance: float = TOLERANCE) -> None:
    for name in ("pose", "gripper"):
        difference = (getattr(ours, name) - getattr(theirs, name)).abs().max().item()
        assert difference <= tolerance, f"{what}: {name} differs by {difference:.2e}; {tolerance:.0e} is allowed"
