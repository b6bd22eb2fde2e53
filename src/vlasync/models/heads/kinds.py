"""Policy heads by name: those of vlasync, and those that other packages bring.

A package offers a head as an entry point of the group `vlasync.heads`, in its own pyproject.toml:

    [project.entry-points."vlasync.heads"]
    my-head = "my_package.my_head:MyHeadConfig"

From then on a saved VLA that has this head loads by name alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from vlasync.errors import VlasyncError
from vlasync.models.heads.discrete import DiscreteHeadConfig
from vlasync.models.heads.fc import FCHeadConfig
from vlasync.models.heads.flow import FlowHeadConfig
from vlasync.models.heads.gpt import GPTHeadConfig
from vlasync.models.heads.head import HeadConfig
from vlasync.models.heads.lstm import LSTMHeadConfig

HEADS: Mapping[str, type[HeadConfig]] = {
    "fc": FCHeadConfig,
    "lstm": LSTMHeadConfig,
    "gpt": GPTHeadConfig,
    "discrete": DiscreteHeadConfig,
    "flow": FlowHeadConfig,
}
"""The heads of vlasync: kind -> class of its config."""

ENTRY_POINTS = "vlasync.heads"
"""Group of entry points under which packages offer further heads."""


def head_config(kind: str, **settings: Any) -> HeadConfig:
    """The config of a head by name.

    Args:
        kind: a key of `HEADS`, or the name of an entry point.
        **settings: fields of that config.

    Raises:
        VlasyncError: no head has this name.
        TypeError: the head has no such field.
    """
    if kind in HEADS:
        return HEADS[kind](**settings)
    offered = entry_points(group=ENTRY_POINTS)
    if kind not in offered.names:
        names = sorted({*HEADS, *offered.names})
        raise VlasyncError(f"policy head {kind!r}: there is none of this name, only {', '.join(names)}")
    return offered[kind].load()(**settings)
