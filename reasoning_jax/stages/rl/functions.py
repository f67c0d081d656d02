"""The functions that a block names, found and bound once."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.rl import controllers, policy_losses
from reasoning_jax.verify.rewards import Reward, reward_of


@dataclasses.dataclass(frozen=True)
class Functions:
    """What makes an update of completions; attributes are keys of the block.

    ``admit``, ``steps_of``, ``refill`` and ``selection`` are None where the block names none.
    """

    reward: Reward
    admit: Callable | None
    steps_of: Callable | None
    refill: Callable | None
    shapers: tuple[Callable, ...]
    filters: tuple[Callable, ...]
    advantage: Callable
    policy_loss: Callable
    selection: Callable | None
    correction: Callable
    aggregate: Callable
    kl: Callable
    kl_controller: Callable[[float, float], float]
    entropy_controller: Callable[[float, float], float]


def build_functions(block: ConfigDict) -> Functions:
    """The functions of a block; ValueError where one does not exist or takes no such keyword."""
    single = ("advantage", "policy_loss", "correction", "aggregate", "kl")
    following = ("kl_controller", "entropy_controller")
    return Functions(
        reward=reward_of(block.reward, "reward"),
        shapers=_each(block.shapers, "shapers"),
        filters=_each(block.filters, "filters"),
        admit=_if_any(block.admit, "admit"),
        steps_of=_if_any(block.steps_of, "steps_of"),
        refill=_if_any(block.refill.keep, "refill.keep"),
        selection=_if_any(block.selection, "selection"),
        **{name: function(block[name], name) for name in (*single, *following)},
    )


def moves(coefficient: float, controller: Callable) -> bool:
    """Whether a term with this coefficient takes part at any step."""
    return coefficient != 0 or controller is not controllers.fixed


def by_name(called: Callable, **available: Any) -> Any:
    """Calls a function with those of the available arguments that its signature asks for."""
    asked = inspect.signature(called).parameters
    return called(**{name: value for name, value in available.items() if name in asked})


def clip_ends(policy_loss: Callable) -> tuple[float, float] | None:
    """The ends at which a loss clips the ratio of tokens: its arguments low and high."""
    if getattr(policy_loss, "func", policy_loss) is policy_losses.gspo:
        return None  # clips the ratio of sequences
    defaults = inspect.signature(policy_loss).parameters
    if "low" not in defaults or "high" not in defaults:
        return None
    return defaults["low"].default, defaults["high"].default


def selects(policy_loss: Callable) -> bool:
    """Whether a policy loss asks for selected tokens."""
    return "selected" in inspect.signature(policy_loss).parameters


def select(
    selection: Callable,
    key: jax.Array,
    logprobs: jax.Array,
    old_logprobs: jax.Array,
    advantages: jax.Array,
    mask: jax.Array,
) -> jax.Array:
    """[B, T] bool: the tokens a selection picks of a whole optimiser batch."""
    return by_name(
        selection,
        key=key,
        logprobs=logprobs,
        old_logprobs=old_logprobs,
        advantages=advantages,
        mask=mask,
    )


def _if_any(spec: ConfigDict, where: str) -> Callable | None:
    return function(spec, where) if spec.name else None


def _each(specs: tuple[str | Mapping[str, Any], ...], where: str) -> tuple[Callable, ...]:
    return tuple(
        function({"name": spec} if isinstance(spec, str) else spec, where) for spec in specs
    )
