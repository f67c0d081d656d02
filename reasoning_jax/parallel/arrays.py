"""Between host arrays, equal on every process, and global device arrays."""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from reasoning_jax.parallel.mesh import batch_ways, partition, replicated


def put_batch(tree: Any, mesh: Mesh) -> Any:
    """Places a pytree of host arrays [B, ...] on the mesh, split over the batch axis.

    Every process passes the same whole batch and places only its own shards.

    Raises:
      ValueError: when B is not divisible into the mesh's batch parts.
    """
    ways = batch_ways(mesh)

    def put(x: np.ndarray) -> jax.Array:
        x = np.asarray(x)
        if x.shape[0] % ways:
            raise ValueError(
                f"a batch of {x.shape[0]} rows does not divide over {ways} devices "
                "(mesh.data x mesh.fsdp); change the batch size or the mesh"
            )
        sharding = partition(mesh, ("batch", *(None,) * (x.ndim - 1)), x.shape)
        return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])

    return jax.tree.map(put, tree)


def put_replicated(tree: Any, mesh: Mesh) -> Any:
    """Places host arrays whole on every device of the mesh."""

    def put(x: np.ndarray) -> jax.Array:
        x = np.asarray(x)
        return jax.make_array_from_callback(x.shape, replicated(mesh), lambda index: x[index])

    return jax.tree.map(put, tree)


def to_host(tree: Any) -> Any:
    """NumPy copies of global arrays, whole on every process."""

    def fetch(x: jax.Array) -> np.ndarray:
        if x.is_fully_addressable or x.is_fully_replicated:
            return np.asarray(x)
        return np.asarray(multihost_utils.process_allgather(x, tiled=True))

    return jax.tree.map(fetch, tree)
