"""Functions by dotted name: found and bound, or refused with the config key."""

import json

import jax.numpy as jnp
import pytest
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.rl import policy_losses


def test_a_function_without_keywords_is_itself():
    assert function({"name": "json.dumps"}, "x") is json.dumps


def test_keywords_are_bound():
    spec = ConfigDict({"name": "reasoning_jax.rl.policy_losses.clip", "high": 0.5})
    loss = function(spec, "rl.policy_loss")
    zero, one = jnp.zeros((1, 1)), jnp.ones((1, 1))
    # Ratio e against 1 + high = 1.5, advantage 1.
    assert loss(one, zero, one, one > 0) == pytest.approx(-1.5)
    assert loss.func is policy_losses.clip and loss.keywords == {"high": 0.5}


@pytest.mark.parametrize(
    "name",
    [
        "reasoning_jax.rl.no_such_function",
        "no_such_package.function",
        "reasoning_jax.no_module.function",
        "bare_name",
        ".relative.name",
        "",
        "math.pi",
    ],
)
def test_what_is_no_function_is_refused_with_its_key(name):
    with pytest.raises(ValueError) as refused:
        function({"name": name}, "rl.reward")
    assert str(refused.value).startswith(f"rl.reward.name: no function {name!r}")


def test_a_keyword_it_does_not_take_is_refused_with_those_it_does():
    spec = {"name": "reasoning_jax.rl.policy_losses.clip", "hihg": 0.28}
    with pytest.raises(ValueError, match=r"^rl\.policy_loss: .*clip takes no 'hihg'.*low, high"):
        function(spec, "rl.policy_loss")
