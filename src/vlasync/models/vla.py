"""A VLA: a VLM that reads [LRN] behind its prompt, and a policy head that turns what it read into action chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn
from torch.profiler import record_function

from vlasync.actions.normalization import Normalizer
from vlasync.errors import SpecMismatchError, VlasyncError
from vlasync.models.augmentation import NO_JITTER, ColorJitter
from vlasync.models.chunks import ChunkPrediction, ChunkTarget
from vlasync.models.heads.head import HeadConfig, HeadShape, PolicyHead, Stream
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.history import FrameStream, History, no_frames, read_next, require_order
from vlasync.models.images import PIL_BACKEND, prepare_images
from vlasync.models.layout import PromptLayout
from vlasync.models.losses import LossConfig, LossTerms
from vlasync.models.sequence import ActionTokens, Readout
from vlasync.models.state import StateEncoder
from vlasync.models.tuning import Tuning, apply_tuning
from vlasync.models.vlm import VLM
from vlasync.spec import ImageTransform, SyncSpec
from vlasync.types import Batch

MARKS = {f"vlasync/{part}": part for part in ("images", "head", "decode")}
"""Names under which a profiler finds parts of a VLA's work, and what they are."""
_IMAGES, _HEAD, _DECODE = MARKS


@dataclass(frozen=True, kw_only=True)
class VLAConfig:
    """What is added to a VLM, and how it is trained.

    Attributes:
        cameras: image streams in the order of the prompt.
        window_size: W, frames of history.
        chunk_size: K, actions predicted for each frame.
        latent: n, action embeddings per frame, each read at an action token [LRN] as a rule.
        use_state: give the robot's state as a token before [LRN].
        image_size: height and width in px of the images, for a VLM that takes any size; see `VLM`.
        cut_mix: camera -> share of the windows of a batch whose images, in training, show in a rectangle what those of
            another window show there.
        shift_px: camera -> largest random shift in training, in pixels of the recorded images; one shift per window.
        color_jitter: how far colours change at random in training, camera by camera; one change per window.
        history: who looks back on the window; see `History`.
        readout: what becomes the action embeddings of a frame; see `Readout`.
        head: which policy head, and its size.
        loss: terms of the loss.
        tuning: what trains.
        prompt: a prompt of another order; None is the VLM's own.
    """

    cameras: tuple[str, ...] = ("static", "gripper")
    window_size: int = 8
    chunk_size: int = 10
    latent: int = 1
    use_state: bool = True
    image_size: tuple[int, int] | None = None
    cut_mix: Mapping[str, float] = field(default_factory=dict)
    shift_px: Mapping[str, int] = field(default_factory=lambda: {"static": 10, "gripper": 4})
    color_jitter: ColorJitter = NO_JITTER
    history: History = "policy_head"
    readout: Readout = "lrn"
    head: HeadConfig = field(default_factory=LSTMHeadConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    tuning: Tuning = field(default_factory=Tuning)
    prompt: PromptLayout | None = None

    def __post_init__(self) -> None:
        for camera, share in self.cut_mix.items():
            if camera not in self.cameras:
                raise VlasyncError(f"cut_mix: no camera {camera!r} among {', '.join(self.cameras)}, which the VLA sees")
            if not 0 <= share <= 1:
                raise VlasyncError(f"cut_mix: share of {camera!r} is {share}; expected 0 to 1")


def build_vla(name_or_path: str | Path, config: VLAConfig, spec: SyncSpec, *, seed: int = 0) -> VLA:
    """A pretrained VLM with new action tokens and a new head; equal seeds give equal weights.

    Args:
        name_or_path: Hugging Face name or folder of the VLM.
        config: what is added.
        spec: of the training data, with the normalisation that was fitted on it.
        seed: of the new weights.

    Raises:
        VlasyncError: the VLM cannot carry the history that is asked for.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vlm = VLM.from_pretrained(name_or_path, image_size=config.image_size)
        vla = VLA(vlm, config, spec)
    if config.history == "interleaved":
        require_order(vlm, vla.tokens, num_images=len(config.cameras), state_size=spec.state_size)
    return vla


class VLA(nn.Module):
    """A vision-language-action model.

    The VLM sees one frame at a time: instruction, images, state and [LRN]. The head sees a window of what was read.
    Where history is interleaved, the VLM sees the window and the head one frame at a time.

    Attributes:
        vlm: the VLM.
        tokens: [LRN] and the state token.
        head: the policy head.
        config: what was added to the VLM.
        spec: what images, state and actions mean, with `image_transform` and `tokens` decided.
    """

    def __init__(self, vlm: VLM, config: VLAConfig, spec: SyncSpec) -> None:
        """Put a VLA together; adds the action tokens to the VLM's tokenizer and sets what trains.

        Raises:
            VlasyncError: the data lacks a camera, or has no normalisation.
            SpecMismatchError: the normalisation was fitted on actions of another representation.
        """
        super().__init__()
        _require_cameras(config, spec)
        if spec.normalization is None:
            raise SpecMismatchError("VLA: the SyncSpec has no normalization; fit one with Normalizer.fit")
        self._normalizer = Normalizer(spec.normalization)
        self._normalizer.require_fits(spec, where="VLA")
        apply_tuning(vlm, config.tuning)
        self.config = config
        self.vlm = vlm
        self.tokens = ActionTokens(
            vlm,
            latent=config.latent,
            num_images=len(config.cameras),
            state=StateEncoder(spec, vlm.hidden_size) if config.use_state else None,
            prompt=config.prompt,
            interleaved=config.history == "interleaved",
            readout=config.readout,
        )
        self.head: PolicyHead = config.head.build(
            HeadShape(
                embedding_size=vlm.hidden_size,
                latent=config.latent,
                window_size=config.window_size if config.history == "policy_head" else 1,
                chunk_size=config.chunk_size,
                pose_size=spec.action_size - 1,
            )
        )
        self._image_transform = _image_transform(vlm, spec)
        self.spec = spec.replace(image_transform=self._image_transform, tokens=self.tokens.layout)

    def train(self, mode: bool = True) -> VLA:
        """As `nn.Module.train`; a frozen VLM stays in evaluation mode, without dropout."""
        super().train(mode)
        if self.config.tuning.mode == "frozen":
            self.vlm.eval()
        return self

    def embed(
        self,
        images: Mapping[str, torch.Tensor],
        state: torch.Tensor,
        sentences: Sequence[str],
        *,
        frames_per_draw: int = 1,
    ) -> torch.Tensor:
        """Action embeddings of the frames that stand in N rows, T in each; T is 1 unless history is interleaved.

        Args:
            images: camera name -> `[N * T, 3, H, W']` uint8.
            state: `[N * T, S]` float32.
            sentences: N instructions.
            frames_per_draw: consecutive frames whose images change alike (in training mode).

        Returns:
            `[N * T, n, D]` hidden states of the VLM at [LRN], or pooled.
        """
        return self.tokens.embed(sentences, self._pixels(images, frames_per_draw), state)

    def embed_windows(
        self, images: Mapping[str, torch.Tensor], state: torch.Tensor, sentences: Sequence[str]
    ) -> torch.Tensor:
        """Action embeddings of every frame of B windows.

        Args:
            images: camera name -> `[B, W, 3, H, W']` uint8.
            state: `[B, W, S]` float32.
            sentences: B instructions.

        Returns:
            `[B, W, n, D]`.
        """
        rows, window = state.shape[:2]
        per_row = 1 if self.config.history == "interleaved" else window
        embeddings = self.embed(
            {name: images[name].flatten(0, 1) for name in self.config.cameras},
            state.flatten(0, 1),
            [sentence for sentence in sentences for _ in range(per_row)],
            frames_per_draw=window,
        )
        return embeddings.unflatten(0, (rows, window))

    def forward(self, batch: Batch) -> ChunkPrediction:
        """Chunks for every frame of B windows: pose `[B, W, K, P]`, gripper `[B, W, K]`."""
        embeddings = self._embed(batch)
        with record_function(_HEAD):
            return self.head(embeddings)

    def loss(self, batch: Batch) -> LossTerms:
        """The head's loss on B windows."""
        embeddings = self._embed(batch)
        with record_function(_HEAD):
            return self.head.loss(embeddings, self.target(batch), self.config.loss)

    def target(self, batch: Batch) -> ChunkTarget:
        """The demonstrated chunks of B windows, normalised: pose `[B, W, K, P]`, gripper and mask `[B, W, K]`."""
        return ChunkTarget(
            pose=self._normalizer.encode(batch.actions)[..., :-1],
            gripper_open=batch.actions[..., -1] == self.spec.gripper_open,
            mask=batch.chunk_mask,
        )

    def init_stream(self, batch: int) -> Stream | FrameStream:
        """An empty history for `batch` rollouts."""
        if self.config.history != "interleaved":
            return self.head.init_stream(batch)
        return no_frames(self.vlm, batch, num_images=len(self.config.cameras), state_size=self.spec.state_size)

    def step(
        self,
        stream: Stream | FrameStream,
        images: Mapping[str, torch.Tensor],
        state: torch.Tensor,
        sentences: Sequence[str],
    ) -> tuple[Stream | FrameStream, ChunkPrediction]:
        """Take in the next frame of B rollouts, given as for `embed`; pose `[B, K, P]`, gripper `[B, K]`."""
        if isinstance(stream, Stream):
            embedding = self.embed(images, state, sentences)
            with record_function(_HEAD):
                return self.head.step(stream, embedding)
        pixels = self._pixels(images, 1)
        frames, embedding = read_next(
            self.vlm, self.tokens, stream, pixels, state, sentences, window_size=self.config.window_size
        )
        with record_function(_HEAD):
            _, prediction = self.head.step(self.head.init_stream(len(state)), embedding)
        return frames, prediction

    def decode(self, prediction: ChunkPrediction) -> torch.Tensor:
        """Actions `[..., K, P + 1]` in the representation of `spec`; the gripper is one of its two commands."""
        with record_function(_DECODE):
            logits = prediction.gripper.unsqueeze(-1)
            actions = self._normalizer.decode(torch.cat([prediction.pose, logits], dim=-1))
            command = torch.where(logits > 0, self.spec.gripper_open, self.spec.gripper_closed).to(actions.dtype)
            return torch.cat([actions[..., :-1], command], dim=-1)

    def _embed(self, batch: Batch) -> torch.Tensor:
        return self.embed_windows(batch.images, batch.state, batch.sentences)

    def _pixels(self, images: Mapping[str, torch.Tensor], frames_per_draw: int) -> torch.Tensor:
        """`[N, I, 3, h, w]` as the VLM wants them, cameras in the order of the prompt; arguments as for `embed`."""
        with record_function(_IMAGES):
            prepared = [
                prepare_images(
                    images[name],
                    self._image_transform,
                    cut_mix_share=self.config.cut_mix.get(name, 0.0) if self.training else 0.0,
                    shift_px=self.config.shift_px.get(name, 0) if self.training else 0,
                    color_jitter=self.config.color_jitter if self.training else NO_JITTER,
                    frames_per_draw=frames_per_draw,
                )
                for name in self.config.cameras
            ]
            return torch.stack(prepared, dim=1)


def _image_transform(vlm: VLM, spec: SyncSpec) -> ImageTransform:
    """What the VLM expects; resized by PIL where the spec has decided so."""
    decided = spec.image_transform
    if decided is None or decided.backend != PIL_BACKEND:
        return vlm.image_transform
    return replace(vlm.image_transform, backend=PIL_BACKEND)


def _require_cameras(config: VLAConfig, spec: SyncSpec) -> None:
    if missing := [name for name in config.cameras if name not in spec.cameras] or not config.cameras:
        raise VlasyncError(
            f"VLA: cameras {missing or '()'} are asked for; the data has {sorted(spec.cameras)}, see `--cameras`"
        )
