"""Config blocks that several stages share; every line with its unit or reason."""

from collections.abc import Callable

import optax
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.parallel import batch_ways
from reasoning_jax.stages.context import Context
from reasoning_jax.training.optimizers import adamw
from reasoning_jax.types import Problem


def named(name: str, **keywords) -> ConfigDict:
    """A function by dotted name with its keyword arguments."""
    return ConfigDict({"name": name, **keywords})


def optimizer_block(peak: float, warmup_steps: int) -> ConfigDict:
    """AdamW with a schedule."""
    block = ConfigDict()
    # learning rate as a function of the update count
    block.schedule = named(
        "reasoning_jax.training.schedules.constant", peak=peak, warmup_steps=warmup_steps
    )
    block.b1 = 0.9
    block.b2 = 0.95  # short memory: language-model gradients are not stationary
    block.eps = 1e-8
    block.weight_decay = 0.0
    block.decay_mask = named("reasoning_jax.training.optimizers.decay_kernels")
    block.clip_norm = 1.0  # largest global gradient norm
    return block


def evaluation_block(split: str, problems: int, n: int, max_tokens: int) -> ConfigDict:
    """How accuracy is measured."""
    block = ConfigDict()
    block.split = split
    block.problems = problems  # the first so many of the split; 0 is all
    block.n = n  # samples per problem
    block.temperature = 1.0
    block.top_p = 1.0
    block.top_k = 0
    block.max_tokens = max_tokens
    return block


def build_optimizer(
    block: ConfigDict, around_decay: Callable[[Callable], Callable] = lambda mask: mask
) -> optax.GradientTransformation:
    """The optimiser an ``optimizer_block`` describes; ValueError when it cannot be.

    Args:
      around_decay: makes of the block's choice of what decays another one.
    """
    return adamw(
        build_schedule(block),
        b1=block.b1,
        b2=block.b2,
        eps=block.eps,
        weight_decay=block.weight_decay,
        decay_mask=around_decay(function(block.decay_mask, "optimizer.decay_mask")),
        clip_norm=block.clip_norm,
    )


def build_schedule(block: ConfigDict) -> optax.Schedule:
    """The learning-rate schedule of an ``optimizer_block``; ValueError when it cannot be."""
    try:
        return function(block.schedule, "optimizer.schedule")()
    except TypeError as error:
        raise ValueError(f"optimizer.schedule: {error}; give it beside name") from error


def check_rows(context: Context, rows: int, micro_batches: int, what: str) -> None:
    """ValueError unless the rows of an update divide over micro-batches and devices."""
    if rows < 1 or micro_batches < 1:
        raise ValueError(f"{what} with micro_batches {micro_batches}: both must be at least 1")
    ways = batch_ways(context.mesh)
    if rows % (micro_batches * ways):
        raise ValueError(
            f"{what} gives {rows} rows per update, which do not divide into {micro_batches} "
            f"micro-batches over {ways} devices; make it a multiple of {micro_batches * ways}"
        )


def check_context(context: Context, problem: Problem, max_tokens: int) -> None:
    """ValueError unless a problem's prompt and its completion fit into the model's context."""
    length = len(context.tokenizer.encode_prompt(problem.prompt))
    if length + max_tokens > context.model.max_position:
        raise ValueError(
            f"prompt of {problem.id} has {length} tokens; with max_tokens {max_tokens} it exceeds "
            f"the context of {context.model.max_position}"
        )
