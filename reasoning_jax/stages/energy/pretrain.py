"""Pretraining of an energy-based transformer on text (arXiv:2507.02092).

Reads the rows of the stage ``pretrain`` in the same order with the same optimiser. S1 of the
paper has as many landscapes as thoughts and a step size that is learned; S2 has one landscape,
a random number and size of steps, Langevin noise, the loss of the last step alone
(``loss_truncated``) and thoughts that go on from earlier ones (``replay``).
"""

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.models.energy import (
    EnergyBatch,
    EnergyRows,
    Replay,
    Thinking,
    begin,
    draw_replay,
    draw_start,
    push,
)
from reasoning_jax.parallel import put_batch
from reasoning_jax.rl import token_mean
from reasoning_jax.stages.blocks import build_optimizer, build_schedule, named
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.energy.evaluation import energy_measure, evaluation_of_energy_block
from reasoning_jax.stages.energy.state import EnergyState, begin_energy
from reasoning_jax.stages.loop import Schedule, StepResult, run_loop
from reasoning_jax.stages.pretrain_text import check_text, text_block, training_rows
from reasoning_jax.stages.stage import Stage
from reasoning_jax.text.packing import PackedRows
from reasoning_jax.training.data import index_batches
from reasoning_jax.training.step import make_update
from reasoning_jax.training.step_size import spare_step_size, with_step_size_rate


def default_config() -> ConfigDict:
    """The stage's block."""
    block = text_block("reasoning_jax.stages.energy.pretrain")
    block.thinking = ConfigDict(
        {
            "steps": 2,  # most thoughts
            "min_steps": 0,  # fewest; the number of a row is drawn between; 0: always the most
            "init_scale": 0.1,  # deviation of the logits thinking begins with; 1 in the paper
            "step_size_spread": 1.0,  # s: the size of each position is drawn from U(size/s, size*s)
            "langevin": 0.0,  # deviation of the noise added to the logits before a thought
            # what lies under the noise; or Draft, what the decoder says as a language model
            "start": named("reasoning_jax.models.energy.Noise"),
            # of the step size; or WithinCurvature, which holds it back where energies are sharp
            "size_rule": named("reasoning_jax.models.energy.Learned"),
            "unroll": 1,  # thoughts per iteration of the loop
        }
    )
    # or loss_two_phase (the same, in less memory), loss_truncated (S2), loss_unrolled, and
    # loss_with_draft, which trains a draft too
    block.loss = named("reasoning_jax.models.energy.loss_autodiff")
    block.step_size_rate = 30.0  # of its learning rate, a multiple of the others'; 0: fixed
    # rows of finished thoughts that are kept, and how many go on per fresh row
    block.replay = ConfigDict({"entries": 0, "share": 0.5})
    block.diverged = 10.0  # a loss above so many times ln V ends the run
    block.evaluation = evaluation_of_energy_block()
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against text, model and mesh; raises ValueError."""
    if context.energy is None:
        raise ValueError("the run has no energy model; set config.energy.landscapes, 2 for S1")
    check_text(context, block)
    build_thinking(block)
    function(block.loss, "loss")
    _optimizer(block)
    if block.diverged <= 1:
        raise ValueError(f"diverged is {block.diverged}; ln V is the loss of knowing nothing")
    replayed = _replayed(block)
    if block.replay.entries and (replayed < 1 or block.rows > block.replay.entries):
        raise ValueError(
            f"replay.entries {block.replay.entries} and share {block.replay.share}: entries hold "
            f"at least one batch of {block.rows} rows, and a share of it is one row or more"
        )
    if block.replay.entries and block.micro_batches > 1:
        raise ValueError(
            f"micro_batches is {block.micro_batches}, but with replay the candidates of a whole "
            "batch are kept anyway; set it to 1"
        )
    ev = block.evaluation
    if ev.steps < block.thinking.steps or ev.starts < 1:
        raise ValueError(
            f"evaluation.steps {ev.steps} must be at least thinking.steps "
            f"{block.thinking.steps}, and starts {ev.starts} at least 1"
        )


def run(stage: Stage, params: dict | None) -> dict:
    """Trains from ``params``; returns the trained parameters."""
    context, block = stage.context, stage.config
    rows = training_rows(context, block, stage.seed(0))
    batches = index_batches(len(rows.tokens), block.rows, stage.seed(1))
    thinking, optimizer = build_thinking(block), _optimizer(block)
    schedule, replayed = build_schedule(block.optimizer), _replayed(block)
    update = make_update(
        context.trainable,
        optimizer,
        prepare=lambda batch: batch.replace(weights=token_mean(batch.mask)),
        loss=_loss(context, block, thinking, stage.seed(2)),
        report=lambda batch, rows: _report(thinking, batch, rows),
        micro_batches=block.micro_batches,
    )

    @jax.jit
    def mix(replay: Replay, batch: "_Batch", step: jax.Array) -> "_Batch":
        key = jax.random.fold_in(jax.random.key(stage.seed(3)), step)
        return _with_replayed(batch, draw_replay(replay, key, replayed))

    store = jax.jit(
        lambda replay, batch, candidates: push(
            replay, batch.text(batch.mask), candidates[: block.rows]
        ),
        donate_argnums=0,
    )
    watch = _Watch(stage, context.model.vocab_size, block.diverged)

    def advance(
        state: EnergyState, indices: np.ndarray, step: int
    ) -> tuple[EnergyState, StepResult]:
        fresh = put_batch(_batch(rows, indices, step), context.mesh)
        replay = state.replay
        batch = fresh if replay is None else mix(replay, fresh, np.int32(step))
        train, metrics = update(state.train, batch)
        if replay is not None:
            replay = store(replay, fresh, metrics.pop("candidates"))
        metrics = {f"train/{name}": value for name, value in metrics.items()}
        metrics["train/lr"] = schedule(step)
        tokens = int(rows.loss_mask[indices].sum())
        return EnergyState.of(train, replay), StepResult(metrics, [], tokens, check=watch)

    measure = energy_measure(stage, thinking)
    length = rows.tokens.shape[1] - 1
    position = run_loop(
        stage,
        begin_energy(stage, params, optimizer, batches, block.replay.entries, length),
        Schedule(block.steps, block.log_every, block.evaluate_every, block.checkpoint_every),
        batches,
        advance,
        # What still fills the buffer must not overlap with what is measured.
        lambda state: measure(jax.block_until_ready(state).params),
    )
    stage.finish(position.step, position.state.params)
    return position.state.params


def build_thinking(block: ConfigDict) -> Thinking:
    """How the stage trains to think."""
    settings = dict(block.thinking)
    rules = {
        name: function(settings[name], f"thinking.{name}")() for name in ("start", "size_rule")
    }
    return Thinking(**{**settings, **rules, "min_steps": settings["min_steps"] or None})


class _Watch:
    """Says that training has come apart while the step size of before is still known."""

    def __init__(self, stage: Stage, vocab_size: int, diverged: float):
        self._stage, self._vocab_size, self._diverged = stage.name, vocab_size, diverged
        self._last = stage.context.config.energy.step_size

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        """Raises RuntimeError where a loss or gradient is not finite, or the loss far too large."""
        loss, limit = metrics["train/loss"], self._diverged * math.log(self._vocab_size)
        broken = [k for k, v in metrics.items() if k.startswith("train/") and not math.isfinite(v)]
        if broken or loss > limit:
            what = (
                f"{broken[0]} is {metrics[broken[0]]}"
                if broken
                else f"train/loss is {loss:.4g}, above {limit:.4g}, {self._diverged:g} times that "
                "of knowing nothing,"
            )
            raise RuntimeError(
                f"{self._stage}: {what} at step {step}, the step size of thinking is "
                f"{metrics['train/step_size']:.4g} and was {self._last:.4g} at the last look; "
                f"lower config.energy.step_size, {self._stage}.step_size_rate or the learning "
                "rate; the run goes on from its last checkpoint"
            )
        self._last = metrics["train/step_size"]


@struct.dataclass
class _Batch:
    """Rows [B, T] to predict.

    Attributes:
      tokens, targets, segment_ids: as in EnergyBatch.
      mask: targets that count.
      step, row: [B] numbers that with the seed make the random key of a row.
      start: [B, T, V] candidates to begin with, and whether to: [B] ``replayed``; None: none.
      weights: [B, T] share of each target in the loss of the whole batch.
    """

    tokens: jax.Array
    targets: jax.Array
    segment_ids: jax.Array
    mask: jax.Array
    step: jax.Array
    row: jax.Array
    start: jax.Array | None = None
    replayed: jax.Array | None = None
    weights: jax.Array | None = None

    def text(self, weights: jax.Array) -> EnergyBatch:
        return EnergyBatch(self.tokens, self.targets, weights, self.segment_ids)


def _batch(rows: PackedRows, indices: np.ndarray, step: int) -> _Batch:
    tokens, segments = rows.tokens[indices], rows.segment_ids[indices]
    return _Batch(
        tokens=tokens[:, :-1],
        targets=tokens[:, 1:],
        segment_ids=segments[:, :-1],
        mask=rows.loss_mask[indices][:, 1:],
        step=np.full(len(indices), step, np.int32),
        row=np.arange(len(indices), dtype=np.int32),
    )


def _with_replayed(batch: _Batch, drawn: Replay) -> _Batch:
    """Fresh rows, then rows that go on from where they had arrived."""
    rows, replayed = len(batch.row), len(drawn.tokens)

    def join(fresh: jax.Array, others: jax.Array) -> jax.Array:
        return jnp.concatenate([fresh, others])

    blank = jnp.zeros((rows, *drawn.candidates.shape[1:]), drawn.candidates.dtype)
    return _Batch(
        tokens=join(batch.tokens, drawn.tokens),
        targets=join(batch.targets, drawn.targets),
        segment_ids=join(batch.segment_ids, drawn.segment_ids),
        mask=join(batch.mask, drawn.mask),
        step=join(batch.step, jnp.repeat(batch.step[:1], replayed)),
        row=jnp.arange(rows + replayed, dtype=jnp.int32),
        start=join(blank, drawn.candidates),
        replayed=jnp.arange(rows + replayed) >= rows,
    )


def _loss(context: Context, block: ConfigDict, thinking: Thinking, seed: int):
    loss_of, model = function(block.loss, "loss"), context.energy

    def key_of(step: jax.Array, row: jax.Array) -> jax.Array:
        return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), step), row)

    def loss(params: dict, batch: _Batch) -> tuple[jax.Array, EnergyRows]:
        keys = jax.vmap(key_of)(batch.step, batch.row)
        start = draw_start(model, thinking, keys, batch.tokens.shape[1])
        start = begin(model, params, batch.tokens, batch.segment_ids, start, thinking)
        if batch.start is not None:
            stored = batch.start.astype(jnp.float32)
            goes_on = batch.replayed[:, None, None]
            start = start._replace(candidates=jnp.where(goes_on, stored, start.candidates))
        value, rows = loss_of(model, params, batch.text(batch.weights), start, thinking)
        if batch.start is None:
            rows = rows._replace(candidates=None)
        size = jnp.broadcast_to(params["step_size"], batch.row.shape)
        return value, (rows, jax.lax.stop_gradient(size))

    return loss


def _report(thinking: Thinking, batch: _Batch, of_rows) -> dict[str, jax.Array]:
    """Means over the tokens that take each step, of fresh rows alone."""
    rows, size = of_rows
    fresh = True if batch.replayed is None else ~batch.replayed[:, None]

    def total(values: jax.Array) -> jax.Array:
        return jnp.sum(jnp.where(fresh, values, 0), axis=0)

    weight = jnp.maximum(total(rows.weight), 1e-12)
    nll, energy, slope = (total(x) / weight for x in (rows.nll, rows.energy, rows.slope))
    metrics = {"tokens": jnp.sum(batch.mask), "step_size": size[0]}
    for t in range(thinking.steps):
        metrics |= {f"nll_{t + 1}": nll[t], f"energy_{t}": energy[t], f"slope_{t}": slope[t]}
    if rows.candidates is not None:
        metrics["candidates"] = rows.candidates
    return metrics


def _optimizer(block: ConfigDict) -> optax.GradientTransformation:
    optimizer = build_optimizer(block.optimizer, around_decay=spare_step_size)
    return with_step_size_rate(optimizer, block.step_size_rate)


def _replayed(block: ConfigDict) -> int:
    """Rows per update that go on from stored thoughts."""
    return round(block.replay.share * block.rows) if block.replay.entries else 0
