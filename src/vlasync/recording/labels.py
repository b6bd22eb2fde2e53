"""Language labels for long recordings, found by the task conditions alone, as CALVIN's annotator finds them.

A label ends with the action that achieves a task, and reaches back to the previous achievement, but no further than a
window, which is 64 frames with CALVIN. Nothing is asked of whoever acted: a task that was achieved by the way is
labelled, too. Where one action achieves several tasks at once it stays unclear what was meant, and there is no label;
nor is there one for what does not last, such as a block that touches the cabinet's floor while it falls past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlasync.envs.playtable.tasks import Snapshot, achieved

WINDOW = 64
"""Most frames under one label of CALVIN's."""

MIN_LABEL = 8
"""Fewer frames carry no label: they show the end of a movement and not what it is for."""


LASTING = 2
"""So many frames later the task must still be achieved; the next label begins there."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """A task and the frames in which it was done, `first..last`, both inclusive."""

    first: int
    last: int
    task: str


def find_labels(snapshots: Sequence[Snapshot], *, window: int = WINDOW) -> list[Label]:
    """The tasks that were achieved in a recording of N actions.

    Args:
        snapshots: N + 1, before each action and after the last.
        window: most frames under one label.

    Returns:
        Labels in the order of their ends; they do not overlap.
    """
    labels: list[Label] = []
    begin = 0
    for end in range(1, len(snapshots)):
        if end <= begin:
            continue
        first = max(begin, end - window)
        start, later = snapshots[first], snapshots[min(end + LASTING, len(snapshots) - 1)]
        done = achieved(start, snapshots[end]) - achieved(start, snapshots[end - 1])
        if done:
            done &= achieved(start, later)
        if not done:
            continue
        if len(done) == 1 and end - first >= MIN_LABEL:
            labels.append(Label(first=first, last=end - 1, task=done.pop()))
        begin = end + LASTING
    return labels
