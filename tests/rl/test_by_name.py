"""What a recipe may name: found by dotted path, of the right shape, on what a stage collects."""

import jax
import jax.numpy as jnp
import pytest

from reasoning_jax.functions import function

ADVANTAGES = {
    "dr_grpo": {},
    "grpo": {},
    "rloo": {},
    "leave_one_out": {},
    "opo": {},
    "gpg": {},
    "reinforce_plus_plus": {"gamma": 0.9},
    "reinforce_plus_plus_baseline": {},
    "best_of_group": {},
    "pass_at_k": {"k": 2},
    "psr": {},
    "nsr": {},
    "w_reinforce": {"positive": 0.2},
    "tempo": {"ddof": 0},
}
POLICY_LOSSES = {
    "clip": {"high": 0.28},
    "dual_clip": {},
    "gspo": {},
    "reinforce": {},
    "cispo": {"high": 4.0},
    "topr": {},
    "sapo": {"negative": 1.1},
    "gmpo": {"log_low": 0.3},
}
ROOM = "reasoning_jax.rl"


@pytest.mark.parametrize("name", ADVANTAGES)
def test_advantages_of_outcomes_alone(make_rollouts, name):
    found = function({"name": f"{ROOM}.advantages.{name}", **ADVANTAGES[name]}, "advantage")
    shape = jax.eval_shape(found, make_rollouts(rewards=[1.0, 0.0, 1.0]))
    assert (shape.shape, shape.dtype) == ((3, 2), jnp.float32)


@pytest.mark.parametrize(
    "name",
    [
        *("pure", "pure_step", "process_grpo", "tp_grpo", "prime", "prime_whitened", "ppo", "t1"),
        "remax",
    ],
)
def test_advantages_that_need_more_say_so(make_rollouts, name):
    found = function({"name": f"{ROOM}.advantages.{name}"}, "advantage")
    with pytest.raises(ValueError, match=r"rollouts\.\w+ is None"):
        jax.eval_shape(found, make_rollouts(rewards=[1.0, 0.0, 1.0]))


@pytest.mark.parametrize("name", POLICY_LOSSES)
def test_policy_losses(name):
    found = function({"name": f"{ROOM}.policy_losses.{name}", **POLICY_LOSSES[name]}, "policy_loss")
    floats, mask = jnp.zeros((3, 2)), jnp.ones((3, 2), bool)
    shape = jax.eval_shape(found, floats, floats, floats, mask)
    assert (shape.shape, shape.dtype) == ((3, 2), jnp.float32)


@pytest.mark.parametrize("name", ["right", "wrong", "judged", "finished", "accuracy_band"])
def test_filters(make_rollouts, name):
    found = function({"name": f"{ROOM}.filters.{name}"}, "filters")
    shape = jax.eval_shape(found, make_rollouts(rewards=[1.0, 0.0, 1.0]))
    assert (shape.shape, shape.dtype) == ((3,), bool)


def test_filters_by_verdict(make_rollouts):
    correct = jnp.array([1, 0, -1], jnp.int8)
    rollouts = make_rollouts(rewards=[1.0, 0.0, 0.0], correct=correct)
    for name, kept in (("right", [1, 0, 0]), ("wrong", [0, 1, 0])):
        found = function({"name": f"{ROOM}.filters.{name}"}, "filters")(rollouts)
        assert found.astype(int).tolist() == kept
