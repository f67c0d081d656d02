"""Temporary memory of a gradient as the compiler plans it; nothing is run."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from reasoning_jax.bench.child import Done
from reasoning_jax.models import (
    ModelConfig,
    Transformer,
    abstract_params,
    score_logits,
    token_logprobs,
)


def prepare(work: dict[str, Any]) -> tuple[Callable[[], Done], dict[str, Any]]:
    """``work`` has ``model`` (fields of a ModelConfig), ``rows``, ``length`` and ``logits``.

    ``logits`` is "chunked", as training does it, or "full", [rows, length, vocabulary] at once. A
    run gives ``temp_mb`` as ``extra``.
    """
    config = ModelConfig(**work["model"])
    model = Transformer(config)
    tokens = jax.ShapeDtypeStruct((work["rows"], work["length"]), jnp.int32)
    score = {"chunked": _chunked, "full": _full}[work["logits"]]

    def loss(params: dict, tokens: jax.Array) -> jax.Array:
        return -jnp.mean(score(model, params, tokens))

    program = jax.jit(jax.grad(loss)).lower(abstract_params(config), tokens).compile()
    size = program.memory_analysis().temp_size_in_bytes / 1e6
    about = {"versions": {"jax": jax.__version__}, "device": str(jax.devices()[0])}
    return lambda: Done(0, extra={"temp_mb": size}), about


def _chunked(model: Transformer, params: dict, tokens: jax.Array) -> jax.Array:
    return token_logprobs(model, params, tokens).logprobs


def _full(model: Transformer, params: dict, tokens: jax.Array) -> jax.Array:
    logits = model.apply({"params": params}, tokens)
    return score_logits(logits[:, :-1], tokens[:, 1:]).logprobs
