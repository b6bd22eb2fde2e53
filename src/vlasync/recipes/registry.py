"""Recipes by name: the functions that return a full config."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from vlasync.errors import VlasyncError
from vlasync.models.augmentation import ColorJitter
from vlasync.models.heads.kinds import head_config
from vlasync.models.tuning import Tuning
from vlasync.recipes import demo, laptop, reference
from vlasync.recipes.options import TrainOptions, TuningOptions
from vlasync.training.run import RunConfig

RECIPES: dict[str, Callable[[], RunConfig]] = {
    "demo": demo.demo,
    "laptop": laptop.laptop,
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


def with_overrides(config: RunConfig, options: TrainOptions) -> RunConfig:
    """`config` with the options that are given.

    A head of another kind than the recipe's comes in its usual size; the recipe's own keeps the recipe's.

    Raises:
        VlasyncError: no head has this name, or an option has no effect.
    """
    vla = config.vla
    jitter = None if options.color_jitter is None else ColorJitter(*options.color_jitter)
    head = vla.head if options.head in (None, vla.head.kind) else head_config(options.head)
    return replace(
        config,
        vla=replace(
            vla,
            head=head,
            tuning=tuned(vla.tuning, options),
            **_given(
                cameras=options.cameras,
                history=options.history,
                readout=options.readout,
                color_jitter=jitter,
                cut_mix=options.cut_mix,
            ),
        ),
        training=replace(
            config.training,
            **_given(steps=options.steps, batch_size=options.batch_size, seed=options.seed),
            epochs=config.training.epochs if options.steps is None else None,
        ),
        **_given(actions=options.actions),
    )


def tuned(tuning: Tuning, options: TuningOptions) -> Tuning:
    """`tuning` with the options that are given; one of another mode starts from that mode's usual settings.

    Raises:
        VlasyncError: an option has no effect, or makes no sense.
    """
    start = tuning if options.tuning in (None, tuning.mode) else Tuning(mode=options.tuning)
    return replace(
        start, **_given(parts=options.parts, decoder_layers=options.decoder_layers, lora_rank=options.lora_rank)
    )


def _given(**settings: Any) -> dict[str, Any]:
    """The settings that are not None."""
    return {name: value for name, value in settings.items() if value is not None}
