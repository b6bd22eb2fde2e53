"""Actions as text tokens: every number in one of `bins` bins, every bin an id at the end of a tokenizer's vocabulary.

The rarest tokens of a byte-pair vocabulary stand at its end, so a VLM loses least when they come to mean numbers.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from vlasync.errors import VlasyncError

Array = TypeVar("Array", NDArray[Any], torch.Tensor)

RESERVED_IDS = 10
"""Ids left free between the bins and the special tokens, as RoboVLMs leaves them, so that ids agree with its models."""


class ActionTokenizer:
    """Normalised actions as ids of a VLM's vocabulary, and back to the centres of their bins.

    `bins` edges cut `low..high` into `bins - 1` equal bins. A number's digit is how many edges are not above it, from 1
    at `low` to `bins` at `high`, and its id is `stop - digit`: larger numbers have smaller ids. Only `high` itself has
    the digit `bins`; its id and the next decode to the same centre, so that none is further than half a bin off.

    Attributes:
        ids: the ids that mean a bin, `range(stop - bins, stop)` with `stop = vocab_size - num_special_tokens - 10`.
        edges: `[bins]` edges in ascending order.
    """

    def __init__(
        self, vocab_size: int, num_special_tokens: int, bins: int = 256, low: float = -1.0, high: float = 1.0
    ) -> None:
        """Lay the bins onto a vocabulary.

        Args:
            vocab_size: number of ids of the tokenizer, added tokens included (`len(tokenizer)`).
            num_special_tokens: special tokens at the end of the vocabulary.
            bins: number of edges and of ids.
            low: lower end of the numbers; smaller ones are clipped to it.
            high: upper end.

        Raises:
            VlasyncError: fewer than two bins, no span, or a vocabulary that is too small.
        """
        stop = vocab_size - num_special_tokens - RESERVED_IDS
        if bins < 2 or num_special_tokens < 0 or stop < bins:
            raise VlasyncError(
                f"action tokens: {bins} bins do not fit a vocabulary of {vocab_size} with {num_special_tokens} special "
                f"tokens and {RESERVED_IDS} reserved; at least 2 and at most {max(stop, 0)} do"
            )
        if not -np.inf < low < high < np.inf:
            raise VlasyncError(f"action tokens: bounds are {low} and {high}; give finite low < high")
        self.ids = range(stop - bins, stop)
        self.edges: NDArray[np.float64] = np.linspace(low, high, bins)
        # The digit `bins` has no bin of its own: it shares the last one.
        centres = (self.edges[:-1] + self.edges[1:]) / 2
        self._centre_of_id = np.append(centres, centres[-1])[::-1].copy()

    def encode(self, actions: Array) -> Array:
        """The int64 ids `[...]` of numbers `[...]`, of the same library and device.

        Numbers are compared with the edges in float64, so that equal numbers have equal ids in every precision.

        Raises:
            VlasyncError: some numbers are NaN.
        """
        if isinstance(actions, torch.Tensor):
            values = actions.detach().double()
            edges = torch.as_tensor(self.edges, device=values.device)
            digits: Any = torch.bucketize(values.clip(edges[0], edges[-1]), edges, right=True)
            missing = bool(values.isnan().any())
        else:
            values = np.asarray(actions, np.float64)
            digits = np.digitize(values.clip(self.edges[0], self.edges[-1]), self.edges)
            missing = bool(np.isnan(values).any())
        if missing:
            raise VlasyncError("action tokens: some actions are NaN; `vlasync check` names the frames")
        return self.ids.stop - digits

    def decode(self, ids: Array) -> Array:
        """The centres `[...]` of the bins of integer ids `[...]`: float64 in numpy, the default precision in torch.

        Raises:
            VlasyncError: an id that means no bin, or ids that are not integers.
        """
        if isinstance(ids, torch.Tensor):
            self._require_ids(ids.detach().cpu().numpy())
            centres = torch.as_tensor(self._centre_of_id, dtype=torch.get_default_dtype(), device=ids.device)
            return centres[ids.long() - self.ids.start]
        self._require_ids(np.asarray(ids))
        return self._centre_of_id[ids.astype(np.int64) - self.ids.start]

    def _require_ids(self, ids: NDArray[Any]) -> None:
        if ids.dtype.kind not in "iu":
            raise VlasyncError(f"action tokens: ids are {ids.dtype}, expected integers")
        wrong = ids[(ids < self.ids.start) | (ids >= self.ids.stop)]
        if len(wrong):
            raise VlasyncError(
                f"action tokens: {len(wrong)} of {ids.size} ids mean no bin, the first is {wrong[0]}; bins have the "
                f"ids {self.ids[0]} to {self.ids[-1]}: let the model choose among these only"
            )
