"""The key-value cache of one layer.

Keys lie as [B, K, D, S] and values as [B, K, S, D], so that both products of a decode step
read memory in order; on CPUs this is several times faster than [B, S, K, D].

Columns form a ring: keys are rotated by their own positions before they are stored, so that
where a token lies does not matter, only how long ago its column was written, its age.
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
        return cls(k_BxTxKxD.transpose(0, 2, 3, 1), v_BxTxKxD.transpose(0, 2, 1, 3)).widen(columns)

    @property
    def columns(self) -> int:
        """S."""
        return self.v_BxKxSxD.shape[2]

    def write(self, k_Bx1xKxD: jax.Array, v_Bx1xKxD: jax.Array, column: jax.Array) -> "LayerCache":
        """Stores one new token of every row at the shared column."""
        k = k_Bx1xKxD.transpose(0, 2, 3, 1)
        v = v_Bx1xKxD.transpose(0, 2, 1, 3)
        return LayerCache(
            jax.lax.dynamic_update_slice_in_dim(self.k_BxKxDxS, k, column, axis=3),
            jax.lax.dynamic_update_slice_in_dim(self.v_BxKxSxD, v, column, axis=2),
        )

    def attend(
        self, q_BxTxHxD: jax.Array, mask_BxTxS: jax.Array, *, scale: float, softcap: float | None
    ) -> jax.Array:
        """Attention of T queries per row over the columns that each sees, [B, T, H, D]."""
        b, t, h, d = q_BxTxHxD.shape
        n_kv = self.k_BxKxDxS.shape[1]
        groups = h // n_kv
        # Queries of one key head are rows of one product, whatever token they belong to.
        q = q_BxTxHxD.reshape(b, t, n_kv, groups, d).swapaxes(1, 2).reshape(b, n_kv, -1, d)
        scores = jnp.einsum(
            "bkqd,bkds->bkqs", q, self.k_BxKxDxS, preferred_element_type=jnp.float32
        )
        mask = jnp.repeat(mask_BxTxS, groups, axis=1)[:, None] if t > 1 else mask_BxTxS[:, None]
        weights = masked_softmax(scores, mask, scale, softcap)
        out = jnp.einsum("bkqs,bksd->bkqd", weights.astype(self.v_BxKxSxD.dtype), self.v_BxKxSxD)
        return out.reshape(b, n_kv, t, groups, d).swapaxes(1, 2).reshape(b, t, h, d)

    def take(self, rows: jax.Array) -> "LayerCache":
        """These rows, in this order."""
        return jax.tree.map(lambda x: jnp.take(x, rows, axis=0), self)

    def repeat(self, n: int) -> "LayerCache":
        """Each row n times in a row: n samples of one prompt share its prefill."""
        return jax.tree.map(lambda x: jnp.repeat(x, n, axis=0), self)

    def put(self, rows: jax.Array, source: "LayerCache") -> "LayerCache":
        """With row ``rows[g]`` replaced by row g of the source; those outside 0..B-1 are not."""
        return jax.tree.map(lambda x, y: x.at[rows].set(y, mode="drop"), self, source)

    def keep(self, mask_BxS: jax.Array) -> "LayerCache":
        """With zeros in all other columns, whatever they held."""
        return LayerCache(
            jnp.where(mask_BxS[:, None, None], self.k_BxKxDxS, 0),
            jnp.where(mask_BxS[:, None, :, None], self.v_BxKxSxD, 0),
        )

    def last(self, columns: int) -> "LayerCache":
        """Its last columns."""
        return LayerCache(
            self.k_BxKxDxS[..., self.columns - columns :],
            self.v_BxKxSxD[:, :, self.columns - columns :],
        )

    def widen(self, columns: int) -> "LayerCache":
        """With zeros after its columns, that many in all."""
        room = ((0, columns - self.columns),)
        none = ((0, 0),)
        return LayerCache(
            jnp.pad(self.k_BxKxDxS, none * 3 + room),
            jnp.pad(self.v_BxKxSxD, none * 2 + room + none),
        )

    def roll(self, shift: jax.Array) -> "LayerCache":
        """With column s moved to (s + shift) mod S."""
        return LayerCache(
            jnp.roll(self.k_BxKxDxS, shift, axis=3), jnp.roll(self.v_BxKxSxD, shift, axis=2)
        )


def ages(column: jax.Array, columns: int) -> jax.Array:
    """[S] steps since each column of a ring was written, 0 at ``column``."""
    return (column - jnp.arange(columns)) % columns
