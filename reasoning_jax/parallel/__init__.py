"""Mesh, sharding rules, processes, and arrays between host and devices."""

from reasoning_jax.parallel.arrays import put_batch, put_replicated, to_host
from reasoning_jax.parallel.mesh import (
    MESH_AXES,
    RULES,
    batch_ways,
    constrain,
    gather,
    make_mesh,
    partition,
    replicated,
)
from reasoning_jax.parallel.processes import exchange, is_main_process, start_processes

__all__ = [
    "MESH_AXES",
    "RULES",
    "batch_ways",
    "constrain",
    "exchange",
    "gather",
    "is_main_process",
    "make_mesh",
    "partition",
    "put_batch",
    "put_replicated",
    "replicated",
    "start_processes",
    "to_host",
]
