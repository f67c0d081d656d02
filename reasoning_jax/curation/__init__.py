"""What becomes training data, on the host: filters, selection with quotas, stages by difficulty."""

from reasoning_jax.curation.clusters import clusters
from reasoning_jax.curation.cosc import Segment, keep_trajectory, loss_mask, stop_reason
from reasoning_jax.curation.curriculum import stages_by_passes
from reasoning_jax.curation.decontamination import Benchmark
from reasoning_jax.curation.selection import select, water_fill

__all__ = [
    "Benchmark",
    "Segment",
    "clusters",
    "keep_trajectory",
    "loss_mask",
    "select",
    "stages_by_passes",
    "stop_reason",
    "water_fill",
]
