"""The one optimiser step that every stage uses, sharded and accumulated."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from reasoning_jax.training.state import TrainState, state_shardings
from reasoning_jax.training.trainable import Trainable

Batch = Any
Metrics = dict[str, jax.Array]
# (parameters, part of a prepared batch) -> (its share of the loss, arrays [rows, ...] to report)
Loss = Callable[[Any, Batch], tuple[jax.Array, Any]]


def make_update(
    trainable: Trainable,
    optimizer: optax.GradientTransformation,
    *,
    prepare: Callable[[Batch], Batch],
    loss: Loss,
    report: Callable[[Batch, Any], Metrics],
    micro_batches: int = 1,
) -> Callable[..., tuple[TrainState, Metrics]]:
    """Builds the jitted, donated update of one mesh.

    Denominators belong to the whole optimiser batch: ``prepare`` sees all of it and turns
    them into weights, ``loss`` is a weighted sum over rows, so that gradients add up to the
    same whatever the micro-batching or sharding. ``report`` sees the whole batch again, with
    what ``loss`` gave back row by row.

    Args:
      prepare: whole batch -> pytree of arrays whose first axis is rows.
      loss: see ``Loss``; its parameters are those of the model, whatever of them is trained.
      report: (prepared batch, row-wise arrays) -> scalars.
      micro_batches: parts the batch is cut into; activations of one part live at a time.

    Returns:
      ``update(state, batch, frozen=None) -> (state, metrics)``; frozen as ``trainable`` wants it;
      metrics hold ``loss`` and ``grad_norm`` too.
    """

    def update(state: TrainState, batch: Batch, frozen: Any = None) -> tuple[TrainState, Metrics]:
        def trained_loss(trained: Any, part: Batch) -> tuple[jax.Array, Any]:
            return loss(trainable.assemble_update(trained, frozen, state.step), part)

        prepared = prepare(batch)
        value, rows, grads = accumulate(trained_loss, state.params, prepared, micro_batches)
        grads = jax.lax.with_sharding_constraint(grads, trainable.shardings)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = {
            **report(prepared, rows),
            "loss": value,
            "grad_norm": optax.global_norm(grads),
        }
        return TrainState(state.step + 1, params, opt_state), metrics

    shardings = state_shardings(trainable, optimizer)
    return jax.jit(update, donate_argnums=0, out_shardings=(shardings, None))


def accumulate(
    loss: Loss, params: Any, batch: Batch, micro_batches: int
) -> tuple[jax.Array, Any, Any]:
    """(loss, row-wise arrays, gradients) of the batch, one micro-batch at a time.

    Arrays of the batch need not agree in their rows: each is cut into as many parts.

    Raises:
      ValueError: when the rows are not divisible by ``micro_batches``.
    """
    value_and_grad = jax.value_and_grad(loss, has_aux=True)
    if micro_batches == 1:
        (value, rows), grads = value_and_grad(params, batch)
        return value, rows, grads
    for leaf in jax.tree.leaves(batch):
        if leaf.shape[0] % micro_batches:
            raise ValueError(
                f"a batch of {leaf.shape[0]} rows does not divide into {micro_batches} "
                "micro-batches"
            )

    # Micro-batch m takes rows m, m + M, ...: each device cuts its own rows, none move.
    def cut(x: jax.Array) -> jax.Array:
        return x.reshape(-1, micro_batches, *x.shape[1:]).swapaxes(0, 1)

    def paste(x: jax.Array) -> jax.Array:
        return x.swapaxes(0, 1).reshape(-1, *x.shape[2:])

    def add(carry: tuple[jax.Array, Any], part: Batch):
        (value, rows), grads = value_and_grad(params, part)
        return (carry[0] + value, jax.tree.map(jnp.add, carry[1], grads)), rows

    zeros = jax.tree.map(lambda p: jnp.zeros(p.shape, jnp.float32), params)
    (value, grads), rows = jax.lax.scan(add, (jnp.float32(0), zeros), jax.tree.map(cut, batch))
    return value, jax.tree.map(paste, rows), grads
