"""A trained VLA that acts: one observation in, one action out, with the history kept in explicit state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from vlasync.errors import VlasyncError
from vlasync.models.chunks import ChunkPrediction
from vlasync.models.compute import BY_DEVICE, Compute
from vlasync.models.folder import load_vla
from vlasync.models.heads.head import Stream
from vlasync.models.kernels import halve_weights, has_half_weights, set_up
from vlasync.models.vla import VLA
from vlasync.runs import latest_checkpoint
from vlasync.spec import SyncSpec
from vlasync.types import ActionChunk, Observation


class Policy:
    """`reset` with an instruction, then `act` once per control step.

    The VLA's own preprocessing runs on the raw pixels, exactly as in training, and the streaming state of the VLA
    holds the last frames, so that acting frame by frame gives what the training window gave.
    """

    def __init__(self, vla: VLA, *, device: torch.device | str = "cpu") -> None:
        self.vla = vla.to(device).eval()
        self.device = torch.device(device)
        self._half = has_half_weights(vla.vlm)
        self._instruction: str | None = None
        self._stream = vla.init_stream(1)

    @classmethod
    def load(
        cls,
        run_dir: Path | str,
        *,
        device: torch.device | str | None = None,
        compute: Compute = BY_DEVICE,
        half: bool = False,
    ) -> Self:
        """The policy of a run folder (its newest checkpoint) or of one checkpoint folder.

        Args:
            run_dir: a folder written by training, or one of its `checkpoints/<step>` folders.
            device: where to run; a GPU if there is one by default.
            compute: how the VLM is computed.
            half: keep the VLM's weights in bfloat16, see `halve_weights`.

        Raises:
            CheckpointError: nothing there, or it does not fit.
        """
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        vla = load_vla(latest_checkpoint(Path(run_dir)))
        set_up(vla.vlm, compute, torch.device(device), half=half)
        if half:
            halve_weights(vla.vlm)
        return cls(vla, device=device)

    @property
    def spec(self) -> SyncSpec:
        """What the numbers of the observations and actions mean."""
        return self.vla.spec

    @property
    def memory(self) -> int:
        """Frames that a prediction looks back on, its own included; where it is 1, frames may be left out."""
        return self.vla.config.window_size if self.vla.config.history == "interleaved" else self.vla.head.history

    def reset(self, instruction: str) -> None:
        """Begin a new task: forget the history and follow `instruction` from now on."""
        if not instruction.strip():
            raise VlasyncError("the instruction is empty; give the policy a sentence such as 'open the drawer'")
        self._instruction = instruction
        self._stream = self.vla.init_stream(1)

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action for this control step, `[n]` in the representation of `spec`; advances the history."""
        return self.predict(observation).actions[0]

    @torch.inference_mode()
    def predict(self, observation: Observation) -> ActionChunk:
        """The whole chunk `[K, n]` intended from this frame on; advances the history."""
        with self._arithmetic():
            self._stream, prediction = self.vla.step(
                self._stream, self._images(observation), self._state(observation), [self._following()]
            )
        return self._chunk(prediction)

    @classmethod
    @torch.inference_mode()
    def predict_together(
        cls, policies: Sequence[Policy], observations: Sequence[Observation], *, rows: int, filler: str
    ) -> list[ActionChunk]:
        """`predict` for rollouts of one VLA, each with its own instruction and history, in one batch.

        A row of a batch depends on the batch's shape in its last bits, and on nothing in the other rows. So the shape
        is always the same: missing rows are filled, and one more than `rows` always says `filler`, to which every
        prompt is padded. Who shares a batch with whom then changes no bit.

        Args:
            policies: at most `rows`, which share their VLA.
            observations: one for each.
            rows: predictions in a full batch.
            filler: the instruction of the most tokens that any batch will have.

        Returns:
            A chunk for each.
        """
        vla = policies[0].vla
        if vla.config.history == "interleaved":  # sequences of all lengths, which no batch of one shape can hold
            return [policy.predict(seen) for policy, seen in zip(policies, observations, strict=True)]
        if not len(policies) == len(observations) <= rows or any(policy.vla is not vla for policy in policies):
            raise ValueError(f"{len(policies)} policies, {len(observations)} observations, a batch of {rows}")
        missing = rows + 1 - len(policies)
        images = [policy._images(seen) for policy, seen in zip(policies, observations, strict=True)]
        images += images[:1] * missing
        states = [policy._state(seen) for policy, seen in zip(policies, observations, strict=True)]
        states += states[:1] * missing
        sentences = [policy._following() for policy in policies] + [filler] * missing
        batch = {name: torch.cat([image[name] for image in images]) for name in images[0]}
        with policies[0]._arithmetic():
            embeddings = vla.embed(batch, torch.cat(states), sentences)
        chunks = []
        for policy, embedding in zip(policies, embeddings, strict=False):
            assert isinstance(policy._stream, Stream), "a history that is not interleaved is the policy head's"
            policy._stream, prediction = vla.head.step(policy._stream, embedding[None])
            chunks.append(policy._chunk(prediction))
        return chunks

    def _arithmetic(self) -> torch.autocast:
        """Products in bfloat16, where the VLM's weights are."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._half)

    def _following(self) -> str:
        """The instruction."""
        if self._instruction is None:
            raise VlasyncError("the policy has no instruction yet; call reset(instruction) before act(observation)")
        return self._instruction

    def _chunk(self, prediction: ChunkPrediction) -> ActionChunk:
        """What was predicted for one rollout, in the numbers of `spec`."""
        return ActionChunk(actions=self.vla.decode(prediction)[0].double().cpu().numpy(), spec=self.spec)

    def _images(self, observation: Observation) -> dict[str, torch.Tensor]:
        """Camera name -> `[1, 3, H, W']` uint8, checked against the spec that the policy was trained on."""
        images = {}
        for name, camera in self.spec.cameras.items():
            expected = (camera.height, camera.width, 3)
            image = observation.images.get(name)
            if image is None or image.shape != expected or image.dtype != np.uint8:
                got = "nothing" if image is None else f"{image.dtype} {image.shape}"
                raise VlasyncError(f"observation.images[{name!r}]: got {got}, the policy expects uint8 {expected}")
            images[name] = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].to(self.device)
        return images

    def _state(self, observation: Observation) -> torch.Tensor:
        """`[1, S]` float32."""
        state = np.asarray(observation.state)
        if state.shape != (self.spec.state_size,) or not np.isfinite(state).all():
            raise VlasyncError(
                f"observation.state: got shape {state.shape}, finite: {bool(np.isfinite(state).all())}; "
                f"the policy expects {self.spec.state_size} finite numbers"
            )
        return torch.from_numpy(state).float()[None].to(self.device)
