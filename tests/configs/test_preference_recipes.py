"""The small forms of the preference recipes, and variants that there are not."""

import importlib

import pytest

from reasoning_jax.stages.recipe import stage_modules

RECIPES = (
    "baichuan",
    "cosc",
    "infialign",
    "light_r1",
    "preferences",
    "step_dpo",
    "supercorrect",
)


@pytest.mark.parametrize("name", RECIPES)
def test_small_forms_take_fewer_steps(name):
    module = importlib.import_module(f"configs.{name}")
    for variant in module.VARIANTS:
        small, whole = (module.get_config(variant + end) for end in (",small", ""))
        assert list(stage_modules(small)) == list(small.stages) == list(whole.stages)
        for stage in small.stages:
            if "steps" in small[stage]:
                assert small[stage].steps < whole[stage].steps, (variant, stage)


@pytest.mark.parametrize("name", RECIPES)
def test_unknown_variants_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} has no variant 'none'"):
        importlib.import_module(f"configs.{name}").get_config("none")
