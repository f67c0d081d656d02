"""Choosing the next token from logits: no sort of the vocabulary, one uniform number per row."""

import dataclasses

import jax
import jax.numpy as jnp
from flax import struct

_BLOCK = 128
_BISECTIONS = 30


@struct.dataclass
class Wishes:
    """How the token of each row is to be chosen.

    Attributes:
      temperature: [B] > 0; logits are divided by it, and log-probabilities are reported at it.
      greedy: [B] bool, the most likely token instead of a draw.
      top_k: [B] int32, how many of the most likely tokens to keep; 0 for all.
      top_p: [B] keep the fewest tokens whose probability reaches it; 1 for all.
    """

    temperature: jax.Array
    greedy: jax.Array
    top_k: jax.Array
    top_p: jax.Array


@dataclasses.dataclass(frozen=True)
class Rule:
    """What the wishes of a batch have in common; static, so every rule is a program of its own.

    Attributes:
      vocab_size: ids from here on are padding rows of the embedding and never chosen.
      greedy: some row wants the most likely token.
      draws: some row wants a draw.
      best: no row's top_k is above it; 0 where no row has one.
      nucleus: some row has a top_p below 1 and no top_k.
    """

    vocab_size: int
    greedy: bool
    draws: bool
    best: int
    nucleus: bool


def choose(
    logits_BxV: jax.Array, uniform_B: jax.Array, wishes: Wishes, rule: Rule
) -> tuple[jax.Array, jax.Array]:
    """The next token of each row, [B] int32, and its log-probability, [B] float32.

    The log-probability is that of the softmax over all V rows of the embedding, unrestricted.

    Args:
      uniform_B: numbers in [0, 1); a draw depends on them alone.
    """
    scaled = logits_BxV / wishes.temperature[:, None]
    highest = scaled.max(axis=-1, keepdims=True)
    weights = jnp.exp(scaled - highest)
    log_total = jnp.log(weights.sum(axis=-1)) + highest[:, 0]
    if rule.vocab_size < scaled.shape[1]:
        known = jnp.arange(scaled.shape[1]) < rule.vocab_size
        scaled, weights = jnp.where(known, scaled, -jnp.inf), jnp.where(known, weights, 0)
    if rule.draws:
        token = inverse_cdf(restrict(scaled, weights, wishes, rule), uniform_B)
        if rule.greedy:
            token = jnp.where(wishes.greedy, greedy(scaled), token)
    else:
        token = greedy(scaled)
    chosen = jnp.take_along_axis(scaled, token[:, None], axis=1)[:, 0]
    return token, chosen - log_total


def greedy(logits_BxV: jax.Array) -> jax.Array:
    """Most likely token of each row, the first of equals; [B] int32."""
    # Two plain reductions: argmax is not vectorised on CPUs.
    size = logits_BxV.shape[-1]
    index_V = jnp.arange(size, dtype=jnp.int32)
    highest = logits_BxV.max(axis=-1, keepdims=True)
    return jnp.minimum(jnp.where(logits_BxV == highest, index_V, size).min(axis=-1), size - 1)


def sample(
    logits_BxV: jax.Array, uniform_B: jax.Array, *, top_k: int = 0, top_p: float = 1.0
) -> jax.Array:
    """Draws from softmax(logits) restricted to top-k, then top-p, ties all kept; [B] int32.

    Args:
      logits_BxV: already divided by the temperature; -inf is never drawn.
      uniform_B: numbers in [0, 1).
    """
    rows, size = logits_BxV.shape
    wishes = Wishes(
        jnp.ones(rows), jnp.zeros(rows, bool), jnp.full(rows, top_k), jnp.full(rows, top_p)
    )
    rule = Rule(size, greedy=False, draws=True, best=top_k, nucleus=top_p < 1 and not top_k)
    weights = jnp.exp(logits_BxV - logits_BxV.max(axis=-1, keepdims=True))
    return inverse_cdf(restrict(logits_BxV, weights, wishes, rule), uniform_B)


def restrict(
    scaled_BxV: jax.Array, weights_BxV: jax.Array, wishes: Wishes, rule: Rule
) -> jax.Array:
    """The weights of what top-k, then top-p keep of each row, ties all kept; 0 elsewhere.

    Args:
      scaled_BxV: logits over the temperature, -inf for what is never drawn.
      weights_BxV: proportional to their exponentials, at most 1.
    """
    if rule.best:
        head_BxK = jax.lax.top_k(scaled_BxV, min(rule.best, scaled_BxV.shape[1]))[0]
        last = jnp.clip(wishes.top_k - 1, 0, head_BxK.shape[1] - 1)
        kth = jnp.take_along_axis(head_BxK, last[:, None], axis=1)
        kept = (wishes.top_k == 0)[:, None] | (scaled_BxV >= kth)
        weights_BxV = jnp.where(kept, weights_BxV, 0)
        # The nucleus lies within the head, which is sorted: no bisection.
        mass = jnp.cumsum(jnp.exp(head_BxK - head_BxK[:, :1]), axis=1)
        total = weights_BxV.sum(axis=-1) / weights_BxV.max(axis=-1)
        reached = (wishes.top_p < 1)[:, None] & (mass >= (wishes.top_p * total)[:, None])
        first = jnp.where(reached.any(axis=1), jnp.argmax(reached, axis=1), last)
        edge = jnp.take_along_axis(head_BxK, jnp.minimum(first, last)[:, None], axis=1)
        inside = (wishes.top_k == 0)[:, None] | (scaled_BxV >= edge)
        weights_BxV = jnp.where(inside, weights_BxV, 0)
    if rule.nucleus:
        wanted = jnp.where(wishes.top_k == 0, wishes.top_p, 1)
        edge = nucleus_threshold(weights_BxV, wanted * weights_BxV.sum(axis=-1))
        inside = (wanted >= 1)[:, None] | (weights_BxV >= edge)
        weights_BxV = jnp.where(inside, weights_BxV, 0)
    return weights_BxV


def nucleus_threshold(weights_BxV: jax.Array, mass_B: jax.Array) -> jax.Array:
    """Largest t [B, 1] with sum{weights >= t} >= mass, by bisection; ties are all kept."""
    wanted = mass_B[:, None]

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        mass = jnp.where(weights_BxV >= middle, weights_BxV, 0).sum(axis=-1, keepdims=True)
        enough = mass >= wanted
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    high = weights_BxV.max(axis=-1, keepdims=True)
    return jax.lax.fori_loop(0, _BISECTIONS, halve, (jnp.zeros_like(high), high))[0]


def inverse_cdf(weights_BxV: jax.Array, uniform_B: jax.Array) -> jax.Array:
    """First index whose cumulative weight exceeds uniform * total; never a zero weight.

    Two levels (blocks, then inside one block), so that a large vocabulary costs one pass.
    """
    b, v = weights_BxV.shape
    if v <= 2 * _BLOCK:
        return _first_above(weights_BxV, uniform_B * weights_BxV.sum(axis=-1))
    weights = jnp.pad(weights_BxV, ((0, 0), (0, -v % _BLOCK))).reshape(b, -1, _BLOCK)
    mass_BxN = weights.sum(axis=-1)
    target_B = uniform_B * mass_BxN.sum(axis=-1)
    block_B = _first_above(mass_BxN, target_B)
    before_BxN = jnp.cumsum(mass_BxN, axis=-1) - mass_BxN
    inside_B = target_B - jnp.take_along_axis(before_BxN, block_B[:, None], axis=1)[:, 0]
    chosen_BxC = jnp.take_along_axis(weights, block_B[:, None, None], axis=1)[:, 0]
    return block_B * _BLOCK + _first_above(chosen_BxC, inside_B)


def _first_above(weights_BxN: jax.Array, target_B: jax.Array) -> jax.Array:
    # Selected by the weights, not by the sums alone: summed in parallel, those may round up
    # where a weight is 0, and a target may lie below its block or beyond the very end.
    index_N = jnp.arange(weights_BxN.shape[-1], dtype=jnp.int32)
    positive = weights_BxN > 0
    above = positive & (jnp.cumsum(weights_BxN, axis=-1) > target_B[:, None])
    last = jnp.max(jnp.where(positive, index_N, 0), axis=-1, keepdims=True)
    return jnp.min(jnp.where(above, index_N, last), axis=-1)
