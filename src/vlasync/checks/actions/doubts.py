"""What most episodes say of their actions, where a single one does not tell: one recorder made them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from vlasync.checks.actions.diagnosis import Finding
from vlasync.checks.findings import Findings, Problem

MOST = 0.75
"""Share of the episodes in doubt whose explanation holds for the others too."""


@dataclass
class _Alike:
    """Episodes in doubt that were explained by the same codes: their number, all that was found, the first of each."""

    count: int = 0
    findings: Findings = field(default_factory=Findings)
    first: Findings = field(default_factory=Findings)


class Doubts:
    """Explanations of episodes that are only likelier than others, judged once all have been looked at.

    An arm that hardly travels shows neither the lead of commands nor the offsets of a normalisation. Where most of such
    episodes are explained in one way, the few others are what they are.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[str, ...], _Alike] = {}

    def add(self, found: Sequence[Finding]) -> None:
        """Take in the findings on one episode."""
        group = self._groups.setdefault(tuple(sorted({one.verdict.code for one in found})), _Alike())
        group.count += 1
        for one in found:
            note(group.findings, one)
        note(group.first, found[0])

    def merge(self, later: Self) -> None:
        """Take in the doubts about later episodes."""
        for codes, theirs in later._groups.items():
            group = self._groups.setdefault(codes, _Alike())
            group.count += theirs.count
            group.findings.merge(theirs.findings)
            group.first.merge(theirs.first)

    def problems(self) -> list[Problem]:
        """What was found, the explanation of most episodes in the place of all others where there is one."""
        if not self._groups:
            return []
        usual, *others = sorted(self._groups.values(), key=lambda group: -group.count)
        agreed = usual.count >= MOST * sum(group.count for group in self._groups.values())
        found = Findings()
        found.merge(usual.findings)
        for group in others:
            if agreed:
                found.absorb(group.first)
            else:
                found.merge(group.findings)
        return found.problems()


def note(findings: Findings, found: Finding) -> None:
    """Add what was found on an episode, or on some of its frames."""
    findings.add(
        found.verdict.code,
        found.where,
        found.verdict.message,
        found.verdict.advice,
        confidence=found.confidence,
        evidence=found.evidence,
    )
