"""The decoder: layers stacked and scanned; the same block, unrolled, decodes with a cache."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.sharding import Mesh

from reasoning_jax.models import rope
from reasoning_jax.models.attention import attention, check_implementation
from reasoning_jax.models.attention.support import platform
from reasoning_jax.models.cache import LayerCache, ages
from reasoning_jax.models.config import ModelConfig, RopeScaling
from reasoning_jax.models.layers import MLP, Attend, Attention, RMSNorm
from reasoning_jax.models.moe import MoE
from reasoning_jax.models.remat import remat_policy, rematerialised
from reasoning_jax.parallel.mesh import constrain, gather

# Rows of a table of sines that is part of a program; 8 MB at the largest heads.
LONGEST_CONSTANT = 8192


# Layers that are taken out of the loop where nobody says how many.
MOST_UNROLLED = 32


def suited_unroll(config: ModelConfig, mesh: Mesh | None) -> int:
    """Layers per iteration of the scan that suit the platform.

    A loop keeps the compiler from making weights, activations and gradients where they are used:
    on a GPU that copying is a quarter of an update.
    """
    return min(config.n_layers, MOST_UNROLLED) if platform(mesh) == "gpu" else 1


class Block(nn.Module):
    """One decoder layer: attention and MLP branches with their norms."""

    config: ModelConfig
    mesh: Mesh | None = None

    @nn.compact
    def __call__(self, x, rope_table, attend: Attend):
        """x [B, T, M] -> ([B, T, M], what ``attend`` keeps); see Attention."""
        c = self.config

        def norm(name: str, placements: tuple[str, ...], value: jax.Array) -> jax.Array:
            return RMSNorm(c, name=name)(value) if c.norm_placement in placements else value

        branch = norm("attention_norm", ("pre", "sandwich"), x)
        branch, kept = Attention(c, self.mesh, name="attention")(branch, rope_table, attend)
        x = x + norm("attention_post_norm", ("post", "sandwich"), branch)

        branch = norm("mlp_norm", ("pre", "sandwich"), x)
        if c.moe is None:
            branch = MLP(c, c.d_ff, self.mesh, name="mlp")(branch)
        else:
            branch = MoE(c, self.mesh, name="moe")(branch)
        return x + norm("mlp_post_norm", ("post", "sandwich"), branch), kept


class _ScannedBlock(nn.Module):
    """Block in the shape nn.scan wants: per-layer data in, carry out."""

    config: ModelConfig
    mesh: Mesh | None
    attention: str

    @nn.compact
    def __call__(self, x, slides, rope_tables, segment_ids):
        c = self.config
        if len(set(c.slides)) == 1:
            slides = c.slides[0]  # static, so that the other kind of layer is not compiled
        attend = attend_within(c, slides, segment_ids, self.attention, self.mesh)
        x, _ = Block(c, self.mesh, name="block")(x, select(slides, rope_tables), attend)
        return constrain(x, self.mesh, "batch", None, None), None


class Transformer(nn.Module):
    """Decoder language model; ``apply({"params": params}, tokens)`` gives float32 logits.

    Attributes:
      config: the architecture.
      mesh: device mesh its activations are pinned to; None on one device.
      dtype: computation dtype; parameters keep theirs.
      remat: what each block keeps for the backward pass, a name of ``remat.POLICIES``; None for
        everything. True is "full".
      unroll: layers per iteration of the scan; more runs faster and compiles longer. One where
        ``remat`` computes them again.
      attention: a name of ``attention.IMPLEMENTATIONS``, or "auto"; of whole sequences, not of
        decoding.
    """

    config: ModelConfig
    mesh: Mesh | None = None
    dtype: jnp.dtype = jnp.float32
    remat: str | bool | None = None
    unroll: int = 1
    attention: str = "xla"

    def setup(self):
        c = self.config
        check_implementation(self.attention)
        self.embedding = self.param(
            "embedding",
            nn.with_logical_partitioning(nn.initializers.normal(0.02), ("vocab", "embed")),
            (c.vocab_size, c.d_model),
            jnp.float32,
        )
        block = rematerialised(_ScannedBlock, self.remat)
        self.layers = nn.scan(
            block,
            variable_axes={"params": 0, "intermediates": 0},
            split_rngs={"params": True},
            in_axes=(0, nn.broadcast, nn.broadcast),
            length=c.n_layers,
            # Outside a loop XLA merges what is computed again with what was computed before.
            unroll=self.unroll if remat_policy(self.remat) is None else 1,
            metadata_params={nn.PARTITION_NAME: None},
        )(c, self.mesh, self.attention)
        self.final_norm = RMSNorm(c)
        if not c.tie_embeddings:
            self.head = self.param(
                "head",
                nn.with_logical_partitioning(
                    nn.initializers.normal(c.d_model**-0.5), ("embed", "vocab")
                ),
                (c.d_model, c.vocab_size),
                jnp.float32,
            )

    def __call__(
        self,
        tokens: jax.Array,
        positions: jax.Array | None = None,
        segment_ids: jax.Array | None = None,
    ) -> jax.Array:
        """tokens [B, T] -> logits [B, T, V] float32.

        Args:
          tokens: ids.
          positions: [B, T] rotary positions; None counts from 0, per segment where given.
          segment_ids: [B, T], tokens see only their own segment; 0 is padding.
        """
        return self.unembed(self.hidden(tokens, positions, segment_ids))

    def hidden(
        self,
        tokens: jax.Array,
        positions: jax.Array | None = None,
        segment_ids: jax.Array | None = None,
    ) -> jax.Array:
        """Final normalised hidden states [B, T, M]."""
        c = self.config
        x = self.embed(tokens)
        if positions is None:
            tables = counted_tables(c, tokens, segment_ids)
        else:
            tables = rope_tables(c, positions)
        x, _ = self.layers(x, jnp.asarray(c.slides), tables, segment_ids)
        return self.final_norm(x)

    def embed(self, tokens: jax.Array) -> jax.Array:
        """tokens [B, T] -> [B, T, M], scaled as the family asks."""
        table = gather(self.embedding.astype(self.dtype), self.mesh, "vocab", "embed")
        x = jnp.take(table, tokens, axis=0)
        if self.config.embed_scale != 1.0:
            # The published weights were trained with the multiplier rounded to their dtype.
            x = x * jnp.asarray(self.config.embed_scale, x.dtype)
        return constrain(x, self.mesh, "batch", None, None)

    def unembed(self, hidden: jax.Array) -> jax.Array:
        """[..., M] -> logits [..., V], accumulated and capped in float32."""
        if self.config.tie_embeddings:
            head = gather(self.embedding.astype(hidden.dtype), self.mesh, "vocab", "embed").T
        else:
            head = gather(self.head.astype(hidden.dtype), self.mesh, "embed", "vocab")
        logits = jnp.matmul(hidden, head, preferred_element_type=jnp.float32)
        if self.config.final_softcap is not None:
            cap = self.config.final_softcap
            logits = cap * jnp.tanh(logits / cap)
        axes = ("batch", *(None,) * (logits.ndim - 2), "vocab")
        return constrain(logits, self.mesh, *axes)

    def normalize(self, x: jax.Array) -> jax.Array:
        """The final norm alone, for the unrolled layers of decoding."""
        return self.final_norm(x)


def positions_of(tokens: jax.Array, segment_ids: jax.Array | None) -> jax.Array:
    """[B, T] positions counted from the start of each segment."""
    index = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    if segment_ids is None:
        return index
    before = jnp.pad(segment_ids[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
    starts = jnp.where(segment_ids != before, index, 0)
    return index - jax.lax.cummax(starts, axis=1)


def counted_tables(config: ModelConfig, tokens: jax.Array, segment_ids: jax.Array | None):
    """``rope_tables`` of positions counted from the start of each segment, [B or 1, T, F].

    Looked up in constants: XLA would work out sines and cosines anew in every layer that is not
    in a loop, for every head and once more in the backward pass.
    """
    length = tokens.shape[1]
    if length > LONGEST_CONSTANT:
        return rope_tables(config, positions_of(tokens, segment_ids))
    tables = rope_tables(config, np.arange(length)[None])
    if segment_ids is None:
        return tables
    positions = positions_of(tokens, segment_ids)
    return jax.tree.map(lambda table: jnp.take(table[0], positions, axis=0), tables)


def rope_tables(config: ModelConfig, positions: jax.Array | np.ndarray):
    """(cos, sin) of full-attention layers and, where they differ, of sliding layers."""
    full = rope.cos_sin(
        positions, *rope.frequencies(config.head_dim, config.rope_theta, config.rope_scaling)
    )
    if config.rope_local_theta is None:
        return full, None
    local = rope.cos_sin(
        positions, *rope.frequencies(config.head_dim, config.rope_local_theta, RopeScaling())
    )
    return full, local


def select(slides: bool | jax.Array, tables):
    """The rotary table of one layer; ``slides`` is traced under scan."""
    full, local = tables
    if local is None:
        return full
    return jax.tree.map(lambda a, b: jnp.where(slides, b, a), full, local)


def attend_within(
    config: ModelConfig,
    slides: bool | jax.Array,
    segment_ids: jax.Array | None,
    implementation: str,
    mesh: Mesh | None,
) -> Attend:
    """Attention of a layer within a sequence; keeps the keys and values."""

    def attend(q, k, v):
        out = attention(
            q,
            k,
            v,
            segment_ids,
            scale=config.attention_scale,
            softcap=config.attention_softcap,
            window=config.sliding_window,
            slides=slides,
            implementation=implementation,
            mesh=mesh,
        )
        return out, (k, v)

    return attend


def attend_cache(
    config: ModelConfig, cache: LayerCache, column: jax.Array, visible_BxS: jax.Array
) -> Attend:
    """Attention of one new token per row over a cache; keeps it with the token at ``column``."""

    def attend(q, k, v):
        written = cache.write(k, v, column)
        out = written.attend(
            q, visible_BxS[:, None], scale=config.attention_scale, softcap=config.attention_softcap
        )
        return out, written

    return attend


def attend_block(config: ModelConfig, cache: LayerCache, seen_PxTxN: jax.Array) -> Attend:
    """Attention of several new tokens per row over a cache and each other; keeps the new ones.

    Args:
      seen_PxTxN: which of the S columns of the cache, then of the T new tokens, each sees.
    """

    def attend(q, k, v):
        new = LayerCache.create(k, v, k.shape[1])
        joined = LayerCache(
            jnp.concatenate([cache.k_BxKxDxS, new.k_BxKxDxS], axis=3),
            jnp.concatenate([cache.v_BxKxSxD, new.v_BxKxSxD], axis=2),
        )
        out = joined.attend(
            q, seen_PxTxN, scale=config.attention_scale, softcap=config.attention_softcap
        )
        return out, new

    return attend


def block_step(
    model: Transformer,
    params: dict,
    layers: list[dict],
    caches: list[LayerCache],
    lengths_P: jax.Array,
    tokens_PxT: jax.Array,
    is_token_PxT: jax.Array,
) -> list[LayerCache]:
    """Reads several tokens of every row that go on after its cache.

    Args:
      layers: ``unstack_layers`` of params.
      caches: the last ``lengths_P[p]`` columns hold the row so far.
      tokens_PxT, is_token_PxT: new tokens, left-padded, and which of them are.

    Returns:
      Keys and values of the new tokens alone, T columns.
    """
    c = model.config
    index = jnp.cumsum(is_token_PxT, axis=1) - 1
    positions = jnp.maximum(lengths_P[:, None] + index, 0)
    x = model.apply({"params": params}, tokens_PxT, method="embed")
    tables = rope_tables(c, positions)
    mask = _sees_block(caches[0].columns, lengths_P, positions, is_token_PxT)
    read = []
    for layer, cache, slides in zip(layers, caches, c.slides, strict=True):
        attend = attend_block(c, cache, mask(c.sliding_window if slides else None))
        x, new = Block(c, model.mesh).apply({"params": layer}, x, select(slides, tables), attend)
        read.append(new)
    return read


def _sees_block(
    columns: int, lengths_P: jax.Array, positions_PxT: jax.Array, is_token_PxT: jax.Array
) -> Callable[[int | None], jax.Array]:
    """window -> [P, T, S + T]: what new tokens see of S cached columns and of each other."""
    cached_PxS = lengths_P[:, None] - jnp.arange(columns)[::-1] - 1
    keys = jnp.concatenate([cached_PxS, positions_PxT], axis=1)[:, None]
    exists = jnp.concatenate([cached_PxS >= 0, is_token_PxT], axis=1)[:, None]
    queries = positions_PxT[:, :, None]
    seen = exists & (keys <= queries)
    return lambda window: seen if window is None else seen & (keys > queries - window)


def unstack_layers(params: dict, n_layers: int) -> list[dict]:
    """Stacked layer parameters as one tree per layer, for unrolled decoding."""
    stacked = params["layers"]["block"]
    return [jax.tree.map(lambda p, i=i: p[i], stacked) for i in range(n_layers)]


def prompt_caches(
    model: Transformer,
    params: dict,
    layers: list[dict],
    tokens: jax.Array,
    segment_ids: jax.Array,
    columns: int,
) -> tuple[list[LayerCache], jax.Array]:
    """Runs prompts [P, T] through the unrolled layers.

    Args:
      layers: ``unstack_layers`` of params.
      segment_ids: [P, T], 0 on padding.
      columns: columns of the caches that are made, at least T.

    Returns:
      One LayerCache per layer, and hidden states [P, T, M] before the final norm.
    """
    c = model.config
    x = model.apply({"params": params}, tokens, method="embed")
    tables = rope_tables(c, positions_of(tokens, segment_ids))
    caches = []
    for layer, slides in zip(layers, c.slides, strict=True):
        attend = attend_within(c, slides, segment_ids, model.attention, model.mesh)
        x, (k, v) = Block(c, model.mesh).apply({"params": layer}, x, select(slides, tables), attend)
        caches.append(LayerCache.create(k, v, columns))
    return caches, x


def prefill(
    model: Transformer, params: dict, tokens: jax.Array, segment_ids: jax.Array, columns: int
) -> tuple[list[LayerCache], jax.Array]:
    """``prompt_caches`` of stacked parameters, and logits [P, V] of the last column."""
    layers = unstack_layers(params, model.config.n_layers)
    caches, x = prompt_caches(model, params, layers, tokens, segment_ids, columns)
    return caches, _logits_of_last(model, params, x[:, -1:])


def decode_step(
    model: Transformer,
    params: dict,
    layers: list[dict],
    caches: list[LayerCache],
    tokens_B: jax.Array,
    positions_B: jax.Array,
    column: jax.Array,
    visible_BxS: jax.Array,
) -> tuple[list[LayerCache], jax.Array]:
    """Feeds one token of every row at a shared cache column.

    Args:
      layers: ``unstack_layers`` of params, sliced once outside the loop.
      positions_B: rotary position of each token.
      visible_BxS: columns that hold tokens of the row, this one included, one for each step
        since its first.

    Returns:
      The caches with the token written, and logits [B, V].
    """
    c = model.config
    in_window_BxS = visible_BxS
    if any(c.slides):
        in_window_BxS &= ages(column, visible_BxS.shape[1]) < c.sliding_window
    attends = [
        attend_cache(c, cache, column, in_window_BxS if slides else visible_BxS)
        for cache, slides in zip(caches, c.slides, strict=True)
    ]
    return feed(model, params, layers, tokens_B, positions_B, attends)


def feed(
    model: Transformer,
    params: dict,
    layers: list[dict],
    tokens_B: jax.Array,
    positions_B: jax.Array,
    attends: Sequence[Attend],
) -> tuple[list[Any], jax.Array]:
    """One token of every row through the unrolled layers, each with an attention of its own.

    Returns:
      What the attention of each layer keeps, and logits [B, V].
    """
    c = model.config
    x = model.apply({"params": params}, tokens_B[:, None], method="embed")
    tables = rope_tables(c, positions_B[:, None])
    kept = []
    for layer, attend, slides in zip(layers, attends, c.slides, strict=True):
        x, new = Block(c, model.mesh).apply({"params": layer}, x, select(slides, tables), attend)
        kept.append(new)
    return kept, _logits_of_last(model, params, x)


def _logits_of_last(model: Transformer, params: dict, x_Bx1xM: jax.Array) -> jax.Array:
    x = model.apply({"params": params}, x_Bx1xM, method="normalize")
    return model.apply({"params": params}, x, method="unembed")[:, 0]
