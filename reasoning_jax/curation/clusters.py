"""Groups of similar embeddings, for diversity by meaning."""

import numpy as np


def clusters(embeddings: np.ndarray, count: int, seed: int, rounds: int = 20) -> np.ndarray:
    """Cluster of each embedding, by k-means over directions (Dhillon & Modha, 2001).

    The first centre is drawn, each further one is the embedding farthest from those before it, so
    equal embeddings never fill two clusters while others share one. Deterministic by ``seed``.

    Args:
      embeddings: [N, D]; lengths do not matter. Zeros belong to the first cluster.
      count: most clusters.
      rounds: most assignments.

    Returns:
      [N] int, from 0; fewer than ``count`` where embeddings are fewer or alike.

    Raises:
      ValueError: ``embeddings`` is no [N, D] of finite numbers, or ``count`` is below 1.
    """
    points = np.asarray(embeddings, np.float64)
    if points.ndim != 2 or not len(points) or not np.isfinite(points).all():
        raise ValueError(f"embeddings of shape {points.shape}; give [N, D] finite numbers")
    if count < 1:
        raise ValueError(f"count is {count}; it must be at least 1")
    points = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    centres = _far_apart(points, count, seed)
    nearest = np.argmax(points @ centres.T, axis=1)
    for _ in range(rounds):
        sums = np.stack([points[nearest == k].sum(axis=0) for k in range(len(centres))])
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(norms > 1e-12, sums / np.maximum(norms, 1e-12), centres)
        moved = np.argmax(points @ centres.T, axis=1)
        if (moved == nearest).all():
            break
        nearest = moved
    return nearest


def _far_apart(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    first = int(np.random.default_rng(seed).integers(len(points)))
    chosen = [first]
    likeness = points @ points[first]
    while len(chosen) < min(count, len(points)):
        farthest = int(np.argmin(likeness))
        if likeness[farthest] > 1 - 1e-9:
            break
        chosen.append(farthest)
        likeness = np.maximum(likeness, points @ points[farthest])
    return points[chosen]
