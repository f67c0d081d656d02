"""The key-value cache of one layer.

Keys lie as [B, K, D, S] and values as [B, K, S, D], so that both products of a decode step
read memory in order; on CPUs this is several times faster than [B, S, K, D].
"""

import jax
import jax.numpy as jnp
from flax import struct

from reasoning_jax.models.attention import masked_softmax


@struct.dataclass
class LayerCache:
    """Keys and values of one layer over S columns.

    Attributes:
      k_BxKxDxS: rotated keys.
      v_BxKxSxD: values.
    """

    k_BxKxDxS: jax.Array
    v_BxKxSxD: jax.Array

    @classmethod
    def create(cls, k_BxTxKxD: jax.Array, v_BxTxKxD: jax.Array, columns: int) -> "LayerCache":
        """A cache of that many columns whose first T hold the given keys and values."""
        room = columns - k_BxTxKxD.shape[1]
        k = jnp.pad(k_BxTxKxD.transpose(0, 2, 3, 1), ((0, 0), (0, 0), (0, 0), (0, room)))
        v = jnp.pad(v_BxTxKxD.transpose(0, 2, 1, 3), ((0, 0), (0, 0), (0, room), (0, 0)))
        return cls(k, v)

    def write(self, k_Bx1xKxD: jax.Array, v_Bx1xKxD: jax.Array, column: jax.Array) -> "LayerCache":
        """Stores one new token of every row at the shared column."""
        k = k_Bx1xKxD.transpose(0, 2, 3, 1)
        v = v_Bx1xKxD.transpose(0, 2, 1, 3)
        return LayerCache(
            jax.lax.dynamic_update_slice_in_dim(self.k_BxKxDxS, k, column, axis=3),
            jax.lax.dynamic_update_slice_in_dim(self.v_BxKxSxD, v, column, axis=2),
        )

    def attend(
        self, q_Bx1xHxD: jax.Array, mask_BxS: jax.Array, *, scale: float, softcap: float | None
    ) -> jax.Array:
        """Attention of one query per row over the visible columns, [B, 1, H, D]."""
        b, _, h, d = q_Bx1xHxD.shape
        n_kv = self.k_BxKxDxS.shape[1]
        q = q_Bx1xHxD.reshape(b, n_kv, h // n_kv, d)
        scores = jnp.einsum(
            "bkgd,bkds->bkgs", q, self.k_BxKxDxS, preferred_element_type=jnp.float32
        )
        weights = masked_softmax(scores, mask_BxS[:, None, None], scale, softcap)
        out = jnp.einsum("bkgs,bksd->bkgd", weights.astype(self.v_BxKxSxD.dtype), self.v_BxKxSxD)
        return out.reshape(b, 1, h, d)

    def repeat(self, n: int) -> "LayerCache":
        """Each row n times in a row: n samples of one prompt share its prefill."""
        return jax.tree.map(lambda x: jnp.repeat(x, n, axis=0), self)
