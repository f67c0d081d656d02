"""How a reference policy follows the policy."""

import jax

from reasoning_jax.rl.numerics import at_least_float32


def follow(reference: dict, params: dict, *, keep: float) -> dict:
    """keep · reference + (1 - keep) · params, leaf by leaf, in the reference's dtypes.

    T1's dynamic anchor (arXiv 2501.11651); ``keep`` 0 is a reset of the reference.

    Raises:
      ValueError: ``keep`` is outside [0, 1].
    """
    if not 0 <= keep <= 1:
        raise ValueError(f"keep is {keep}; it is the share kept of the reference, in [0, 1]")

    def mix(old: jax.Array, new: jax.Array) -> jax.Array:
        mixed = keep * at_least_float32(old) + (1 - keep) * at_least_float32(new)
        return mixed.astype(old.dtype)

    return jax.tree.map(mix, reference, params)
