"""What was read or written of a row, kept on the devices to go on from."""

import dataclasses

from reasoning_jax.sampling.state import SavedCaches
from reasoning_jax.sampling.weights import Weights


@dataclasses.dataclass(frozen=True, eq=False)
class Prefix:
    """The state of a row after its tokens; any number of rows may go on from it.

    It is never changed, so that a fork costs nothing until its rows are put into slots, and then
    one gather. Prefixes that were made together share their memory until the last is gone.

    Attributes:
      tokens: all of them; keys and values of all but the last are kept.
      caches: of rows that were kept together.
      device: the part of the batch it lies in.
      source: which of the rows there.
      weights: it was made with.
    """

    tokens: tuple[int, ...]
    caches: SavedCaches = dataclasses.field(repr=False)
    device: int
    source: int
    weights: Weights = dataclasses.field(repr=False)
