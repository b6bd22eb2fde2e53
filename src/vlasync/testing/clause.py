"""What a clause of a contract is: a function that says what it measured, or raises that it does not hold."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vlasync.errors import VlasyncError

TOLERANCE = 1e-5
"""Largest difference of hidden states that should be equal, relative to the largest of them (or to 1)."""


class BrokenClauseError(VlasyncError):
    """A clause of the contract does not hold; the message says what was measured."""


@dataclass(frozen=True, kw_only=True)
class ClauseResult:
    """What came of one clause.

    Attributes:
        clause: its name in the contract.
        passed: whether it holds.
        measured: what was measured, or why it does not hold, in words.
    """

    clause: str
    passed: bool
    measured: str

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'FAIL'}  {self.clause}: {self.measured}"


def difference(got: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, relative to the largest value or to 1."""
    return float((got - expected).abs().max() / expected.abs().max().clamp(min=1.0))


def require_equal(got: torch.Tensor, expected: torch.Tensor) -> str:
    """How equal two tensors are, in words.

    Raises:
        BrokenClauseError: they differ by more than `TOLERANCE`.
    """
    change = difference(got, expected)
    if not change <= TOLERANCE:
        raise BrokenClauseError(f"differ by {change:.1e}")
    return f"within {change:.0e}"
