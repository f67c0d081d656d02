"""Configs are checked key by key before any work."""

import pytest
from ml_collections import ConfigDict

from reasoning_jax.stages.recipe import add_stage, recipe, stage_modules


def quick() -> ConfigDict:
    config = recipe("test")
    add_stage(config, "sft", "reasoning_jax.stages.sft")
    add_stage(config, "rl", "reasoning_jax.stages.rl")
    return config


def test_modules_come_in_the_order_of_the_stages():
    assert list(stage_modules(quick())) == ["sft", "rl"]


def test_unknown_key_of_a_stage_is_named_with_its_neighbour():
    config = quick()
    config.rl.group_sise = 4
    with pytest.raises(ValueError, match=r"config.rl has an unknown key 'group_sise'.*group_size"):
        stage_modules(config)


def test_unknown_key_in_a_nested_block_is_found():
    config = quick()
    config.sft.optimizer.beta1 = 0.9
    with pytest.raises(ValueError, match=r"config.sft.optimizer has an unknown key 'beta1'"):
        stage_modules(config)


def test_unknown_key_at_the_top_is_found():
    config = quick()
    config.sead = 1
    with pytest.raises(ValueError, match=r"config has an unknown key 'sead'; did you mean 'seed'"):
        stage_modules(config)


def test_missing_key_is_found():
    config = quick()
    del config.rl["temperature"]
    with pytest.raises(ValueError, match=r"config.rl lacks the key 'temperature'"):
        stage_modules(config)


def test_functions_and_task_options_bring_their_own_keys():
    config = quick()
    config.rl.advantage.eps = 1e-4
    config.task_options.length = 3
    stage_modules(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: setattr(c, "stages", ()), "config.stages is empty"),
        (lambda c: setattr(c, "stages", ("sft", "search")), "no config.search block"),
        (lambda c: setattr(c.sft, "stage", "reasoning_jax.nowhere"), "cannot import"),
        (lambda c: setattr(c.sft, "stage", "reasoning_jax.types"), "has no default_config"),
    ],
)
def test_bad_stage_lists(change, message):
    config = quick()
    change(config)
    with pytest.raises(ValueError, match=message):
        stage_modules(config)


def test_a_stage_takes_no_name_that_is_taken():
    config = recipe("taken")
    add_stage(config, "sft", "reasoning_jax.stages.sft")
    for name in ("sft", "energy", "verify"):
        with pytest.raises(ValueError, match=f"a stage cannot be named {name!r}"):
            add_stage(config, name, "reasoning_jax.stages.rl")
