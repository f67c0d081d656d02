"""Which optional fields of Rollouts a block's functions ask for, and who fills them.

Functions ask by reading: tracing them on shapes raises MissingField for what is not there. The
stage then fills that field at every step, and nothing that nobody reads.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from reasoning_jax.rl import MissingField
from reasoning_jax.stages.rl.functions import Functions, moves
from reasoning_jax.types import Rollouts

# Always to be had: from completions and verdicts, from another greedy answer, from the model.
HOST = ("tool_calls", "extracted", "clusters")
GREEDY = "greedy_rewards"
DEVICE = ("old_logprobs", "ref_logprobs")

_ROWS = {
    "tool_calls": jnp.int32,
    "extracted": jnp.bool_,
    "clusters": jnp.int32,
    "greedy_rewards": jnp.float32,
    "model_rewards": jnp.float32,
}
_WIDTH = 8  # of the traced batch; functions do not depend on it


def asked_fields(functions: Functions, block: ConfigDict) -> tuple[str, ...]:
    """The optional fields that the block's functions read.

    Raises:
      ValueError: a function does not fit its place, or reads a field that nothing here fills.
    """
    available = {*HOST, GREEDY, *DEVICE}
    fields: set[str] = set()
    if moves(block.kl_coef, functions.kl_controller):
        fields.add("ref_logprobs")
    if block.updates * block.passes > 1:
        fields.add("old_logprobs")
    rows = block.prompts * block.group_size
    while True:
        try:
            _trace(functions, abstract_rollouts(rows, fields))
            return tuple(sorted(fields))
        except MissingField as missing:
            if missing.field not in available:
                raise ValueError(
                    f"{missing}, but nothing in this block fills it; it fills "
                    f"{', '.join(sorted(available))}"
                ) from missing
            fields.add(missing.field)


def abstract_rollouts(rows: int, fields: set[str]) -> Rollouts:
    """Shapes of Rollouts with these optional fields."""

    def shape(*dims: int, dtype=jnp.float32) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((rows, *dims), dtype)

    optional = {
        name: shape(dtype=_ROWS[name]) if name in _ROWS else shape(_WIDTH) for name in fields
    }
    return Rollouts(
        tokens=shape(_WIDTH, dtype=jnp.int32),
        lengths=shape(dtype=jnp.int32),
        mask=shape(_WIDTH, dtype=bool),
        row_mask=shape(dtype=bool),
        group_ids=shape(dtype=jnp.int32),
        rewards=shape(),
        correct=shape(dtype=jnp.int8),
        finished=shape(dtype=bool),
        sampler_logprobs=shape(_WIDTH),
        **optional,
    )


def _trace(functions: Functions, rollouts: Rollouts) -> None:
    """Runs the functions on shapes alone; raises MissingField, or ValueError where one is bad."""
    rows = rollouts.rewards.shape[0]
    for shaper in functions.shapers:
        rollouts = _call("shapers", shaper, rollouts)
        if not isinstance(rollouts, Rollouts):
            raise ValueError(f"shapers: {_name(shaper)} gives {rollouts}, not Rollouts")
        _expect("shapers", rollouts.rewards, (rows,))
    floats, flags = rollouts.sampler_logprobs, rollouts.mask
    for keep in functions.filters:
        _expect("filters", _call("filters", keep, rollouts), (rows,))
    tokens = (rows, _WIDTH)
    _expect("advantage", _call("advantage", functions.advantage, rollouts), tokens)
    selected = (flags,) if functions.selection is not None else ()
    arguments = floats, floats, floats, flags, *selected
    _expect("policy_loss", _call("policy_loss", functions.policy_loss, *arguments), tokens)
    for name in ("correction", "kl"):
        _expect(name, _call(name, getattr(functions, name), floats, floats, flags), tokens)
    _expect("aggregate", _call("aggregate", functions.aggregate, flags), tokens)


def _call(where: str, called: Callable, *arguments):
    try:
        return jax.eval_shape(called, *arguments)
    except MissingField:
        raise
    except Exception as error:
        raise ValueError(f"{where} cannot be used here: {error}") from error


def _expect(where: str, result, shape: tuple[int, ...]) -> None:
    if getattr(result, "shape", None) != shape:
        raise ValueError(f"{where} gives {result}, not one array of shape {shape}")


def _name(called: Callable) -> str:
    return getattr(getattr(called, "func", called), "__name__", repr(called))
