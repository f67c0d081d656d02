"""Which prompts lie in pages, and which rows sit there: host data alone."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from reasoning_jax.sampling.pages import Seating
from reasoning_jax.sampling.state import SavedCaches
from reasoning_jax.sampling.task import Task


@dataclasses.dataclass
class _Page:
    """A prompt, row ``source`` of ``saved``, and who reads it; free when nobody does."""

    rows: list[Task | None]
    saved: SavedCaches | None = None
    source: int = 0
    length: int = 0

    @property
    def free(self) -> bool:
        """Whether another prompt may come."""
        return not any(self.rows)

    def holds(self, saved: SavedCaches, source: int) -> bool:
        """Whether it is this prompt's."""
        return self.saved is saved and self.source == source


class Seats:
    """Seats of rows that begin with one prompt, on each device by itself.

    Args:
      ways: devices.
      pages: of each device.
      each: seats of a page.
      columns: of a page.
    """

    def __init__(self, ways: int, pages: int, each: int, columns: int):
        self.pages, self.each, self.columns = pages, each, columns
        self._pages = [[_Page([None] * each) for _ in range(pages)] for _ in range(ways)]
        self._new: list[tuple[int, int]] = []

    def seat(self, way: int, saved: SavedCaches, source: int, task: Task) -> bool:
        """Gives a row a seat at its prompt's page, or at a free one; False where there is none."""
        pages = self._pages[way]
        open_pages = [i for i, p in enumerate(pages) if p.holds(saved, source) and None in p.rows]
        open_pages += [i for i, page in enumerate(pages) if page.free]
        if not open_pages or task.shared > self.columns:
            return False
        page = pages[open_pages[0]]
        if not page.holds(saved, source):
            page.saved, page.source, page.length = saved, source, task.shared
            self._new.append((way, open_pages[0]))
        page.rows[page.rows.index(None)] = task
        return True

    def leave(self, way: int, task: Task) -> None:
        """Frees the seat of a row, if it has one."""
        for page in self._pages[way]:
            page.rows = [None if row is task else row for row in page.rows]

    def seated(self) -> list[tuple[int, SavedCaches, int, Task]]:
        """(device, saved, source, row) of all seats that are taken."""
        return [
            (way, page.saved, page.source, row)
            for way, pages in enumerate(self._pages)
            for page in pages
            for row in page.rows
            if row is not None
        ]

    def new_pages(self) -> list[tuple[SavedCaches, np.ndarray, np.ndarray]]:
        """What is to be loaded since the last call: (saved, targets, sources) of `pages.load`."""
        found: dict[int, tuple[SavedCaches, np.ndarray, np.ndarray]] = {}
        for way, i in dict.fromkeys(self._new):
            page = self._pages[way][i]
            shape = (len(self._pages), self.pages)
            empty = (page.saved, np.full(shape, self.pages, np.int32), np.zeros(shape, np.int32))
            _, targets, sources = found.setdefault(id(page.saved), empty)
            targets[way, i], sources[way, i] = i, page.source
        self._new = []
        return [
            (saved, targets.ravel(), sources.ravel()) for saved, targets, sources in found.values()
        ]

    def seating(self, slots: Sequence[Sequence[Task | None]]) -> Seating:
        """Arrays of all devices, where rows are in these slots of each."""
        ways, size = len(slots), len(slots[0])
        seats = np.full((ways, self.pages, self.each), size, np.int32)
        places = np.full((ways, size), self.pages * self.each, np.int32)
        shared = np.zeros((ways, size), np.int32)
        lengths = np.zeros((ways, self.pages), np.int32)
        for way, pages in enumerate(self._pages):
            slot_of = {task: slot for slot, task in enumerate(slots[way]) if task is not None}
            for i, page in enumerate(pages):
                lengths[way, i] = page.length
                for j, task in enumerate(page.rows):
                    if task is not None:
                        slot = slot_of[task]
                        seats[way, i, j], places[way, slot] = slot, i * self.each + j
                        shared[way, slot] = page.length
        return Seating(
            seats.reshape(-1, self.each), places.ravel(), shared.ravel(), lengths.ravel()
        )


def pages_needed(seated: Sequence[tuple[int, SavedCaches, int, Task]], each: int) -> int:
    """Pages of the fullest device for rows as `Seats.seated` has them."""
    rows = Counter((way, id(saved), source) for way, saved, source, _ in seated)
    pages = Counter()
    for (way, _, _), count in rows.items():
        pages[way] += -(-count // each)
    return max(pages.values(), default=0)
