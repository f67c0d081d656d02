"""A decoder whose layers are passed several times: more computation, no more parameters."""

import jax
import jax.numpy as jnp

from reasoning_jax.models.logprobs import score_logits
from reasoning_jax.models.transformer import (
    Block,
    Transformer,
    attend_within,
    rope_tables,
    select,
)


def looped_logprobs(
    model: Transformer,
    params: dict,
    tokens: jax.Array,
    *,
    positions: jax.Array,
    segment_ids: jax.Array | None,
    loops: int,
) -> jax.Array:
    """log p(tokens[b, t] | tokens[b, <t]) [B, T] after ``loops`` passes through the layers.

    One pass is the plain decoder, ``token_logprobs``. The first position has no context, 0.
    """
    c = model.config
    tables = rope_tables(c, positions)

    def layer(x: jax.Array, xs) -> tuple[jax.Array, None]:
        block_params, slides = xs
        if len(set(c.slides)) == 1:
            slides = c.slides[0]  # static, so that the other kind of layer is not compiled
        attend = attend_within(c, slides, segment_ids, model.attention, model.mesh)
        x, _ = Block(c, model.mesh).apply(
            {"params": block_params}, x, select(slides, tables), attend
        )
        return x, None

    def through(x: jax.Array, _) -> tuple[jax.Array, None]:
        stacked = (params["layers"]["block"], jnp.asarray(c.slides))
        return jax.lax.scan(layer, x, stacked, unroll=model.unroll)[0], None

    if model.remat:
        layer = jax.checkpoint(layer, prevent_cse=False)
    x = model.apply({"params": params}, tokens, method="embed")
    x, _ = jax.lax.scan(through, x, length=loops)
    x = model.apply({"params": params}, x, method="normalize")
    logits = model.apply({"params": params}, x[:, :-1], method="unembed")
    return jnp.pad(score_logits(logits, tokens[:, 1:]).logprobs, ((0, 0), (1, 0)))
