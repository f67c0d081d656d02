"""Prompts into caches, before their rows have slots."""

from collections.abc import Sequence

import numpy as np
from jax.sharding import Mesh

from reasoning_jax.models.transformer import Transformer
from reasoning_jax.parallel import batch_ways, put_batch
from reasoning_jax.sampling import decode
from reasoning_jax.sampling.state import SavedCaches
from reasoning_jax.sampling.task import Task
from reasoning_jax.sampling.weights import Weights
from reasoning_jax.shapes import bucket


class Reader:
    """Reads tokens in few shapes, those of each device on it.

    Args:
      model: built for ``mesh``.
      weights: on ``mesh``.
      mesh: devices that share the rows.
    """

    def __init__(self, model: Transformer, weights: Weights, mesh: Mesh):
        self._model = model
        self._weights = weights
        self._mesh = mesh
        self._ways = batch_ways(mesh)

    def read(self, prompts: Sequence[Sequence[tuple[int, ...]]], size: int) -> SavedCaches:
        """Caches of all tokens but the last, which is fed by the first step, of each prompt.

        Args:
          prompts: of each device, at most ``size``.
        """
        longest = max(len(tokens) for of_way in prompts for tokens in of_way) - 1
        columns = bucket(longest, largest_step=1 << 30)
        tokens = np.zeros((self._ways, size, columns), np.int32)
        lengths = np.zeros((self._ways, size), np.int32)
        for way, of_way in enumerate(prompts):
            for i, ids in enumerate(of_way):
                lengths[way, i] = len(ids) - 1
                tokens[way, i, columns - len(ids) + 1 :] = ids[:-1]
        placed = put_batch((tokens.reshape(-1, columns), lengths.ravel()), self._mesh)
        return decode.prefill(self._model, self._weights, *placed)

    def read_on(self, saved: SavedCaches, tasks: Sequence[Sequence[Task]]) -> SavedCaches:
        """Caches of all tokens but the last of rows that go on from prefixes.

        Args:
          saved: caches of the prefixes.
          tasks: of each device.
        """
        size = bucket(max(map(len, tasks)), 1)
        new = [
            [task.row.tokens[len(task.row.prefix.tokens) - 1 : -1] for task in of_way]
            for of_way in tasks
        ]
        columns = bucket(max(len(ids) for of_way in new for ids in of_way), largest_step=1 << 30)
        tokens = np.zeros((self._ways, size, columns), np.int32)
        sources, lengths, counts = np.zeros((3, self._ways, size), np.int32)
        for way, of_way in enumerate(tasks):
            for i, (task, ids) in enumerate(zip(of_way, new[way])):
                prefix = task.row.prefix
                tokens[way, i, columns - len(ids) :] = ids
                sources[way, i], counts[way, i] = prefix.source, len(ids)
                lengths[way, i] = len(prefix.tokens) - 1
        arrays = (sources.ravel(), lengths.ravel(), tokens.reshape(-1, columns), counts.ravel())
        return decode.resume(self._model, self._weights, saved, *put_batch(arrays, self._mesh))
