"""What the hardware kernels share: where they run, and how they refuse."""

from collections.abc import Mapping

import jax
from jax.sharding import Mesh, NamedSharding

from reasoning_jax.parallel.mesh import partition


def platform(mesh: Mesh | None) -> str:
    """``cpu``, ``gpu`` or ``tpu``: of the mesh, or of the default device without one."""
    return jax.default_backend() if mesh is None else mesh.devices.flat[0].platform


def refuse(implementation: str, reasons: Mapping[str, bool]) -> None:
    """Raises ValueError with every reason that holds, and what to choose instead."""
    holding = [reason for reason, holds in reasons.items() if holds]
    if holding:
        raise ValueError(
            f"attention {implementation!r} cannot be used here: {'; '.join(holding)}. "
            "'xla' and 'blockwise' run everywhere; take 'blockwise' for long sequences"
        )


def head_sharding(mesh: Mesh, k_BxTxKxD: jax.Array) -> NamedSharding:
    """One sharding for q, k and v, so that queries lie with the keys they read.

    Where the tensor axis does not divide the key heads, every device of it has all heads.
    """
    return partition(mesh, ("batch", None, "kv_heads", None), k_BxTxKxD.shape)
