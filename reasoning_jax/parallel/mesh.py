"""The device mesh and the one table from logical axes to mesh axes."""

import math
from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

MESH_AXES = ("data", "fsdp", "expert", "tensor")

# logical axis of an array -> mesh axes that split it
RULES: dict[str, tuple[str, ...]] = {
    "batch": ("data", "fsdp", "expert"),
    "embed": ("fsdp",),
    "vocab": ("tensor",),
    "heads": ("tensor",),
    "kv_heads": ("tensor",),
    "mlp": ("tensor",),
    "expert": ("expert",),
}

# Axes split for storage alone: a weight is gathered over them where it is used.
STORAGE_ONLY = ("embed",)


def make_mesh(
    data: int = -1,
    fsdp: int = 1,
    tensor: int = 1,
    expert: int = 1,
    devices: Sequence[jax.Device] | None = None,
) -> Mesh:
    """A (data, fsdp, expert, tensor) mesh; one size may be -1: all the devices that are left.

    Raises:
      ValueError: when the sizes do not multiply to the number of devices.
    """
    devices = list(jax.devices() if devices is None else devices)
    sizes = [data, fsdp, expert, tensor]
    if sizes.count(-1) > 1 or any(size < 1 and size != -1 for size in sizes):
        raise ValueError(f"mesh sizes {dict(zip(MESH_AXES, sizes))}: each >= 1, at most one -1")
    fixed = math.prod(size for size in sizes if size != -1)
    if -1 in sizes:
        sizes[sizes.index(-1)] = max(len(devices) // fixed, 1)
    if math.prod(sizes) != len(devices):
        raise ValueError(
            f"mesh {dict(zip(MESH_AXES, sizes))} needs {math.prod(sizes)} devices "
            f"but there are {len(devices)}; set mesh.data, mesh.fsdp, mesh.tensor and "
            "mesh.expert to match"
        )
    return Mesh(np.asarray(devices).reshape(sizes), MESH_AXES)


def partition(
    mesh: Mesh, axes: Sequence[str | None], shape: Sequence[int], gathered: bool = False
) -> NamedSharding:
    """Sharding of an array whose dimensions carry these logical axes.

    A dimension that its mesh axes do not divide stays whole (for instance two key-value
    heads over four tensor devices). With ``gathered``, axes split for storage alone are whole.
    """
    spec = []
    for name, size in zip(axes, shape, strict=True):
        over = RULES.get(name, ()) if name is not None else ()
        if gathered and name in STORAGE_ONLY:
            over = ()
        ways = math.prod(mesh.shape[axis] for axis in over)
        spec.append(over if ways > 1 and size % ways == 0 else None)
    return NamedSharding(mesh, PartitionSpec(*spec))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def constrain(x: jax.Array, mesh: Mesh | None, *axes: str | None) -> jax.Array:
    """Pins an activation's sharding inside jit; without a mesh returns it unchanged."""
    if mesh is None or mesh.size == 1:
        return x
    return jax.lax.with_sharding_constraint(x, partition(mesh, axes, x.shape))


def gather(weight: jax.Array, mesh: Mesh | None, *axes: str | None) -> jax.Array:
    """Gathers a weight over the axes that split it for storage alone, just before its use."""
    if mesh is None or mesh.size == 1:
        return weight
    return jax.lax.with_sharding_constraint(
        weight, partition(mesh, axes, weight.shape, gathered=True)
    )


def batch_ways(mesh: Mesh) -> int:
    """Into how many parts a batch is split."""
    return math.prod(mesh.shape[axis] for axis in RULES["batch"])
