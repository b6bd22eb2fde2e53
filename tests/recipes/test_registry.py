"""What is given on the command line takes the place of what a recipe says, and of nothing else."""

from dataclasses import replace
from typing import get_type_hints

import pytest

from vlasync.errors import VlasyncError
from vlasync.models.augmentation import ColorJitter
from vlasync.models.heads.kinds import HEADS
from vlasync.models.history import History
from vlasync.models.sequence import Readout
from vlasync.recipes.options import TrainOptions
from vlasync.recipes.registry import RECIPES, get_recipe, with_overrides


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_takes_the_place_of_the_recipes(kind):
    recipe = get_recipe("demo")
    config = with_overrides(recipe, TrainOptions(head=kind))
    assert config.vla.head.kind == kind
    assert replace(config, vla=replace(config.vla, head=recipe.vla.head)) == recipe


def test_the_recipes_own_head_keeps_its_size():
    recipe = get_recipe("kosmos2-lstm")
    assert with_overrides(recipe, TrainOptions(head="lstm")) == recipe


def test_every_other_option_lands_in_its_place_alone():
    recipe = get_recipe("demo")
    options = TrainOptions(
        steps=3,
        batch_size=2,
        seed=7,
        actions="tcp_relative",
        history="interleaved",
        readout="pooled",
        color_jitter=(0.4, 0.3, 0.2, 0.1),
        cut_mix={"static": 0.5},
        tuning="lora",
        lora_rank=8,
    )
    assert with_overrides(recipe, options) == replace(
        recipe,
        actions="tcp_relative",
        training=replace(recipe.training, steps=3, batch_size=2, seed=7),
        vla=replace(
            recipe.vla,
            history="interleaved",
            readout="pooled",
            color_jitter=ColorJitter(brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1),
            cut_mix={"static": 0.5},
            tuning=replace(recipe.vla.tuning, mode="lora", lora_rank=8),
        ),
    )


def test_the_choices_are_those_of_the_model():
    """They stand twice, so that the help does not wait for torch."""
    hints = get_type_hints(TrainOptions)
    for name, choices in (("history", History), ("readout", Readout)):
        assert hints[name] == choices | None


def test_a_rank_without_lora_is_refused():
    with pytest.raises(VlasyncError, match=r"lora_rank: got 8.*'full'.*lora"):
        with_overrides(get_recipe("demo"), TrainOptions(lora_rank=8))


@pytest.mark.parametrize("name", RECIPES)
def test_without_options_a_recipe_is_itself(name):
    assert with_overrides(get_recipe(name), TrainOptions()) == get_recipe(name)
