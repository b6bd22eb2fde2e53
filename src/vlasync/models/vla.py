"""A VLA: a VLM that reads [LRN] behind its prompt, and a policy head that turns what it read into action chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from vlasync.actions.normalization import Normalizer
from vlasync.errors import SpecMismatchError, VlasyncError
from vlasync.models.chunks import ChunkPrediction, ChunkTarget
from vlasync.models.heads.head import HeadConfig, HeadShape, PolicyHead, Stream
from vlasync.models.heads.lstm import LSTMHeadConfig
from vlasync.models.images import prepare_images
from vlasync.models.layout import PromptLayout
from vlasync.models.losses import LossConfig, LossTerms
from vlasync.models.sequence import ActionTokens
from vlasync.models.state import StateEncoder
from vlasync.models.tuning import Tuning, apply_tuning
from vlasync.models.vlm import VLM, Attention
from vlasync.spec import SyncSpec
from vlasync.types import Batch


@dataclass(frozen=True, kw_only=True)
class VLAConfig:
    """What is added to a VLM, and how it is trained.

    Attributes:
        cameras: image streams in the order of the prompt.
        window_size: W, frames of history that the head reads.
        chunk_size: K, actions predicted for each frame.
        latent: n, action tokens [LRN] per frame.
        use_state: give the robot's state as a token before [LRN].
        image_size: height and width in px of the images, for a VLM that takes any size; see `VLM`.
        shift_px: camera -> largest random shift in training, in pixels of the recorded images; one shift per window.
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
    shift_px: Mapping[str, int] = field(default_factory=lambda: {"static": 10, "gripper": 4})
    head: HeadConfig = field(default_factory=LSTMHeadConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    tuning: Tuning = field(default_factory=Tuning)
    prompt: PromptLayout | None = None


def build_vla(
    name_or_path: str | Path, config: VLAConfig, spec: SyncSpec, *, seed: int = 0, attention: Attention = "eager"
) -> VLA:
    """A pretrained VLM with new action tokens and a new head; equal seeds give equal weights.

    Args:
        name_or_path: Hugging Face name or folder of the VLM.
        config: what is added.
        spec: of the training data, with the normalisation that was fitted on it.
        seed: of the new weights.
        attention: see `VLM.from_pretrained`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vlm = VLM.from_pretrained(name_or_path, attention=attention, image_size=config.image_size)
        return VLA(vlm, config, spec)


class VLA(nn.Module):
    """A vision-language-action model.

    The VLM sees one frame at a time: instruction, images, state and [LRN]. The head sees a window of what was read.

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
        )
        self.head: PolicyHead = config.head.build(
            HeadShape(
                embedding_size=vlm.hidden_size,
                latent=config.latent,
                window_size=config.window_size,
                chunk_size=config.chunk_size,
                pose_size=spec.action_size - 1,
            )
        )
        self.spec = spec.replace(image_transform=vlm.image_transform, tokens=self.tokens.layout)

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
        frames_per_shift: int = 1,
    ) -> torch.Tensor:
        """Action embeddings of single frames.

        Args:
            images: camera name -> `[N, 3, H, W']` uint8.
            state: `[N, S]` float32.
            sentences: N instructions.
            frames_per_shift: consecutive frames that share a random shift (in training mode).

        Returns:
            `[N, n, D]` hidden states of the VLM at [LRN].
        """
        tokens = self.tokens.assemble(sentences, state.device)
        pixels = torch.stack(
            [self._pixels(images[name], name, frames_per_shift) for name in self.config.cameras], dim=1
        )
        with self.tokens.inserted(self.tokens.values(state)):
            hidden = self.vlm(tokens.fields, tokens.attention_mask, pixels)  # [N, L, D]
        return hidden.gather(1, tokens.read.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))

    def embed_windows(self, batch: Batch) -> torch.Tensor:
        """Action embeddings `[B, W, n, D]` of every frame of B windows."""
        rows, window = batch.state.shape[:2]
        embeddings = self.embed(
            {name: batch.images[name].flatten(0, 1) for name in self.config.cameras},
            batch.state.flatten(0, 1),
            [sentence for sentence in batch.sentences for _ in range(window)],
            frames_per_shift=window,
        )
        return embeddings.unflatten(0, (rows, window))

    def forward(self, batch: Batch) -> ChunkPrediction:
        """Chunks for every frame of B windows: pose `[B, W, K, P]`, gripper `[B, W, K]`."""
        return self.head(self.embed_windows(batch))

    def loss(self, batch: Batch) -> LossTerms:
        """The head's loss on B windows."""
        return self.head.loss(self.embed_windows(batch), self.target(batch), self.config.loss)

    def target(self, batch: Batch) -> ChunkTarget:
        """The demonstrated chunks of B windows, normalised: pose `[B, W, K, P]`, gripper and mask `[B, W, K]`."""
        return ChunkTarget(
            pose=self._normalizer.encode(batch.actions)[..., :-1],
            gripper_open=batch.actions[..., -1] == self.spec.gripper_open,
            mask=batch.chunk_mask,
        )

    def init_stream(self, batch: int) -> Stream:
        """An empty history for `batch` rollouts."""
        return self.head.init_stream(batch)

    def step(
        self, stream: Stream, images: Mapping[str, torch.Tensor], state: torch.Tensor, sentences: Sequence[str]
    ) -> tuple[Stream, ChunkPrediction]:
        """Take in the next frame of B rollouts, given as for `embed`; pose `[B, K, P]`, gripper `[B, K]`."""
        return self.head.step(stream, self.embed(images, state, sentences))

    def decode(self, prediction: ChunkPrediction) -> torch.Tensor:
        """Actions `[..., K, P + 1]` in the representation of `spec`; the gripper is one of its two commands."""
        logits = prediction.gripper.unsqueeze(-1)
        actions = self._normalizer.decode(torch.cat([prediction.pose, logits], dim=-1))
        command = torch.where(logits > 0, self.spec.gripper_open, self.spec.gripper_closed).to(actions.dtype)
        return torch.cat([actions[..., :-1], command], dim=-1)

    def _pixels(self, images: torch.Tensor, camera: str, frames_per_shift: int) -> torch.Tensor:
        return prepare_images(
            images,
            self.vlm.image_transform,
            shift_px=self.config.shift_px.get(camera, 0) if self.training else 0,
            frames_per_shift=frames_per_shift,
        )


def _require_cameras(config: VLAConfig, spec: SyncSpec) -> None:
    if missing := [name for name in config.cameras if name not in spec.cameras] or not config.cameras:
        raise VlasyncError(f"VLA: cameras {missing or '()'} are asked for; the data has {sorted(spec.cameras)}")
