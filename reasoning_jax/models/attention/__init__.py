"""Causal grouped-query self-attention behind one function; implementations chosen by name."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from reasoning_jax.models.attention.blockwise import blockwise_attention
from reasoning_jax.models.attention.cudnn import cudnn_attention, obstacles
from reasoning_jax.models.attention.folded import folded_attention
from reasoning_jax.models.attention.scores import masked_softmax
from reasoning_jax.models.attention.splash import splash_attention
from reasoning_jax.models.attention.support import platform
from reasoning_jax.models.attention.xla import xla_attention

__all__ = ["IMPLEMENTATIONS", "attention", "check_implementation", "masked_softmax"]

# Each takes (q, k, v, segment_ids, *, scale, softcap, window, mesh) with a static window, makes
# its own mask, and raises ValueError with all it cannot do.
#
#            memory   derivatives   runs on     cannot
# xla        T²       any           all
# blockwise  T        any           all
# folded     T²/8     reverse       all
# cudnn      T (*)    first         GPU         float32, soft cap     (*) T² with segment ids
# splash     T        first         TPU
IMPLEMENTATIONS: dict[str, Callable[..., jax.Array]] = {
    "xla": xla_attention,
    "blockwise": blockwise_attention,
    "folded": folded_attention,
    "cudnn": cudnn_attention,
    "splash": splash_attention,
}
# What measured best: folded on CPUs, cudnn on GPUs for what it can do, xla elsewhere.
AUTO = "auto"


def attention(
    q_BxTxHxD: jax.Array,
    k_BxTxKxD: jax.Array,
    v_BxTxKxD: jax.Array,
    segment_ids_BxT: jax.Array | None = None,
    *,
    scale: float,
    softcap: float | None = None,
    window: int | None = None,
    slides: bool | jax.Array = True,
    implementation: str = "xla",
    mesh: Mesh | None = None,
) -> jax.Array:
    """Softmax attention [B, T, H, D]; query head h reads key head h // (H / K).

    Query t sees key s when s <= t, s > t - window, and both are of one segment. Tokens of
    segment 0 are padding: their output is 0, and whatever their q, k and v hold, nan included,
    changes neither the output nor the gradient of another token. Without segment ids no token
    is known to be padding: a query ignores later tokens as long as they are finite.

    Args:
      segment_ids_BxT: None for one segment per row. Right padding needs no ids, causality
        hides it from the tokens before; without ids ``cudnn`` keeps no [T, T] array.
      scale: multiplier of q·k, > 0.
      softcap: cap * tanh(score / cap) before the mask; None for off.
      window: how many last keys a query sees, itself included; None for all.
      slides: whether the window applies. A traced scalar, as in a scan over layers, compiles
        both cases and runs one, so that each has a static mask.
      implementation: a name of ``IMPLEMENTATIONS``, or "auto" for one that suits the platform.
      mesh: mesh of the activations, for kernels that the compiler cannot split by itself.

    Raises:
      ValueError: unknown implementation, or one that cannot do this; says all it lacks.
    """
    check_implementation(implementation)
    if implementation == AUTO:
        implementation = _suited(q_BxTxHxD, segment_ids_BxT, softcap, mesh)
    q, k, v = (_zero_padding(x, segment_ids_BxT) for x in (q_BxTxHxD, k_BxTxKxD, v_BxTxKxD))

    def attend(window: int | None) -> Callable[..., jax.Array]:
        options = {"scale": scale, "softcap": softcap, "window": window, "mesh": mesh}
        return lambda q, k, v: IMPLEMENTATIONS[implementation](q, k, v, segment_ids_BxT, **options)

    if window is None or not isinstance(slides, jax.Array):
        out = attend(window if slides else None)(q, k, v)
    else:
        out = jax.lax.cond(slides, attend(window), attend(None), q, k, v)
    return _zero_padding(out, segment_ids_BxT)


def check_implementation(name: str) -> None:
    """Raises ValueError on an unknown name, with the known ones."""
    if name != AUTO and name not in IMPLEMENTATIONS:
        raise ValueError(f"attention {name!r}; choose one of {AUTO}, {', '.join(IMPLEMENTATIONS)}")


def _suited(
    q_BxTxHxD: jax.Array,
    segment_ids_BxT: jax.Array | None,
    softcap: float | None,
    mesh: Mesh | None,
) -> str:
    """What ``AUTO`` stands for here."""
    if platform(mesh) == "cpu":
        return "folded"
    against = obstacles(q_BxTxHxD, segment_ids_BxT, softcap=softcap, mesh=mesh)
    return "xla" if any(against.values()) else "cudnn"


def _zero_padding(x: jax.Array, segment_ids_BxT: jax.Array | None) -> jax.Array:
    if segment_ids_BxT is None:
        return x
    return jnp.where((segment_ids_BxT > 0)[:, :, None, None], x, jnp.zeros((), x.dtype))
