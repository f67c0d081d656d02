"""The gradient of thinking in two phases, with nothing as large as the vocabulary kept.

An energy sees a candidate through its embedding x = softmax(y) W alone. So every array over
the vocabulary belongs to single positions: it is made for a piece of the columns at a time, and
only embeddings and their derivatives [B, T, M] pass between the pieces and the layers.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reasoning_jax.models.energy.loss import (
    EnergyBatch,
    EnergyRows,
    energy_rows,
    loss_autodiff,
    nll,
    step_sums,
    step_weights,
)
from reasoning_jax.models.energy.model import EnergyModel
from reasoning_jax.models.energy.streams import (
    EnergyContext,
    embed_candidates,
    embedded_energy,
    encode,
)
from reasoning_jax.models.energy.thinking import Start, Thinking, step_noise, step_sizes
from reasoning_jax.parallel import batch_ways

# Most entries of one array over the vocabulary, on a device.
PIECE = 1 << 21


def loss_two_phase(
    model: EnergyModel, params: dict, batch: EnergyBatch, start: Start, thinking: Thinking
) -> tuple[jax.Array, EnergyRows]:
    """Value and gradient of ``loss_autodiff`` without reverse over reverse.

    With v = dCE/dy' at y' = y - size dE/dy, the gradient of a step is that of
    -size <v, dE/dy> where v and y are constants, and <v, dE/dy> is the derivative of E along
    v: one forward derivative, which reverse mode differentiates once. Gradients are made along
    with the steps, and add up. Of arrays over the vocabulary, the candidates before and after
    a step are whole, all else is made in pieces of the columns.

    Raises:
      ValueError: the model's context is another one at every step.
    """
    if model.conditioning != "candidate":
        raise ValueError(
            f"conditioning is {model.conditioning!r}: loss_two_phase computes the context once; "
            "take loss_autodiff"
        )

    @jax.custom_vjp
    def loss(params: dict) -> tuple[jax.Array, EnergyRows]:
        return loss_autodiff(model, params, batch, start, thinking)

    def forward(params: dict):
        value, rows, grads = _two_phase(model, params, batch, start, thinking)
        return (value, rows), grads

    def backward(grads: dict, cotangents: tuple[jax.Array, EnergyRows]) -> tuple[dict]:
        return (jax.tree.map(lambda grad: grad * cotangents[0], grads),)

    loss.defvjp(forward, backward)
    return loss(params)


class _Piece(NamedTuple):
    """Columns of a batch, all [B, C, ...]; of all pieces [N, B, C, ...].

    Attributes:
      candidates: [B, C, V] logits, noise added.
      real: False in padding; None where there is none.
      scales: of the step size.
      batch: their tokens.
    """

    candidates: jax.Array
    real: jax.Array | None
    scales: jax.Array
    batch: EnergyBatch


def _two_phase(
    model: EnergyModel, params: dict, batch: EnergyBatch, start: Start, thinking: Thinking
) -> tuple[jax.Array, EnergyRows, dict]:
    """Value, rows and gradient; gradients add up along the steps, nothing is kept of a step."""
    rows, length, vocabulary = start.candidates.shape
    n_pieces = _count(length, rows * vocabulary // _ways(model))
    split = functools.partial(_split, n_pieces=n_pieces)
    context, through_context = jax.vjp(
        lambda params: encode(model, params, batch.tokens, batch.segment_ids), params
    )
    streams = _Streams(*_of_layers(params), context.keys, context.values)
    pieces = _Piece(
        split(start.candidates),
        None if batch.segment_ids is None else split(batch.segment_ids > 0),
        split(start.step_scales),
        jax.tree.map(split, batch),
    )
    columns = jnp.arange(length).reshape(n_pieces, -1)

    def refine(carry, xs):
        (candidates, of_streams, of_table, of_size), (t, weight_B) = carry, xs
        steps_B = jnp.full_like(start.n_steps, t)
        moving_B = steps_B < start.n_steps
        if thinking.langevin:
            scale_B = jnp.where(moving_B, thinking.langevin, 0.0)[:, None, None]
            candidates = jax.lax.map(
                lambda x: x[0] + scale_B * step_noise(model, steps_B, start.keys, x[1], 1.0),
                (candidates, columns),
            )
        now = pieces._replace(candidates=candidates)

        def energies(streams: _Streams, x: jax.Array) -> jax.Array:
            return streams.energies(model, params, context, x, steps_B)

        x = _join(jax.lax.map(lambda piece: _embed(model, params, piece), now))
        energy, pull = jax.vjp(lambda x: energies(streams, x), x)
        slopes_x = split(pull(jnp.ones_like(energy))[0])
        moved, dx, per_size, norm, nll_NxB = jax.lax.map(
            lambda xs: _descend(model, params, weight_B, moving_B, *xs), (now, slopes_x)
        )
        dx = _join(dx)

        def derivative(streams: _Streams, x: jax.Array) -> jax.Array:
            return jnp.sum(jax.jvp(lambda x: energies(streams, x), (x,), (dx,))[1])

        added, of_x = jax.grad(derivative, argnums=(0, 1))(streams, x)
        of_streams = jax.tree.map(jnp.add, of_streams, added)
        of_size += jax.grad(lambda size: jnp.sum(step_sizes({"step_size": size}, _join(per_size))))(
            params["step_size"]
        )
        of_table, _ = jax.lax.scan(
            lambda total, xs: (total + _of_table(model, params, weight_B, *xs), None),
            of_table,
            (now, moved, slopes_x, split(of_x)),
        )
        nll_B = jnp.sum(nll_NxB, axis=0)
        sums = step_sums(nll_B, energy, _join(norm), batch, moving_B)
        return (moved, of_streams, of_table, of_size), (weight_B @ nll_B, sums)

    trained = (streams, params["candidate_embedding"], params["step_size"])
    (moved, of_streams, of_table, of_size), (values, sums) = jax.lax.scan(
        refine,
        (pieces.candidates, *jax.tree.map(jnp.zeros_like, trained)),
        (jnp.arange(thinking.steps), step_weights(start, thinking)),
        unroll=thinking.unroll,
    )
    cotangents = jax.tree.map(_no_gradient, context)
    cotangents = cotangents.replace(keys=of_streams.keys, values=of_streams.values)
    (grads,) = through_context(cotangents)
    added = {
        "decoder": of_streams.layers,
        **of_streams.beside,
        "candidate_embedding": of_table,
        "step_size": of_size,
    }
    return jnp.sum(values), energy_rows(sums, _join(moved), batch), _add_where(grads, added)


class _Streams(NamedTuple):
    """What energies of embedded candidates depend on: layers, what stands beside, the context."""

    layers: dict
    beside: dict
    keys: jax.Array
    values: jax.Array

    def energies(self, model, params, context: EnergyContext, x, steps_B) -> jax.Array:
        """[B, T]; of ``params`` and ``context`` everything else is constant."""
        layered = {"decoder": {**params["decoder"], **self.layers}, **self.beside}
        context = context.replace(keys=self.keys, values=self.values)
        return embedded_energy(model, layered, context, x, steps_B)


def _embed(model: EnergyModel, params: dict, piece: _Piece) -> jax.Array:
    """[B, C, M]."""
    candidates = piece.candidates
    if piece.real is not None:
        candidates = jnp.where(piece.real[:, :, None], candidates, 0)
    return embed_candidates(model, params, candidates)


def _descend(model: EnergyModel, params: dict, weight_B, moving_B, piece: _Piece, slope_x):
    """A step from dE/dx [B, C, M].

    Returns:
      candidates [B, C, V] after it; -size v as a change of the embedding, [B, C, M]; -<v, dE/dy>
      times the scale, [B, C]; |dE/dy| [B, C]; negative log-likelihoods [B].
    """
    slope = _slope_through(model, params, piece, slope_x)
    moved = piece.candidates - step_sizes(params, piece.scales) * slope
    moved = jnp.where(moving_B[:, None, None], moved, piece.candidates)
    v = _slope_of_loss(moved, weight_B, piece)
    per_size = -piece.scales * jnp.sum(v * slope, axis=-1)
    _, dx = _embed_along(model, params, piece, -step_sizes(params, piece.scales) * v)
    return moved, dx, per_size, jnp.linalg.norm(slope, axis=-1), nll(moved, piece.batch)


def _of_table(
    model: EnergyModel,
    params: dict,
    weight_B: jax.Array,
    piece: _Piece,
    moved: jax.Array,
    slope_x: jax.Array,
    of_x: jax.Array,
) -> jax.Array:
    """Gradient of the embedding of candidates, [V, M], from those of x and of its change."""
    v = _slope_of_loss(moved, weight_B, piece)
    direction = -step_sizes(params, piece.scales) * v

    def along(table: jax.Array) -> jax.Array:
        x, dx = _embed_along(model, {"candidate_embedding": table}, piece, direction)
        return jnp.sum(x * of_x + dx * slope_x)

    return jax.grad(along)(params["candidate_embedding"])


def _slope_through(model: EnergyModel, params: dict, piece: _Piece, slope_x) -> jax.Array:
    """dE/dy [B, C, V] from dE/dx."""

    def embed(candidates: jax.Array) -> jax.Array:
        return _embed(model, params, piece._replace(candidates=candidates))

    return jax.vjp(embed, piece.candidates)[1](slope_x)[0]


def _embed_along(model: EnergyModel, params: dict, piece: _Piece, direction: jax.Array):
    """(x, its change) along a direction of the candidates."""

    def embed(candidates: jax.Array) -> jax.Array:
        return _embed(model, params, piece._replace(candidates=candidates))

    return jax.jvp(embed, (piece.candidates,), (direction,))


def _slope_of_loss(candidates: jax.Array, weight_B: jax.Array, piece: _Piece) -> jax.Array:
    """v: slope of this step's share of the loss, [B, C, V]."""
    return jax.grad(lambda y: weight_B @ nll(y, piece.batch))(candidates)


def _of_layers(params: dict) -> tuple[dict, dict]:
    """What the layers of a candidate take of the decoder, and of what stands beside it."""
    decoder = {name: tree for name, tree in params["decoder"].items() if name != "embedding"}
    return decoder, {name: params[name] for name in ("landscape_embedding", "head")}


def _add_where(tree: dict, added: dict) -> dict:
    """Adds the leaves that ``added`` has."""
    return {
        name: value
        if name not in added
        else _add_where(value, added[name])
        if isinstance(value, dict)
        else value + added[name]
        for name, value in tree.items()
    }


def _no_gradient(x: jax.Array) -> np.ndarray:
    """The cotangent of an array of integers."""
    return np.zeros(x.shape, jax.dtypes.float0)


def _ways(model: EnergyModel) -> int:
    """Devices that share an array over rows and the vocabulary."""
    mesh = model.decoder.mesh
    return 1 if mesh is None else batch_ways(mesh) * mesh.shape["tensor"]


def _count(length: int, per_column: int) -> int:
    """Fewest equal pieces of the columns of which none holds more than PIECE entries."""
    least = min(-(-length * per_column // PIECE), length)
    return next(n for n in range(least, length + 1) if length % n == 0)


def _split(x: jax.Array, n_pieces: int) -> jax.Array:
    """[B, T, ...] -> [N, B, T / N, ...]."""
    return x.reshape(x.shape[0], n_pieces, -1, *x.shape[2:]).swapaxes(0, 1)


def _join(x: jax.Array) -> jax.Array:
    """[N, B, T / N, ...] -> [B, T, ...]."""
    return x.swapaxes(0, 1).reshape(x.shape[1], -1, *x.shape[3:])
