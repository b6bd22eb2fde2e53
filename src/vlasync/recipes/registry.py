"""Recipes by name: the functions that return a full config."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace

from vlasync.actions.representations import Representation
from vlasync.errors import VlasyncError
from vlasync.models.heads.kinds import head_config
from vlasync.recipes import demo, reference
from vlasync.training.run import RunConfig

RECIPES: dict[str, Callable[[], RunConfig]] = {
    "demo": demo.demo,
    "kosmos2-lstm": reference.kosmos2_lstm,
    "tiny-kosmos2-lstm": reference.tiny_kosmos2_lstm,
    "tiny-paligemma-lstm": reference.tiny_paligemma_lstm,
    "tiny-smolvlm-lstm": reference.tiny_smolvlm_lstm,
}


def get_recipe(name: str) -> RunConfig:
    """The config of a recipe; an unknown name is an error that suggests the nearest one."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise VlasyncError(f"unknown recipe {name!r}; {hint}recipes are {', '.join(RECIPES)}")
    return RECIPES[name]()


def with_overrides(
    config: RunConfig,
    *,
    steps: int | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    actions: Representation | None = None,
    head: str | None = None,
) -> RunConfig:
    """`config` with the settings that are not None.

    A `head` of another kind than the recipe's comes in its usual size; the recipe's own keeps the recipe's.
    """
    given = {"steps": steps, "batch_size": batch_size, "seed": seed}
    changes = {name: value for name, value in given.items() if value is not None}
    if head is not None and head != config.vla.head.kind:
        config = replace(config, vla=replace(config.vla, head=head_config(head)))
    return replace(
        config, training=replace(config.training, **changes), actions=config.actions if actions is None else actions
    )
