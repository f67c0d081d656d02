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

# Always to be had: from completions and verdicts, from those of steps before, from another greedy
# answer, from the model.
HOST = ("tool_calls", "extracted", "clusters")
FEWEST = "fewest_calls"
GREEDY = "greedy_rewards"
STEPS = ("step_ends", "step_mask", "step_rewards")
DEVICE = ("old_logprobs", "ref_logprobs")
# From the models that learn beside the policy.
LEARNT = ("values", "token_rewards", "model_rewards", "step_scores")

_ROWS = {
    "tool_calls": jnp.int32,
    "extracted": jnp.bool_,
    "clusters": jnp.int32,
    "fewest_calls": jnp.int32,
    "greedy_rewards": jnp.float32,
    "model_rewards": jnp.float32,
}
_STEPS = {
    "step_ends": jnp.int32,
    "step_mask": jnp.bool_,
    "step_rewards": jnp.float32,
    "step_labels": jnp.bool_,
    "step_scores": jnp.float32,
}
# Fields that come together: implicit rewards are log-ratios to the reference.
_WITH = {
    **{name: {*STEPS} for name in STEPS},
    "token_rewards": {"token_rewards", "ref_logprobs"},
    "step_scores": {"step_scores", *STEPS, "step_labels"},
}
_HINTS = dict.fromkeys(
    (*STEPS, "step_scores"),
    "set steps_of.name to what labels steps, as reasoning_jax.rewards.steps.correct_steps",
)
_WIDTH = 8  # of the traced batch; functions do not depend on it


def asked_fields(functions: Functions, block: ConfigDict) -> tuple[str, ...]:
    """The optional fields that the block's functions read.

    Raises:
      ValueError: a function does not fit its place, or reads a field that nothing here fills.
    """
    of_host = {*HOST, FEWEST, GREEDY, *(STEPS if functions.steps_of is not None else ())}
    available = {*of_host, *DEVICE, *LEARNT}
    if functions.steps_of is None:
        available -= {"step_scores"}  # a judge learns from labels
    fields: set[str] = set()
    if moves(block.kl_coef, functions.kl_controller):
        fields.add("ref_logprobs")
    if block.updates * block.passes * block.reuse > 1:
        fields.add("old_logprobs")
    rows = block.prompts * block.group_size
    while True:
        try:
            _trace(functions, abstract_rollouts(rows, fields), fields & of_host)
            return tuple(sorted(fields))
        except _Asked as asked:
            missing = asked.missing
            if missing.field not in available or missing.field in fields:
                hint = _HINTS.get(missing.field, f"filled are {', '.join(sorted(available))}")
                raise ValueError(
                    f"{asked.where}: {missing}, but nothing in this block fills it in time; {hint}"
                ) from missing
            fields |= _WITH.get(missing.field, {missing.field})


def abstract_rollouts(rows: int, fields: set[str]) -> Rollouts:
    """Shapes of Rollouts with these optional fields."""

    def shape(*dims: int, dtype=jnp.float32) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((rows, *dims), dtype)

    optional = {name: shape(_WIDTH) for name in fields}
    optional |= {name: shape(dtype=_ROWS[name]) for name in fields if name in _ROWS}
    optional |= {name: shape(_WIDTH, dtype=_STEPS[name]) for name in fields if name in _STEPS}
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


class _Asked(Exception):
    """A function in its place, ``where``, asks for a field that is not there."""

    def __init__(self, where: str, missing: MissingField):
        super().__init__(where, missing)
        self.where, self.missing = where, missing


def _trace(functions: Functions, rollouts: Rollouts, of_host: set[str]) -> None:
    """Runs the functions on shapes alone; raises MissingField, or ValueError where one is bad."""
    rows = rollouts.rewards.shape[0]
    if functions.refill is not None:
        early = abstract_rollouts(rows, of_host)
        _expect("refill.keep", _call("refill.keep", functions.refill, early), (rows,))
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
    except MissingField as missing:
        raise _Asked(where, missing) from missing
    except Exception as error:
        raise ValueError(f"{where} cannot be used here: {error}") from error


def _expect(where: str, result, shape: tuple[int, ...]) -> None:
    if getattr(result, "shape", None) != shape:
        raise ValueError(f"{where} gives {result}, not one array of shape {shape}")


def _name(called: Callable) -> str:
    return getattr(getattr(called, "func", called), "__name__", repr(called))
