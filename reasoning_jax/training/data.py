"""Endless, resumable batches; the iterators' states are JSON and live in the checkpoint."""

from collections.abc import Iterator, Sequence

import grain
import numpy as np

from reasoning_jax.text.packing import PackedRows, first_fit_decreasing, pack

# As good as endless; grain's own endless repeat overflows when a batch is of one.
_EPOCHS = 1 << 30


def index_batches(size: int, batch: int, seed: int) -> Iterator[np.ndarray]:
    """Shuffled indices [batch] below ``size``, epoch after epoch; no index twice in a batch.

    What an epoch has left over when ``batch`` does not divide ``size`` is left out of it.

    Raises:
      ValueError: when there are fewer indices than a batch takes.
    """
    if size < batch:
        raise ValueError(f"{size} problems are fewer than a batch of {batch}; lower the batch")
    dataset = (
        grain.MapDataset.range(size)
        .shuffle(seed=seed)
        .batch(batch, drop_remainder=True)
        .repeat(_EPOCHS)
    )
    return iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=0)))


def pack_examples(
    examples: Sequence[tuple[Sequence[int], Sequence[bool]]],
    capacity: int,
    seed: int,
    window: int = 10_000,
) -> PackedRows:
    """Packs examples (ids, whether each is trained) into rows.

    Examples are shuffled, then packed first-fit-decreasing within windows, so that a row mixes
    what the data's order kept apart and the cost stays linear.
    """
    order = np.random.default_rng(seed).permutation(len(examples))
    sequences = [examples[i][0] for i in order]
    masks = [examples[i][1] for i in order]
    bins = []
    for first in range(0, len(order), window):
        lengths = [len(ids) for ids in sequences[first : first + window]]
        bins += [[first + i for i in b] for b in first_fit_decreasing(lengths, capacity)]
    return pack(sequences, masks, bins, capacity)
