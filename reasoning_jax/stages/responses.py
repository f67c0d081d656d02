"""What the stages that learn from stored responses share: rows, their reference, the loop.

A stage says how its rows are made and what an update is; here they are made once, or anew every
so many steps from the policy as it is then, scored by the reference policy and learnt from. The
reference is the policy the stage begins with.
"""

import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.models import token_logprobs_and_balance
from reasoning_jax.parallel import put_batch, to_host
from reasoning_jax.preference import pair_mean
from reasoning_jax.rl import weighted_sum
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import (
    build_optimizer,
    build_schedule,
    check_rows,
    evaluation_block,
    named,
    optimizer_block,
)
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.loop import Schedule, StepResult, begin, run_loop
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.data import index_batches
from reasoning_jax.training.state import TrainState
from reasoning_jax.training.step import make_update

Rows = Any
"""A pytree of NumPy arrays, rows first, with ``lengths``, ``row_mask`` and ``ref_logprobs``."""
Score = Callable[[dict, Rows], jax.Array]
"""(parameters, rows) -> summed log-probabilities [N, ...] of their responses."""
Forward = Callable[[dict, Rows], tuple[jax.Array, jax.Array, Any]]
"""(parameters, rows) -> (losses like ``row_mask``, balance of routers, row-wise arrays)."""
Advance = Callable[[TrainState, Rows], tuple[TrainState, dict[str, jax.Array]]]


def responses_block(stage: str, source: str, loss: str, rows: str) -> ConfigDict:
    """The block of such a stage.

    Args:
      stage: module of the stage.
      source, loss: dotted names of its defaults.
      rows: key of how many rows an update takes.
    """
    block = ConfigDict()
    block.stage = stage
    block.source = named(source)  # what makes the data; its keywords stand beside its name
    block.loss = named(loss)
    block.max_length = 256  # tokens of context and response; longer ones are cut ...
    block.max_context = 128  # ... to so many last tokens of the context, then at the end
    block[rows] = 64  # per update
    block.micro_batches = 1
    block.steps = 100
    # steps after which the source is asked again, with the policy as it is then; 0 is never
    block.resample_every = 0
    block.balance = 1.0  # multiple of the load-balancing loss a mixture's own config asks for
    block.optimizer = optimizer_block(peak=1e-4, warmup_steps=10)
    block.log_every = 10
    block.evaluate_every = 50
    block.checkpoint_every = 0  # besides those after every evaluation
    block.evaluation = evaluation_block("validation", problems=256, n=4, max_tokens=32)
    return block


def check_responses(context: Context, block: ConfigDict, rows: str) -> None:
    """ValueError unless the block works with task, model and mesh; ``source`` included."""
    check_rows(context, block[rows], block.micro_batches, rows)
    build_optimizer(block.optimizer)
    if block.steps < 1:
        raise ValueError(f"steps is {block.steps}; it must be at least 1")
    if block.resample_every < 0:
        raise ValueError(f"resample_every is {block.resample_every}; 0 is never")
    if not 0 < block.max_context < block.max_length <= context.model.max_position:
        raise ValueError(
            f"max_context {block.max_context} and max_length {block.max_length}: the first must "
            f"be below the second, and that at most the context {context.model.max_position}"
        )
    if context.lora is not None and context.lora.dropout:
        raise ValueError(
            f"config.lora.dropout is {context.lora.dropout}: policy and reference would be "
            "different networks; set it to 0"
        )
    if block.evaluate_every:
        evaluate.validate(context, block.evaluation)
    build_source(block).validate(context)


def build_source(block: ConfigDict):
    """What the block's ``source`` names; ValueError when it cannot be made."""
    try:
        return function(block.source, "source")()
    except TypeError as error:
        raise ValueError(f"source: {error}; give it beside name") from error


def check_loss(block: ConfigDict, arguments: tuple, shape: tuple[int, ...]) -> None:
    """Traces the block's loss on shapes alone; ValueError unless it gives one array of a shape."""
    try:
        result = jax.eval_shape(function(block.loss, "loss"), *arguments)
    except Exception as error:
        raise ValueError(f"loss cannot be used here: {error}") from error
    if getattr(result, "shape", None) != shape:
        raise ValueError(f"loss gives {result}, not one array of shape {shape}")


def stored(stage: Stage, round: int, make: Callable[[], tuple], read: Callable, write: Callable):
    """What ``make`` gives, written to the workdir; what was written before where taken up."""
    name = stage.name if round == 0 else f"{stage.name}-{round}"
    path = pathlib.Path(stage.context.workdir) / "pairs" / f"{name}.jsonl"
    if stage.resumed is not None and path.exists():
        return read(path) if path.stat().st_size else ()
    made = make()
    if jax.process_index() == 0:
        path.parent.mkdir(exist_ok=True)
        write(path, made)
    return made


def rows_of_source(
    stage: Stage, ask: str, read: Callable, write: Callable, rows: Callable[..., Rows]
) -> Callable[[int, dict], Rows]:
    """``build`` of ``learn``: what the block's source gives to each round, stored, as rows.

    Args:
      ask: method of the source, (context, policy, seed) -> entries.
      read, write: of a file of entries.
      rows: (context, block, entries) -> rows.
    """
    context, block = stage.context, stage.config

    def build(round: int, trained: dict) -> Rows:
        seed = stage.seed(0) if round == 0 else stage.seed(0, round)
        make = functools.partial(getattr(build_source(block), ask), context, trained, seed)
        return rows(context, block, stored(stage, round, make, read, write))

    return build


def side_logprobs(
    model, params: dict, tokens: jax.Array, lengths: jax.Array, mask: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Token log-probabilities [B, S, T] of all sides in one forward, and the routers' balance.

    Args:
      mask: [B, S, T] tokens whose log-probabilities are wanted; they are 0 elsewhere.
    """
    width = tokens.shape[-1]
    valid = jnp.arange(width) < lengths.reshape(-1, 1)
    scores, balance = token_logprobs_and_balance(
        model, params, tokens.reshape(-1, width), valid, scored=mask.reshape(-1, width)
    )
    return scores.logprobs.reshape(tokens.shape), balance


@struct.dataclass
class _Prepared:
    """Rows with their weights, and the share of each in the tokens that routers see, [N]."""

    rows: Any
    shares: jax.Array


def response_update(
    context: Context, block: ConfigDict, optimizer, forward: Forward, scalars: Callable
) -> Callable:
    """The update: mean of the losses over rows that take part, and the routers' balance.

    Args:
      scalars: (rows, row-wise arrays of ``forward``) -> metrics.
    """
    moe = context.model.moe
    balance_coef = 0.0 if moe is None else block.balance * moe.aux_coef

    def prepare(rows: Rows) -> _Prepared:
        lengths = rows.lengths.reshape(rows.lengths.shape[0], -1).sum(axis=1)
        shares = lengths / jnp.maximum(jnp.sum(lengths), 1).astype(jnp.float32)
        return _Prepared(rows.replace(weights=pair_mean(rows.row_mask)), shares)

    def loss(params: dict, prepared: _Prepared) -> tuple[jax.Array, tuple]:
        losses, balance, arrays = forward(params, prepared.rows)
        # Routers are balanced within what passes through them at once, a micro-batch.
        balance_N = prepared.shares * balance
        value = weighted_sum(losses, prepared.rows.weights) + balance_coef * jnp.sum(balance_N)
        return value, (arrays, balance_N)

    def report(prepared: _Prepared, given: tuple) -> dict[str, jax.Array]:
        arrays, balance_N = given
        balance = {} if moe is None else {"train/balance": jnp.sum(balance_N)}
        return {**scalars(prepared.rows, arrays), **balance}

    return make_update(
        context.trainable,
        optimizer,
        prepare=prepare,
        loss=loss,
        report=report,
        micro_batches=block.micro_batches,
    )


def learn(
    stage: Stage,
    params: dict | None,
    rows: int,
    build: Callable[[int, dict], Rows],
    score: Score,
    update: Callable[[Any], Advance],
) -> dict:
    """Trains from ``params``; returns the trained parameters.

    Args:
      rows: of an update.
      build: (round, policy) -> the rows of that round, without reference log-probabilities.
      score: of the responses, for the reference.
      update: optimiser -> (state, rows on the mesh) -> (state, metrics).
    """
    context, block = stage.context, stage.config
    # The first checkpoint stays while the stage runs: it holds the reference. Updates use up what
    # they begin with, so later rounds need a copy of their own.
    if stage.resumed is None and not block.resample_every:
        reference = params
    else:
        context.checkpoints.wait()
        reference = context.restore(stage.first_number)
    scored = jax.jit(score)

    def make(round: int, trained: dict) -> Rows:
        made = build(round, reference if round == 0 else trained)
        return _with_reference(context, made, context.params(reference), rows, scored)

    rounds = _Rounds(stage, rows, make)
    rounds.begin_first(reference)
    optimizer, schedule = build_optimizer(block.optimizer), build_schedule(block.optimizer)
    advance_rows = update(optimizer)

    def advance(state: TrainState, _: int, step: int) -> tuple[TrainState, StepResult]:
        part = rounds.batch(state.params, step)
        state, metrics = advance_rows(state, put_batch(part, context.mesh))
        for name in ("loss", "grad_norm"):
            metrics[f"train/{name}"] = metrics.pop(name)
        metrics["train/lr"] = schedule(step)
        return state, StepResult(metrics, [], int(np.sum(part.lengths)))

    numbers = _Numbers()
    position = run_loop(
        stage,
        begin(stage, params, optimizer, numbers, {"keep": [stage.first_number]}),
        Schedule(block.steps, block.log_every, block.evaluate_every, block.checkpoint_every),
        numbers,
        advance,
        (lambda state: evaluate.measure(stage, block.evaluation, state.params))
        if block.evaluate_every
        else None,
    )
    stage.finish(position.step, position.state.params, (stage.first_number,))
    return position.state.params


class _Numbers:
    """The steps in order: what a batch is follows from its step."""

    def __init__(self):
        self._step = 0

    def __next__(self) -> int:
        self._step += 1
        return self._step - 1

    def get_state(self) -> dict[str, int]:
        return {"step": self._step}

    def set_state(self, state: dict[str, int]) -> None:
        self._step = state["step"]


class _Rounds:
    """The rows of the round that a step belongs to, made when the round begins."""

    def __init__(self, stage: Stage, rows: int, make: Callable[[int, dict], Rows]):
        self._stage, self._rows, self._make = stage, rows, make
        self._every = stage.config.resample_every
        self._round, self._taken = -1, 0
        self._data: Rows = None
        self._indices: Iterator[np.ndarray] = iter(())

    def begin_first(self, trained: dict) -> None:
        """Makes the first round; RuntimeError when it has too few rows for one update."""
        data = self._make(0, trained)
        name, count = self._stage.name, len(data.row_mask)
        if count < self._rows:
            raise RuntimeError(
                f"{name}: the source gives {count} pairs, fewer than one update of {self._rows}; "
                f"give it more problems or samples, or lower what an update of {name} takes"
            )
        self._take(0, data)

    def batch(self, trained: dict, step: int) -> Rows:
        """The rows of one update.

        A round with fewer rows than an update takes, for the policy errs so seldom, goes on with
        those of the round before.
        """
        round = step // self._every if self._every else 0
        start = round * self._every
        if round != self._round:
            self._take(round, self._of_round(round, trained))
        if step == start:
            counts = {"pairs/count": len(self._data.row_mask)}
            counts["pairs/length"] = float(np.mean(self._data.lengths))
            self._stage.context.log.log(self._stage.name, step, counts)
        while self._taken <= step - start:
            indices = next(self._indices)
            self._taken += 1
        return jax.tree.map(lambda x: x[indices], self._data)

    def _of_round(self, round: int, trained: dict) -> Rows:
        data = self._make(round, trained)
        if len(data.row_mask) >= self._rows:
            return data
        if self._round == round - 1:
            return self._data
        return self._of_round(round - 1, trained)  # taken up again: its rows are on the disk

    def _take(self, round: int, data: Rows) -> None:
        parts = (1,) if round == 0 else (1, round)
        self._indices = index_batches(len(data.row_mask), self._rows, self._stage.seed(*parts))
        self._round, self._taken, self._data = round, 0, data


def _with_reference(
    context: Context, rows: Rows, params: dict, at_once: int, score: Callable
) -> Rows:
    """The rows with the reference policy's log-probabilities, on the host."""
    count = len(rows.row_mask)
    parts = []
    for first in range(0, count, at_once):
        # The last part is filled up with rows from the start: one shape, one program.
        members = np.arange(first, first + at_once) % count
        part = jax.tree.map(lambda x, members=members: x[members], rows)
        parts.append(to_host(score(params, put_batch(part, context.mesh))))
    scored = np.concatenate(parts)[:count] if parts else np.zeros((0, 2), np.float32)
    return rows.replace(ref_logprobs=scored)
