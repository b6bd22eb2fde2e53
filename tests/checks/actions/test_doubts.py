"""Episodes that do not tell by themselves are what most others are, and no more than that."""

import pytest

from vlasync.checks.actions.diagnosis import Finding
from vlasync.checks.actions.doubts import Doubts
from vlasync.checks.actions.verdicts import Verdict


def finding(code: str, where: str, message: str = "wrong") -> Finding:
    verdict = Verdict(code=code, message=message, advice="mend it")
    return Finding(verdict=verdict, where=where, confidence=0.8, evidence=None)


def doubts(commanded: int, scaled: int) -> Doubts:
    """Commands, all reached 2 frames later but one; and two findings for each episode with another scale."""
    found = Doubts()
    for number in range(commanded):
        found.add([finding("action-commanded", f"c{number}", "3 later" if number == 1 else "2 later")])
    for number in range(scaled):
        found.add([finding("action-scale", f"s{number}", part) for part in ("position", "rotation")])
    return found


@pytest.mark.parametrize(
    ("commanded", "scaled", "told"),
    [
        (0, 0, {}),
        (0, 1, {("action-scale", "position"): 1, ("action-scale", "rotation"): 1}),
        (6, 2, {("action-commanded", "2 later"): 7, ("action-commanded", "3 later"): 1}),
        (
            3,
            2,
            {
                ("action-commanded", "2 later"): 2,
                ("action-commanded", "3 later"): 1,
                ("action-scale", "position"): 2,
                ("action-scale", "rotation"): 2,
            },
        ),
    ],
)
def test_the_others_are_explained_as_most_are(commanded: int, scaled: int, told: dict[tuple[str, str], int]) -> None:
    found = doubts(commanded, scaled)
    for _ in range(2):  # asking changes nothing
        assert {(problem.code, problem.message): problem.count for problem in found.problems()} == told


def test_parts_merge_to_the_whole() -> None:
    first, rest = doubts(4, 0), doubts(0, 1)
    first.merge(rest)
    assert [(problem.where, problem.count) for problem in first.problems()] == [
        ("c0; c2; c3; and 1 more", 4),
        ("c1", 1),
    ]
