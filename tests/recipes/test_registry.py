"""What is given on the command line takes the place of what a recipe says, and of nothing else."""

import dataclasses

import pytest

from vlasync.models.heads.kinds import HEADS
from vlasync.recipes.registry import RECIPES, get_recipe, with_overrides


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_takes_the_place_of_the_recipes(kind):
    recipe = get_recipe("demo")
    config = with_overrides(recipe, head=kind)
    assert config.vla.head.kind == kind
    assert dataclasses.replace(config, vla=dataclasses.replace(config.vla, head=recipe.vla.head)) == recipe


def test_the_recipes_own_head_keeps_its_size():
    recipe = get_recipe("kosmos2-lstm")
    assert with_overrides(recipe, head="lstm") == recipe


@pytest.mark.parametrize("name", RECIPES)
def test_without_overrides_a_recipe_is_itself(name):
    assert with_overrides(get_recipe(name)) == get_recipe(name)
