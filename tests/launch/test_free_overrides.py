"""Blocks whose keys depend on a name take new keys from the command line; others do not."""

import pytest

from configs.quickstart import get_config
from launch import free_overrides


def overridden(*argv):
    config = get_config("small")
    rest, free = free_overrides.split(list(argv))
    free_overrides.apply(config, rest, free)
    return config, rest


def test_functions_get_keywords_and_tasks_get_options():
    config, rest = overridden(
        "--config.rl.policy_loss.high=0.28",
        "--config.rl.optimizer.schedule.peak=1e-4",
        "--config.model_overrides.n_layers=2",
        "--config.chat.variables.enable_thinking=False",
        "--config.rl.steps=3",
    )
    assert config.rl.policy_loss.high == 0.28
    assert config.rl.optimizer.schedule.peak == 1e-4
    assert config.model_overrides.n_layers == 2
    assert config.chat.variables.enable_thinking is False
    assert rest == ["--config.rl.steps=3"]  # left to the flags, which refuse unknown keys


def test_another_task_starts_without_the_recipes_options():
    config, _ = overridden("--config.task=countdown", "--config.task_options.count=4")
    assert config.task_options.to_dict() == {"count": 4}
    assert overridden()[0].task_options.length == 3


def test_names_and_other_blocks_are_left_to_the_flags():
    argv = ["--config.rl.advantage.name=x.y", "--config.rl.guard.drop=0.2", "--workdir=a"]
    assert free_overrides.split(argv) == (argv, [])


def test_text_stays_text_and_the_config_stays_locked():
    config, _ = overridden("--config.task_options.calculator=keep")
    assert config.task_options.calculator == "keep"
    assert config.is_locked


def test_a_block_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match=r"--config.ppo.policy_loss.high.*no key 'ppo'"):
        overridden("--config.ppo.policy_loss.high=0.2")


def test_options_are_literals_or_text():
    assert free_overrides.options(
        ["length=4", "prompt='Q: {question}\\nA: '", "form=a=b", "x="]
    ) == {
        "length": 4,
        "prompt": "Q: {question}\nA: ",
        "form": "a=b",
        "x": "",
    }
    for bad in ("length", "=4", "a b=4"):
        with pytest.raises(ValueError, match=rf"'{bad}' is no key=value"):
            free_overrides.options([bad])
