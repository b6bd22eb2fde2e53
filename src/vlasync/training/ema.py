"""An exponential moving average of the weights: the policy that acts is the average, not the last step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from vlasync.training.parallel import local_part


class WeightAverage:
    """`average <- decay * average + (1 - decay) * weights` after each step, over the parameters that train.

    The decay grows as `min(decay, (1 + n) / (10 + n))` with the number of updates n, so that the random start is
    forgotten soon (the schedule of TensorFlow's ExponentialMovingAverage). Of weights that processes share, each
    averages its own part.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.parameters = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self.average = {name: value.detach().clone() for name, value in self.parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, weights = ([local_part(one) for one in part.values()] for part in (self.average, self.parameters))
        torch._foreach_lerp_(averages, weights, 1.0 - decay)

    @contextmanager
    @torch.no_grad()
    def applied(self) -> Iterator[None]:
        """Within the block the model holds the average; afterwards its own weights again."""
        own = {name: value.detach().clone() for name, value in self.parameters.items()}
        try:
            for name, value in self.parameters.items():
                value.copy_(self.average[name])
            yield
        finally:
            for name, value in self.parameters.items():
                value.copy_(own[name])
