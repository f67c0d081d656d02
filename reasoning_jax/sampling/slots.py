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
from reasoning_jax.sampling.params import SamplingParams
from reasoning_jax.sampling.prefix import Prefix
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
        self._ways = batch_ways(mesh)
        self._most = 1 << (max(1, most // self._ways).bit_length() - 1)
        self._ladder = ladder
        self._waiting: deque[list[Task]] = deque()
        self._pools: list[_Pool] = []
        self._state = None
        self._columns = 0
        self._slots: list[list[Task | None]] = [[] for _ in range(self._ways)]
        self._stopped: set[tuple[int, int]] = set()
        self._rule = Rule(vocab_size, greedy=False, draws=False, best=0, nucleus=False)

    def add(self, tasks: Sequence[Task]) -> None:
        """Queues tasks; neighbours that hold one tuple of tokens share one prefill."""
        for task in tasks:
            self._rule = _widened(self._rule, task.sampling)
        self._resume([task for task in tasks if task.row.prefix is not None])
        fresh = [task for task in tasks if task.row.prefix is None]
        for _, group in itertools.groupby(fresh, key=lambda task: id(task.row.tokens)):
            group = list(group)
            for first in range(0, len(group), self._most):
                self._waiting.append(group[first : first + self._most])

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
                self._slots[way][slot] = None
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
                self._slots[way][slot] = None
                if not finished[i]:
                    self._stopped.add((way, slot))
        self._keep([entry for entry in live if entry[2].finished and entry[2].keeps])
        return done

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
        if (size, columns) != (self._size, self._columns):
            self._rearrange(size, columns)

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
            (task.length + (_CHUNK if task.keeps else min(task.left, _CHUNK)) for task in tasks),
            default=1,
        )
        end = max((task.length + task.left for task in tasks), default=1)
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
        saved = self._read([[group[0].row.tokens for group in taken] for taken in groups], size)
        return _Pool(
            saved,
            [deque((i, t) for i, group in enumerate(taken) for t in group) for taken in groups],
        )

    def _read(self, prompts: list[list[tuple[int, ...]]], size: int) -> SavedCaches:
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

    def _place(self, pool: _Pool) -> None:
        """Puts tasks of a pool into free slots."""
        free = [[s for s, task in enumerate(slots) if task is None] for slots in self._slots]
        counts = [min(len(slots), len(tasks)) for slots, tasks in zip(free, pool.tasks)]
        many = self._state is None or max(counts) > self._size // 2
        size = self._size if many else self._quantum
        for first in range(0, max(counts), size):
            chosen = [
                [(slot, *tasks.popleft()) for slot in slots[first : first + size] if tasks]
                for slots, tasks in zip(free, pool.tasks)
            ]
            self._put(pool.saved, chosen, size)

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
            for first in range(0, max(map(len, longer)), self._most):
                part = [of_way[first : first + self._most] for of_way in longer]
                self._pools.append(self._read_on(saved, part))

    def _read_on(self, saved: SavedCaches, tasks: list[list[Task]]) -> _Pool:
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
        read = decode.resume(self._model, self._weights, saved, *put_batch(arrays, self._mesh))
        return _Pool(read, [deque(enumerate(of_way)) for of_way in tasks])

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
        longest = max(task.length for _, _, task in finished) - 1
        caches = decode.lift(
            self._model.mesh,
            self._state,
            *put_batch((slots.ravel(), surplus.ravel()), self._mesh),
            columns=bucket(longest, largest_step=1 << 30),
        )
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
            caches = self._read(dealt, bucket(len(dealt[0]), 1))
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
        self._state, added = decode.advance(
            self._model,
            self._weights,
            self._state,
            put_batch(stopped.reshape(-1), self._mesh),
            put_replicated(np.array([most, patience], np.int32), self._mesh),
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
