"""Start-up of a job of several processes."""

import jax
import numpy as np
from jax.experimental import multihost_utils


def start_processes(coordinator: str, count: int, index: int) -> None:
    """Joins a multi-process job; does nothing for a single process.

    Args:
      coordinator: ``host:port`` of process 0, ``auto`` to read the cluster's environment
        (TPU pods, Slurm), or empty for a single process.
      count, index: number of processes and this one's; ignored with ``auto``.
    """
    if not coordinator:
        if count > 1:
            raise ValueError(f"{count} processes need a coordinator: give host:port of process 0")
        return
    if coordinator == "auto":
        jax.distributed.initialize()
        return
    if not 0 <= index < count:
        raise ValueError(f"process index {index} is outside 0..{count - 1}")
    if jax.config.jax_platforms == "cpu":
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(coordinator, num_processes=count, process_id=index)


def exchange(data: bytes) -> list[bytes]:
    """What every process of the job passed, in the order of their indices; all must call it."""
    if jax.process_count() == 1:
        return [data]
    lengths = multihost_utils.process_allgather(np.array([len(data)], np.int64))
    padded = np.zeros(int(lengths.max()), np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    rows = multihost_utils.process_allgather(padded)
    return [row[:length].tobytes() for row, length in zip(rows, lengths.ravel().tolist())]


def is_main_process() -> bool:
    """True on the one process that writes logs and reports."""
    return jax.process_index() == 0
