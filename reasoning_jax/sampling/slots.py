"""Continuous batching: rows leave their slots when they finish, others take them."""

import dataclasses
import itertools
from collections import deque
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from reasoning_jax.models.transformer import Transformer
from reasoning_jax.parallel import batch_ways, put_batch, put_replicated, to_host
from reasoning_jax.sampling import decode
from reasoning_jax.sampling.choose import Rule
from reasoning_jax.sampling.newcomers import pack
from reasoning_jax.sampling.pages import Seating
from reasoning_jax.sampling.params import SamplingParams
from reasoning_jax.sampling.prefix import Prefix
from reasoning_jax.sampling.reading import Reader
from reasoning_jax.sampling.seats import Seats, pages_needed
from reasoning_jax.sampling.state import SavedCaches
from reasoning_jax.sampling.task import Task
from reasoning_jax.sampling.weights import Weights
from reasoning_jax.shapes import bucket

# Steps between visits of the host, and where it has to look at texts.
_CHUNK, _TEXT_CHUNK = 32, 16
# Of the slots of a device, so many are free before the host looks for rows to put there.
_PATIENCE = 1 / 8
# Fewer slots are worth a program of their own when this many steps may follow; nor are so few.
_SHRINK_STEPS, _SMALLEST = 64, 8
# Rings are made for whole rows up to this length; longer ones grow when they have to.
_WHOLE_RING = 256
# Rows read a prompt together from this many tokens on, at most so many rows at once. Eight rows of
# a prompt of 128 tokens were 3 % faster with a copy each, of 256 8 % slower, of 512 26 %.
_SHARED, _SEATS = 256, 4
# Most tokens, padding included, of the prompts that a device reads at once.
_PREFILL_TOKENS = 8192


@dataclasses.dataclass
class _Pool:
    """Prompts that were read, and the tasks that begin with them.

    Attributes:
      saved: their caches.
      tasks: for each device, (row of ``saved`` on it, task) of those that wait for a slot.
    """

    saved: SavedCaches
    tasks: list[deque[tuple[int, Task]]]


class Slots:
    """Decodes any number of rows, a fixed number at a time.

    A row depends on its task alone, whatever its slot, its company and the time it came.

    Args:
      model: built for ``mesh``.
      weights: on ``mesh``.
      mesh: devices that share the slots.
      most: slots of all devices together.
      vocab_size: of the tokenizer.
      ladder: fewer slots than ``most`` are a power of it fewer; each number of them is a program.
    """

    def __init__(
        self,
        model: Transformer,
        weights: Weights,
        mesh: Mesh,
        most: int,
        vocab_size: int,
        ladder: int = 2,
    ):
        self._model = model
        self._weights = weights
        self._mesh = mesh
        self._reader = Reader(model, weights, mesh)
        self._ways = batch_ways(mesh)
        self._most = 1 << (max(1, most // self._ways).bit_length() - 1)
        self._ladder = ladder
        self._waiting: deque[list[Task]] = deque()
        self._pools: list[_Pool] = []
        self._state = None
        self._columns = 0
        self._slots: list[list[Task | None]] = [[] for _ in range(self._ways)]
        self._stopped: set[tuple[int, int]] = set()
        self._sharers = 1  # rows of the largest group that reads a prompt together
        self._seats: Seats | None = None
        self._seating: Seating | None = None
        self._pages: SavedCaches | None = None
        self._crowded = False  # slots are free that rows cannot take for want of a page
        self._rule = Rule(vocab_size, greedy=False, draws=False, best=0, nucleus=False)

    def add(self, tasks: Sequence[Task]) -> None:
        """Queues tasks; neighbours that hold one tuple of tokens share one prefill."""
        for task in tasks:
            self._rule = _widened(self._rule, task.sampling)
        self._resume([task for task in tasks if task.row.prefix is not None])
        fresh = [task for task in tasks if task.row.prefix is None]
        for _, group in itertools.groupby(fresh, key=lambda task: id(task.row.tokens)):
            group = list(group)
            self._let_share(group)
            for first in range(0, len(group), self._most):
                self._waiting.append(group[first : first + self._most])

    def _let_share(self, group: list[Task]) -> None:
        """Marks tasks that begin with the same tokens, all but the last of which are read."""
        length = len(group[0].row.tokens) - 1
        if len(group) > 1 and length >= _SHARED:
            self._sharers = max(self._sharers, len(group))
            for task in group:
                task.shared = length

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._waiting or self._pools) or any(self._live())

    def drop(self, task: Task) -> None:
        """Gives a task up, wherever it is; it ends as it stands."""
        self._waiting = deque(
            rest for group in self._waiting if (rest := [other for other in group if other != task])
        )
        for pool in self._pools:
            pool.tasks = [
                deque(entry for entry in of_way if entry[1] != task) for of_way in pool.tasks
            ]
        self._pools = [pool for pool in self._pools if any(pool.tasks)]
        for way, slot, live in self._live():
            if live is task:
                self._leave(way, slot, task)
                self._stopped.add((way, slot))

    def run(self) -> Iterator[Task]:
        """Tasks as they finish, until there are none."""
        while self.busy:
            yield from self.step()

    def step(self, most: int | None = None) -> list[Task]:
        """Fills the slots, generates for some steps and returns the tasks that finished.

        Args:
          most: steps; None for as many as suit.
        """
        if not self.busy:
            return []
        self._fit()
        self._fill()
        live = self._live()
        tokens, logprobs, counts, finished = to_host(self._advance(live, most or _CHUNK))
        done = []
        for way, slot, task in live:
            i = way * self._size + slot
            count = counts[i]
            task.add(tokens[i, :count].tolist(), logprobs[i, :count].tolist(), bool(finished[i]))
            if task.finished:
                done.append(task)
                self._leave(way, slot, task)
                if not finished[i]:
                    self._stopped.add((way, slot))
        self._keep([entry for entry in live if entry[2].finished and entry[2].keeps])
        return done

    def _leave(self, way: int, slot: int, task: Task) -> None:
        self._slots[way][slot] = None
        if self._seats is not None:
            self._seats.leave(way, task)

    # How many slots, over how many columns.

    @property
    def _size(self) -> int:
        """Slots of each device."""
        return len(self._slots[0])

    def _live(self) -> list[tuple[int, int, Task]]:
        """(device, slot, task) of all slots that are taken."""
        return [
            (way, slot, task)
            for way, slots in enumerate(self._slots)
            for slot, task in enumerate(slots)
            if task is not None
        ]

    def _pooled(self, way: int) -> int:
        return sum(len(pool.tasks[way]) for pool in self._pools)

    def _fit(self) -> None:
        """Makes the slots and the ring as large as they must be, or fewer where that pays."""
        next_groups = list(itertools.islice(self._waiting, self._most * self._ways))
        used = [
            self._size - slots.count(None) + self._pooled(way)
            for way, slots in enumerate(self._slots)
        ]
        waiting = sum(len(group) for group in next_groups)
        fewest = max(*used, -(-(sum(used) + waiting) // self._ways))
        size = self._rung(fewest)
        tasks = [task for _, _, task in self._live()]
        steps = max((task.left for task in tasks), default=0)
        if size < self._size:
            pays = not waiting and steps > _SHRINK_STEPS
            size = self._rung(max(fewest, -(-_SMALLEST // self._ways))) if pays else self._size
        tasks += [task for pool in self._pools for of_way in pool.tasks for _, task in of_way]
        tasks += [task for group in next_groups for task in group]
        columns = self._ring(tasks)
        if size >= self._size:
            columns = max(columns, self._columns)
        fits = size == self._size
        if (size, columns) != (self._size, self._columns):
            self._rearrange(size, columns)
        self._fit_pages([task for task in tasks if task.shared], fits)

    def _fit_pages(self, tasks: Sequence[Task], fits: bool) -> None:
        """Makes as many pages as the slots may need, where rows read prompts together.

        Args:
          tasks: of such rows.
          fits: whether there are as many slots as there were.
        """
        crowded, self._crowded = self._crowded, False
        if not tasks:
            self._seats = self._seating = self._pages = None
            return
        now = self._seats
        seated = now.seated() if now else []
        each = min(_SEATS, bucket(self._sharers, 1), self._size)
        rows = min(self._size, -(-len(tasks) // self._ways))
        count = max(-(-rows // each), pages_needed(seated, each))
        columns = _columns(max(task.shared for task in tasks))
        if now and fits and now.each == each:
            count = max(count, 2 * now.pages if crowded else now.pages)
            columns = max(columns, now.columns)
        count = min(bucket(count, 1), max(self._size, count))
        if now and (now.pages, now.each, now.columns) == (count, each, columns):
            return
        self._seats, self._pages = Seats(self._ways, count, each, columns), None
        for entry in seated:
            self._seats.seat(*entry)
        self._load_pages()

    def _load_pages(self) -> None:
        """Puts prompts into the pages that were given to them."""
        if self._seats is None:
            return
        mesh = self._model.mesh
        for saved, targets, sources in self._seats.new_pages():
            if self._pages is None:
                count = self._seats.pages * self._ways
                self._pages = decode.blank_pages(
                    mesh, saved, count=count, columns=self._seats.columns
                )
            placed = put_batch((targets, sources), self._mesh)
            self._pages = decode.load_pages(mesh, self._pages, saved, *placed)

    def _rung(self, rows: int) -> int:
        """The least number of slots for so many rows, or all there may be."""
        size = self._most
        while size > 1 and max(1, size // self._ladder) >= rows:
            size = max(1, size // self._ladder)
        return size

    def _ring(self, tasks: Sequence[Task]) -> int:
        """Columns for rows that are all in slots for the next steps."""
        # What is written after the end of a row must not reach what is to be kept of it.
        now = max(
            (task.own + (_CHUNK if task.keeps else min(task.left, _CHUNK)) for task in tasks),
            default=1,
        )
        end = max((task.own + task.left for task in tasks), default=1)
        return max(_columns(now), min(_columns(end), _WHOLE_RING))

    def _rearrange(self, size: int, columns: int) -> None:
        kept = [[slot for slot, task in enumerate(slots) if task] for slots in self._slots]
        if self._state is not None:
            table = np.full((self._ways, size), -1, np.int32)
            for way, slots in enumerate(kept):
                table[way, : len(slots)] = slots
            self._state = decode.rearrange(
                self._model.mesh,
                self._state,
                put_batch(table.reshape(-1), self._mesh),
                columns=columns,
            )
        self._slots = [
            [old[slot] for slot in slots] + [None] * (size - len(slots))
            for old, slots in zip(self._slots, kept)
        ]
        self._columns = columns
        self._stopped = set()  # slots that no task was in are finished now

    # Rows into slots.

    def _fill(self) -> None:
        while True:
            for pool in self._pools:
                self._place(pool)
            self._pools = [pool for pool in self._pools if any(pool.tasks)]
            starving = any(
                slots.count(None) > self._pooled(way) for way, slots in enumerate(self._slots)
            )
            if not (self._waiting and starving):
                return
            self._pools.append(self._prefill())

    def _prefill(self) -> _Pool:
        """Reads the next prompts, as many on each device."""
        next_groups = list(itertools.islice(self._waiting, self._size * self._ways))
        longest = max(len(group[0].row.tokens) for group in next_groups)
        each = -(-len(next_groups) // self._ways)
        room = -(-self._size // len(next_groups[0]))
        at_once = max(1, _PREFILL_TOKENS // bucket(longest, largest_step=1 << 30))
        size = min(bucket(each, 1), bucket(room, 1), at_once)
        loads = [
            self._size - slots.count(None) + self._pooled(way)
            for way, slots in enumerate(self._slots)
        ]
        groups: list[list[list[Task]]] = [[] for _ in range(self._ways)]
        while self._waiting and min(len(taken) for taken in groups) < size:
            open_ways = [way for way in range(self._ways) if len(groups[way]) < size]
            way = min(open_ways, key=lambda way: (loads[way], way))
            group = self._waiting.popleft()
            groups[way].append(group)
            loads[way] += len(group)
        saved = self._reader.read(
            [[group[0].row.tokens for group in taken] for taken in groups], size
        )
        return _Pool(
            saved,
            [deque((i, t) for i, group in enumerate(taken) for t in group) for taken in groups],
        )

    def _place(self, pool: _Pool) -> None:
        """Puts tasks of a pool into free slots."""
        chosen = [self._choose(pool, way) for way in range(self._ways)]
        self._load_pages()
        most = max(map(len, chosen))
        many = self._state is None or most > self._size // 2
        size = self._size if many else self._quantum
        for first in range(0, most, size):
            self._put(pool.saved, [of_way[first : first + size] for of_way in chosen], size)

    def _choose(self, pool: _Pool, way: int) -> list[tuple[int, int, Task]]:
        """Takes tasks from a pool: (slot, row of its caches, task)."""
        free = [slot for slot, task in enumerate(self._slots[way]) if task is None]
        chosen, left = [], deque()
        for source, task in pool.tasks[way]:
            if len(chosen) == len(free):
                left.append((source, task))
            elif task.shared and not self._seats.seat(way, pool.saved, source, task):
                left.append((source, task))
                self._crowded |= 4 * (len(free) - len(chosen)) > self._size
            else:
                chosen.append((free[len(chosen)], source, task))
        pool.tasks[way] = left
        return chosen

    def _resume(self, tasks: list[Task]) -> None:
        """Reads what rows have beyond their prefixes; those then wait for slots."""
        groups: dict[int, list[Task]] = {}
        for task in tasks:
            groups.setdefault(id(task.row.prefix.caches), []).append(task)
        for group in groups.values():
            saved = group[0].row.prefix.caches
            ready: list[deque[tuple[int, Task]]] = [deque() for _ in range(self._ways)]
            longer: list[list[Task]] = [[] for _ in range(self._ways)]
            for task in group:
                prefix = task.row.prefix
                if len(prefix.tokens) == len(task.row.tokens):
                    ready[prefix.device].append((prefix.source, task))
                else:
                    longer[prefix.device].append(task)
            if any(ready):
                self._pools.append(_Pool(saved, ready))
            for of_way in ready:
                by_source = sorted(of_way, key=lambda entry: entry[0])
                for _, alike in itertools.groupby(by_source, key=lambda entry: entry[0]):
                    self._let_share([task for _, task in alike])
            for first in range(0, max(map(len, longer)), self._most):
                part = [of_way[first : first + self._most] for of_way in longer]
                read = self._reader.read_on(saved, part)
                self._pools.append(_Pool(read, [deque(enumerate(of_way)) for of_way in part]))

    def _keep(self, finished: list[tuple[int, int, Task]]) -> None:
        """Lifts the state of rows out of slots that no other row has taken yet."""
        if not finished:
            return
        of_way = [[entry for entry in finished if entry[0] == way] for way in range(self._ways)]
        size = self._size if max(map(len, of_way)) > self._quantum else self._quantum
        slots, surplus = np.zeros((2, self._ways, size), np.int32)
        for way, entries in enumerate(of_way):
            for i, (_, slot, task) in enumerate(entries):
                slots[way, i], surplus[way, i] = slot, task.surplus
        columns = bucket(max(task.own for _, _, task in finished) - 1, largest_step=1 << 30)
        placed = put_batch((slots.ravel(), surplus.ravel()), self._mesh)
        mesh, state = self._model.mesh, self._state
        if self._pages is None:
            caches = decode.lift(mesh, state, *placed, columns=columns)
        else:
            seated = (self._pages, self._seating)
            caches = decode.lift_with_pages(mesh, state, *seated, *placed, columns=columns)
        for way, entries in enumerate(of_way):
            for i, (_, _, task) in enumerate(entries):
                tokens = (*task.row.tokens, *task.tokens)
                task.prefix = Prefix(tokens, caches, way, i, self._weights)

    def read(self, prompts: Sequence[tuple[int, ...]]) -> list[Prefix]:
        """The states of prompts that were read; nothing is generated."""
        found = []
        most = self._most * self._ways
        for first in range(0, len(prompts), most):
            part = prompts[first : first + most]
            dealt = [part[way :: self._ways] for way in range(self._ways)]
            caches = self._reader.read(dealt, bucket(len(dealt[0]), 1))
            found += [
                Prefix(tokens, caches, i % self._ways, i // self._ways, self._weights)
                for i, tokens in enumerate(part)
            ]
        return found

    @property
    def _quantum(self) -> int:
        return max(1, int(self._size * _PATIENCE))

    def _put(
        self, saved: SavedCaches, chosen: list[list[tuple[int, int, Task]]], size: int
    ) -> None:
        """One program's worth: (slot, row of ``saved``, task) for each device."""
        for way, entries in enumerate(chosen):
            for slot, _, task in entries:
                self._slots[way][slot] = task
                self._stopped.discard((way, slot))
        packed = put_batch(pack(chosen, size, no_slot=self._size), self._mesh)
        mesh = self._model.mesh
        if self._state is None:
            self._state = decode.fill(mesh, saved, *packed, columns=self._columns)
        else:
            self._state = decode.place(mesh, self._state, saved, *packed)

    # Steps.

    def _advance(self, live: list[tuple[int, int, Task]], most: int) -> tuple[jax.Array, ...]:
        tasks = [task for _, _, task in live]
        longest = max(task.left for task in tasks)
        size, patience = self._size * self._ways, 0
        if self._waiting or self._pools:
            patience = max(0, len(live) - self._quantum * self._ways)
        elif longest > _SHRINK_STEPS and size > _SMALLEST and len(live) > size // 2:
            patience = size // 2
        reads = any(task.sampling.stop for task in tasks)
        most = min(longest, most, _TEXT_CHUNK if reads else _CHUNK)
        stopped = np.zeros((self._ways, self._size), bool)
        for way, slot in self._stopped:
            stopped[way, slot] = True
        self._stopped = set()
        pages = None
        if self._pages is not None:
            self._seating = put_batch(self._seats.seating(self._slots), self._mesh)
            pages = self._pages, self._seating
        self._state, added = decode.advance(
            self._model,
            self._weights,
            self._state,
            put_batch(stopped.reshape(-1), self._mesh),
            put_replicated(np.array([most, patience], np.int32), self._mesh),
            pages,
            rule=self._rule,
            chunk=_CHUNK,
        )
        return (added.tokens, added.logprobs, added.counts, added.finished)


def _columns(length: int) -> int:
    """The next size of a ring: powers of two from 16, and half way between them."""
    power = bucket(length, largest_step=1 << 30)
    return power * 3 // 4 if power > 16 and length <= power * 3 // 4 else power


def _widened(rule: Rule, sampling: SamplingParams) -> Rule:
    """The rule for these wishes too."""
    if sampling.temperature == 0:
        return dataclasses.replace(rule, greedy=True)
    return dataclasses.replace(
        rule,
        draws=True,
        best=max(rule.best, bucket(sampling.top_k, 64) if sampling.top_k else 0),
        nucleus=rule.nucleus or (sampling.top_p < 1 and not sampling.top_k),
    )
