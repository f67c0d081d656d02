"""The jitted loop of generation by an energy model: a prefill, then thoughts over the cache.

A token costs one pass of its own through the context, which writes the cache, and two for each
thought about the next one (a forward and a backward pass of one candidate): nothing that was
written is read again but by attention.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from flax import struct

from reasoning_jax.models.cache import LayerCache
from reasoning_jax.models.energy import (
    CachedContext,
    EnergyModel,
    Thinking,
    as_draft,
    least_energy,
    think_next,
)
from reasoning_jax.models.transformer import decode_step, prefill, unstack_layers
from reasoning_jax.sampling import choose


@dataclasses.dataclass(frozen=True)
class EnergyRule:
    """How tokens are thought of and chosen; static, so every rule is a program of its own.

    Attributes:
      thinking: about each token.
      candidates: M, of which the one of least energy is taken.
      eos_ids: ids that end a row.
      vocab_size: ids from here on are padding rows of the embedding and never chosen.
      greedy: take the most likely token instead of drawing one.
      top_k, top_p: as in SamplingParams.
    """

    thinking: Thinking
    candidates: int
    eos_ids: tuple[int, ...]
    vocab_size: int
    greedy: bool
    top_k: int
    top_p: float


@struct.dataclass
class EnergyDecodeState:
    """What the loop carries; B rows, N = max_tokens, S = T + N columns.

    Prompts are left-padded to T columns so that all rows write the same column.

    Attributes:
      caches: one per layer; the token of the latest step is not in them yet.
      keys: [B] random key of each row.
      first_steps: [B] step of the response that the first token generated here stands for.
      limits: [B] most tokens to generate.
      prompt_starts: [B] first column of each prompt.
      prompt_columns: scalar T.
      tokens: [B, N] generated ids.
      logprobs: [B, N] of those ids, full softmax at the sampling temperature.
      counts: [B] generated tokens.
      finished: [B] ended by an end-of-sequence id or its limit, or stopped from outside.
      step: scalar, tokens generated so far in the longest row.
    """

    caches: list[LayerCache]
    keys: jax.Array
    first_steps: jax.Array
    limits: jax.Array
    prompt_starts: jax.Array
    prompt_columns: jax.Array
    tokens: jax.Array
    logprobs: jax.Array
    counts: jax.Array
    finished: jax.Array
    step: jax.Array


@functools.partial(jax.jit, static_argnames=("model", "rule", "n", "max_tokens"))
def start(
    model: EnergyModel,
    params: dict,
    tokens_PxT: jax.Array,
    starts_P: jax.Array,
    keys_P: tuple[jax.Array, jax.Array, jax.Array],
    first_steps_P: jax.Array,
    limits_P: jax.Array,
    temperature: jax.Array,
    *,
    rule: EnergyRule,
    n: int,
    max_tokens: int,
) -> EnergyDecodeState:
    """Prefills P left-padded prompts, repeats each n times and chooses the first tokens.

    Args:
      starts_P: first column of each prompt; equal to T for a row that is only padding.
      keys_P: seed, prompt id and index of the first sample, uint32 or int32 each.
      first_steps_P: step of the next token; above 0 where a prompt holds a response begun before.
      limits_P: most tokens to generate, at most max_tokens.
      temperature: > 0; log-probabilities are reported at it, greedy or not.
    """
    length = tokens_PxT.shape[1]
    segment_ids = (jnp.arange(length) >= starts_P[:, None]).astype(jnp.int32)
    decoder = params["decoder"]
    caches, logits_P = prefill(model.decoder, decoder, tokens_PxT, segment_ids, length + max_tokens)
    rows = tokens_PxT.shape[0] * n

    def row_key(seed, prompt_id, sample):
        return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), prompt_id), sample)

    seeds, prompt_ids, samples = (jnp.repeat(x, n) for x in keys_P)
    starts_B, limits_B = jnp.repeat(starts_P, n), jnp.repeat(limits_P, n)
    state = EnergyDecodeState(
        caches=[cache.repeat(n) for cache in caches],
        keys=jax.vmap(row_key)(seeds, prompt_ids, samples + jnp.tile(jnp.arange(n), rows // n)),
        first_steps=jnp.repeat(first_steps_P, n),
        limits=limits_B,
        prompt_starts=starts_B,
        prompt_columns=jnp.asarray(length),
        tokens=jnp.zeros((rows, max_tokens), jnp.int32),
        logprobs=jnp.zeros((rows, max_tokens), jnp.float32),
        counts=jnp.zeros(rows, jnp.int32),
        finished=(starts_B == length) | (limits_B == 0),
        step=jnp.asarray(0),
    )
    layers = unstack_layers(decoder, model.decoder.config.n_layers)
    logits = jnp.repeat(logits_P, n, axis=0)
    return _think_and_append(model, params, layers, state, logits, temperature, rule)


@functools.partial(jax.jit, static_argnames=("model", "rule"), donate_argnames=("state",))
def advance(
    model: EnergyModel,
    params: dict,
    state: EnergyDecodeState,
    until: jax.Array,
    temperature: jax.Array,
    *,
    rule: EnergyRule,
) -> EnergyDecodeState:
    """Generates until step ``until``, or until every row has finished."""
    layers = unstack_layers(params["decoder"], model.decoder.config.n_layers)

    def step(s: EnergyDecodeState) -> EnergyDecodeState:
        caches, logits = write_latest(model, params, layers, s)
        s = s.replace(caches=caches)
        return _think_and_append(model, params, layers, s, logits, temperature, rule)

    return jax.lax.while_loop(lambda s: (s.step < until) & jnp.any(~s.finished), step, state)


def write_latest(
    model: EnergyModel, params: dict, layers: list[dict], s: EnergyDecodeState
) -> tuple[list[LayerCache], jax.Array]:
    """The caches with the token of the latest step in them, and the decoder's own logits [B, V]."""
    token = jax.lax.dynamic_index_in_dim(s.tokens, s.step - 1, axis=1, keepdims=False)
    column = s.prompt_columns + s.step - 1
    visible = _visible(s, column)
    positions = column - s.prompt_starts
    return decode_step(
        model.decoder, params["decoder"], layers, s.caches, token, positions, column, visible
    )


def context_of(layers: list[dict], s: EnergyDecodeState) -> CachedContext:
    """What the next token of every row is thought of over, all tokens before being in the cache."""
    column = s.prompt_columns + s.step - 1
    return CachedContext(
        layers, s.caches, _visible(s, column), column, column + 1 - s.prompt_starts
    )


def _visible(s: EnergyDecodeState, column: jax.Array) -> jax.Array:
    columns = jnp.arange(s.caches[0].v_BxKxSxD.shape[2])
    return (columns >= s.prompt_starts[:, None]) & (columns <= column)


def _think_and_append(
    model: EnergyModel,
    params: dict,
    layers: list[dict],
    s: EnergyDecodeState,
    logits: jax.Array,
    temperature: jax.Array,
    rule: EnergyRule,
) -> EnergyDecodeState:
    """Thinks about the next token of every row, and chooses it where the row has not finished."""
    context = context_of(layers, s)
    draft = as_draft(logits) if rule.thinking.drafts else None
    thoughts = think_next(model, params, context, s.keys, rule.thinking, rule.candidates, draft)
    logits, _ = least_energy(thoughts)
    scaled = logits / temperature
    allowed = jnp.where(jnp.arange(scaled.shape[1]) < rule.vocab_size, scaled, -jnp.inf)
    if rule.greedy:
        token = choose.greedy(allowed)
    else:
        uniform = jax.vmap(lambda key, step: jax.random.uniform(jax.random.fold_in(key, step)))(
            s.keys, s.first_steps + s.step
        )
        token = choose.sample(allowed, uniform, top_k=rule.top_k, top_p=rule.top_p)
    chosen = jnp.take_along_axis(scaled, token[:, None], axis=1)[:, 0]
    logprob = chosen - jax.nn.logsumexp(scaled, axis=-1)
    live = ~s.finished
    counts = s.counts + live
    ended = jnp.isin(token, jnp.asarray(rule.eos_ids, jnp.int32)) | (counts >= s.limits)
    return s.replace(
        tokens=s.tokens.at[:, s.step].set(jnp.where(live, token, 0)),
        logprobs=s.logprobs.at[:, s.step].set(jnp.where(live, logprob, 0)),
        counts=counts,
        finished=s.finished | ended,
        step=s.step + 1,
    )
