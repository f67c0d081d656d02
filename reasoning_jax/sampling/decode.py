"""The jitted generation loop: prefill once per prompt, then one column per step."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from flax import struct

from reasoning_jax.models.cache import LayerCache
from reasoning_jax.models.transformer import Transformer, decode_step, prefill, unstack_layers
from reasoning_jax.sampling import choose


@dataclasses.dataclass(frozen=True)
class Rule:
    """How tokens are chosen; static, so every rule is a program of its own.

    Attributes:
      eos_ids: ids that end a row.
      vocab_size: ids from here on are padding rows of the embedding and never chosen.
      greedy: take the most likely token instead of drawing one.
      top_k, top_p: as in SamplingParams.
    """

    eos_ids: tuple[int, ...]
    vocab_size: int
    greedy: bool
    top_k: int
    top_p: float


@struct.dataclass
class DecodeState:
    """Everything the loop carries; B = P prompts x n samples, N = max_tokens, S = T + N.

    Prompts are left-padded to T columns so that all rows write the same column.

    Attributes:
      caches: one per layer, S columns; the token of the latest step is not in them yet.
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
    model: Transformer,
    params: dict,
    tokens_PxT: jax.Array,
    starts_P: jax.Array,
    seed: jax.Array,
    prompt_ids_P: jax.Array,
    samples_P: jax.Array,
    first_steps_P: jax.Array,
    limits_P: jax.Array,
    temperature: jax.Array,
    *,
    rule: Rule,
    n: int,
    max_tokens: int,
) -> DecodeState:
    """Prefills P left-padded prompts, repeats each n times and chooses the first tokens.

    Args:
      starts_P: first column of each prompt; equal to T for a row that is only padding.
      seed: uint32 scalar; with prompt_ids_P, the sample index and the step it fixes a draw.
      samples_P: sample index of the first of a prompt's n rows.
      first_steps_P: step of the next token; above 0 where a prompt holds a response begun before.
      limits_P: most tokens to generate, at most max_tokens; 0 for none at all.
      temperature: > 0; log-probabilities are reported at it, greedy or not.
    """
    length = tokens_PxT.shape[1]
    segment_ids = (jnp.arange(length) >= starts_P[:, None]).astype(jnp.int32)
    caches, logits = prefill(model, params, tokens_PxT, segment_ids, length + max_tokens)
    rows = tokens_PxT.shape[0] * n

    def row_key(prompt_id, sample):
        return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), prompt_id), sample)

    prompt_ids_B, starts_B, limits_B = (
        jnp.repeat(x, n) for x in (prompt_ids_P, starts_P, limits_P)
    )
    samples_B = jnp.repeat(samples_P, n) + jnp.tile(jnp.arange(n), rows // n)
    state = DecodeState(
        caches=[cache.repeat(n) for cache in caches],
        keys=jax.vmap(row_key)(prompt_ids_B, samples_B),
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
    return _append(state, jnp.repeat(logits, n, axis=0), temperature, rule)


@functools.partial(jax.jit, static_argnames=("model", "rule"), donate_argnames=("state",))
def advance(
    model: Transformer,
    params: dict,
    state: DecodeState,
    until: jax.Array,
    temperature: jax.Array,
    *,
    rule: Rule,
) -> DecodeState:
    """Generates until step ``until``, or until every row has finished."""
    layers = unstack_layers(params, model.config.n_layers)
    columns = jnp.arange(state.caches[0].v_BxKxSxD.shape[2])

    def step(s: DecodeState) -> DecodeState:
        token = jax.lax.dynamic_index_in_dim(s.tokens, s.step - 1, axis=1, keepdims=False)
        column = s.prompt_columns + s.step - 1
        visible = (columns >= s.prompt_starts[:, None]) & (columns <= column)
        caches, logits = decode_step(
            model, params, layers, s.caches, token, column - s.prompt_starts, column, visible
        )
        return _append(s.replace(caches=caches), logits, temperature, rule)

    return jax.lax.while_loop(lambda s: (s.step < until) & jnp.any(~s.finished), step, state)


def _append(
    s: DecodeState, logits_BxV: jax.Array, temperature: jax.Array, rule: Rule
) -> DecodeState:
    """Chooses the next token of every row that has not finished."""
    scaled = logits_BxV / temperature
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
