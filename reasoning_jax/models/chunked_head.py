"""Scores of tokens from hidden states, a chunk of tokens at a time, with its own gradient.

The logits of a chunk are made, reduced to three numbers a token and forgotten; the backward pass
makes them again. Nothing of size [tokens, V] is kept, the gradient of the head is summed up over
the chunks in float32, and over a mesh it is added up once, not for every chunk.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from reasoning_jax.parallel.mesh import gather, partition

# Log-probability, entropy, log-normaliser.
Scores = tuple[jax.Array, jax.Array, jax.Array]


@dataclasses.dataclass(frozen=True)
class Head:
    """How hidden states become the logits of a softmax.

    Attributes:
      vocab_axis: of the kernel: 0 for a tied embedding [V, M], 1 for a head [M, V].
      dtype: of the operands of products; what they sum up is float32 or wider.
      softcap: cap * tanh(logit / cap); None for off.
      temperature: divides the capped logits, > 0.
      mesh: device mesh of the activations; None on one device.
    """

    vocab_axis: int
    dtype: jnp.dtype
    softcap: float | None = None
    temperature: float = 1.0
    mesh: Mesh | None = None

    @property
    def sums(self) -> jnp.dtype:
        """The dtype of sums, statistics and scores."""
        return jnp.promote_types(self.dtype, jnp.float32)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def chunked_scores(
    head: Head,
    columns: int,
    kernel: jax.Array,
    hidden_BxTxM: jax.Array,
    targets_BxT: jax.Array,
    scored_BxT: jax.Array,
) -> Scores:
    """Scores of targets under softmax(logits of hidden), each [B, T]; 0 where not scored.

    The scored tokens of every row come first, and chunks without any are not computed, so that
    a row costs what it has to score. Differentiable once, in reverse.

    Args:
      columns: tokens of each row in a chunk; B * columns rows of V logits live at a time.
      kernel: [V, M] or [M, V], as ``head.vocab_axis`` says.
      scored_BxT: bool, the tokens whose scores are wanted.
    """
    return _forward(head, columns, kernel, hidden_BxTxM, targets_BxT, scored_BxT)[0]


def _forward(head, columns, kernel, hidden, targets, scored):
    run = _over_mesh(head, functools.partial(_score, head, columns), kernel, targets, 3)
    scores = run(kernel, hidden, targets, scored)
    return scores, (kernel, hidden, targets, scored, scores)


def _backward(head, columns, saved, slopes: Scores):
    kernel, hidden, targets, scored, (_, entropy, lse) = saved
    run = _over_mesh(head, functools.partial(_pull_back, head, columns), kernel, targets, None)
    d_kernel, d_hidden = run(kernel, hidden, targets, scored, entropy, lse, *slopes)
    return d_kernel.astype(kernel.dtype), d_hidden, None, None


chunked_scores.defvjp(_forward, _backward)


def _score(head, columns, split, kernel, hidden_BxTxM, targets_BxT, scored_BxT) -> Scores:
    """``chunked_scores`` of the rows and the part of the vocabulary of one device."""
    order, place_BxT, chunks = _scored_first(scored_BxT, columns, split)
    weight = kernel.astype(head.dtype)

    def add(i: jax.Array, found_3xBxS: jax.Array) -> jax.Array:
        hidden, targets = _chunk(i, columns, order, hidden_BxTxM, targets_BxT)
        logits, _ = _logits(head, hidden, weight)
        top = split.max_over_vocab(jnp.max(logits, axis=-1))
        exps = jnp.exp(logits - top[:, None])
        own = jnp.where(split.is_target(logits, targets), logits, 0)
        sums = jnp.stack([exps.sum(axis=-1), (exps * logits).sum(axis=-1), own.sum(axis=-1)])
        total, moment, chosen = split.sum_over_vocab(sums)
        lse = jnp.log(total) + top
        scores = jnp.stack([chosen - lse, lse - moment / total, lse])
        scores = scores.reshape(3, -1, columns)
        return jax.lax.dynamic_update_slice(found_3xBxS, scores, (0, 0, i * columns))

    found = jnp.zeros((3, *order.index_BxS.shape), head.sums)
    found = jax.lax.fori_loop(0, chunks, add, found)
    return tuple(
        jnp.where(scored_BxT, jnp.take_along_axis(score, place_BxT, axis=1), 0) for score in found
    )


def _pull_back(
    head, columns, split, kernel, hidden_BxTxM, targets_BxT, scored_BxT, entropy, lse, *slopes
) -> tuple[jax.Array, jax.Array]:
    """Gradients of kernel and hidden states from those of the scores.

    With p the softmax of the logits z, E = sum p z = lse - entropy, and slopes a, b, c of
    log-probability, entropy and log-normaliser: dz = a [target] + p (c - a + b E - b z).
    """
    order, place_BxT, chunks = _scored_first(scored_BxT, columns, split)
    weight = kernel.astype(head.dtype)
    a, b, c = (jnp.where(scored_BxT, slope, 0) for slope in slopes)
    rows_4xBxT = jnp.stack([lse, a, b, c - a + b * (lse - entropy)])

    def add(i: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        d_kernel_MxV, d_hidden_BxSxM = carry
        hidden, targets, *rows = _chunk(i, columns, order, hidden_BxTxM, targets_BxT, *rows_4xBxT)
        lse, a, b, rest = (row[:, None] for row in rows)
        logits, slope = _logits(head, hidden, weight)
        d_logits = jnp.exp(logits - lse) * (rest - b * logits)
        d_logits += jnp.where(split.is_target(logits, targets), a, 0)
        d_products = (d_logits * slope).astype(head.dtype)
        d_chunk = split.sum_over_vocab(_dot(head, d_products, weight, 1, head.vocab_axis))
        d_chunk = d_chunk.astype(hidden.dtype).reshape(-1, columns, hidden.shape[-1])
        d_hidden = jax.lax.dynamic_update_slice(d_hidden_BxSxM, d_chunk, (0, i * columns, 0))
        # [M, V] whatever the kernel: CPUs transpose the smaller operand faster.
        return d_kernel_MxV + _dot(head, hidden, d_products, 0, 0), d_hidden

    d_kernel = jnp.zeros(kernel.shape if head.vocab_axis else kernel.shape[::-1], head.sums)
    d_hidden = jnp.zeros((*order.index_BxS.shape, hidden_BxTxM.shape[-1]), hidden_BxTxM.dtype)
    d_kernel, d_hidden = jax.lax.fori_loop(0, chunks, add, (d_kernel, d_hidden))
    d_kernel = split.sum_over_batch(d_kernel if head.vocab_axis else d_kernel.T)
    d_hidden = jnp.take_along_axis(d_hidden, place_BxT[..., None], axis=1)
    return d_kernel, jnp.where(scored_BxT[..., None], d_hidden, 0)


def _logits(head: Head, hidden_NxM: jax.Array, weight: jax.Array):
    """Capped logits over the temperature [N, V], and their derivative by the product."""
    products = _dot(head, hidden_NxM.astype(head.dtype), weight, 1, 1 - head.vocab_axis)
    if head.softcap is None:
        return products / head.temperature, 1 / head.temperature
    share = jnp.tanh(products / head.softcap)
    return share * (head.softcap / head.temperature), (1 - share * share) / head.temperature


def _dot(head: Head, x: jax.Array, y: jax.Array, x_axis: int, y_axis: int) -> jax.Array:
    dimensions = (((x_axis,), (y_axis,)), ((), ()))
    return jax.lax.dot_general(x, y, dimensions, preferred_element_type=head.sums)


class _Order(NamedTuple):
    """The scored tokens of every row first: which token stands at a place, and whether one does.

    Attributes:
      index_BxS: into T; S is a multiple of the columns of a chunk.
      holds_BxS: bool, True where the token is scored.
    """

    index_BxS: jax.Array
    holds_BxS: jax.Array


def _scored_first(
    scored_BxT: jax.Array, columns: int, split: "_Split"
) -> tuple[_Order, jax.Array, jax.Array]:
    """The order, the place [B, T] of each token in it, and how many chunks hold scored tokens."""
    index_BxT = jnp.argsort(~scored_BxT, axis=1, stable=True)
    place_BxT = jnp.argsort(index_BxT, axis=1)
    index_BxS = jnp.pad(index_BxT, ((0, 0), (0, -scored_BxT.shape[1] % columns)))
    count_B = jnp.sum(scored_BxT, axis=1)
    holds_BxS = jnp.arange(index_BxS.shape[1]) < count_B[:, None]
    most = split.max_over_batch(jnp.max(count_B))
    return _Order(index_BxS, holds_BxS), place_BxT, -(-most // columns)


def _chunk(i: jax.Array, columns: int, order: _Order, *arrays: jax.Array) -> list[jax.Array]:
    """Chunk i of arrays [B, T, ...] in the order, each [B * columns, ...]; 0 where none stands."""
    index, holds = (jax.lax.dynamic_slice_in_dim(x, i * columns, columns, axis=1) for x in order)

    def take(x: jax.Array) -> jax.Array:
        ones = (1,) * (x.ndim - 2)
        taken = jnp.take_along_axis(x, index.reshape(*index.shape, *ones), axis=1)
        taken = jnp.where(holds.reshape(*holds.shape, *ones), taken, 0)
        return taken.reshape(-1, *x.shape[2:])

    return [take(x) for x in arrays]


@dataclasses.dataclass(frozen=True)
class _Split:
    """Over which mesh axes the rows and the vocabulary are split, seen from one device."""

    batch: tuple[str, ...] = ()
    vocab: tuple[str, ...] = ()

    def max_over_batch(self, x: jax.Array) -> jax.Array:
        return jax.lax.pmax(x, self.batch) if self.batch else x

    def max_over_vocab(self, x: jax.Array) -> jax.Array:
        return jax.lax.pmax(x, self.vocab) if self.vocab else x

    def sum_over_batch(self, x: jax.Array) -> jax.Array:
        return jax.lax.psum(x, self.batch) if self.batch else x

    def sum_over_vocab(self, x: jax.Array) -> jax.Array:
        return jax.lax.psum(x, self.vocab) if self.vocab else x

    def is_target(self, logits_NxV: jax.Array, targets_N: jax.Array) -> jax.Array:
        """[N, V] bool, True at the target, if its part of the vocabulary is here."""
        size = logits_NxV.shape[1]
        first = jax.lax.axis_index(self.vocab) * size if self.vocab else 0
        return jnp.arange(size) == targets_N[:, None] - first


def _over_mesh(head: Head, function, kernel: jax.Array, targets: jax.Array, n_scores: int | None):
    """The function (split, kernel, *rows) on every device of the mesh with its own part.

    Args:
      n_scores: how many arrays [B, T] it gives; None where it gives (kernel, hidden) gradients.
    """
    if head.mesh is None or head.mesh.size == 1:
        return functools.partial(function, _Split())
    axes = ("vocab", None) if head.vocab_axis == 0 else (None, "vocab")
    of_kernel = partition(head.mesh, axes, kernel.shape).spec
    of_rows = partition(head.mesh, ("batch", None), targets.shape).spec
    split = _Split(of_rows[0] or (), of_kernel[head.vocab_axis] or ())

    def on_mesh(kernel: jax.Array, *rows: jax.Array):
        embed = ("vocab", "embed") if head.vocab_axis == 0 else ("embed", "vocab")
        outputs = (of_kernel, of_rows) if n_scores is None else (of_rows,) * n_scores
        return jax.shard_map(
            functools.partial(function, split),
            mesh=head.mesh,
            in_specs=(of_kernel, *(PartitionSpec(of_rows[0]) for _ in rows)),
            out_specs=outputs,
            check_vma=False,  # the loops run different numbers of times for different rows
        )(gather(kernel, head.mesh, *embed), *rows)

    return on_mesh
