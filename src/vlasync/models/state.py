"""The robot's state as one token: features that a network can read, then a small MLP to the VLM's width."""

from __future__ import annotations

import torch
from torch import nn

from vlasync.errors import VlasyncError
from vlasync.spec import StateSlice, SyncSpec

# Joint angles say again what the TCP pose says, so they stay out.
_SLICES = ("tcp_position", "tcp_euler", "tcp_quat_xyzw", "gripper_width", "gripper_opening", "gripper_command")

# A table-top workspace spans about a metre: in decimetres its numbers are of order one, as sines and commands are.
_PER_METRE = 10.0


class StateEncoder(nn.Module):
    """`[N, S]` state -> `[N, D]` embedding of the state token."""

    def __init__(self, spec: SyncSpec, hidden_size: int) -> None:
        """Read the slices that the spec's state has of TCP pose, gripper and last gripper command.

        Raises:
            VlasyncError: the state has none of them.
        """
        super().__init__()
        self._parts: tuple[StateSlice, ...] = tuple(part for part in spec.state_layout if part.name in _SLICES)
        if not self._parts:
            names = [part.name for part in spec.state_layout]
            raise VlasyncError(f"use_state needs one of the state slices {list(_SLICES)}; state_layout has {names}")
        size = self.features(torch.zeros(1, spec.state_size)).shape[-1]
        self.mlp = nn.Sequential(nn.Linear(size, hidden_size), nn.GELU(), nn.Linear(hidden_size, hidden_size))

    def features(self, state: torch.Tensor) -> torch.Tensor:
        """`[..., S]` -> `[..., F]`: lengths in decimetres, angles as sine and cosine, the rest unchanged.

        An angle itself would jump at +-pi, where CALVIN's roll lives.
        """
        return torch.cat([_encode(state[..., part.start : part.stop], part.unit) for part in self._parts], dim=-1)

    def forward(self, state: torch.Tensor) -> torch.Tensor:
        """`[N, S]` -> `[N, D]`."""
        return self.mlp(self.features(state))


def _encode(values: torch.Tensor, unit: str) -> torch.Tensor:
    if unit == "rad":
        return torch.cat([values.sin(), values.cos()], dim=-1)
    return values * _PER_METRE if unit == "m" else values
