"""What a run would do with a start order: whenever something ends, the first ready step that has room starts.

The rules are those of `fold.room`, with one unit of each kind. Times are milliseconds. What a step takes is one
whole number with a field for each column of resources, so that one subtraction tells whether all of it fits: above
each field is a bit that is only cleared if too much was taken from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush, heapreplace

from msgspec import Struct

from mplp_cli.workflow.plan import PATIENCE

#: Bits of a step's number (and of what happens to it) in an event; what is above them is when.
_BITS = 40


class Columns:
    """How much there is of each column, and where its field lies: that of the last one above all others."""

    def __init__(self, capacities: Sequence[int]) -> None:
        self.capacities = tuple(capacities)
        self._offsets: list[int] = []
        #: The bits above the fields; each with its field.
        self.guards = 0
        self._fields: list[tuple[int, int]] = []
        at = 0
        for capacity in capacities:
            self._offsets.append(at)
            field = (1 << capacity.bit_length()) - 1 << at
            at += capacity.bit_length()
            self.guards |= 1 << at
            self._fields.append((1 << at, field))
            at += 1
        #: All that there is, with its guards.
        self.all = self.guards + self.packed(capacities)

    def packed(self, amounts: Sequence[int]) -> int:
        """An amount of each column as one number; none is larger than there is."""
        return sum(amount << at for amount, at in zip(amounts, self._offsets, strict=True))

    def amounts(self, packed: int) -> list[int]:
        """The amount of each column."""
        rows = zip(self.capacities, self._offsets, strict=True)
        return [packed >> at & (1 << capacity.bit_length()) - 1 for capacity, at in rows]

    def beside(self, free: int, kept: int) -> int:
        """What is left of `free` (with its guards) if `kept` is kept for somebody; nothing where that is more."""
        left, found = free - kept, self.guards
        for guard, field in self._fields:
            if left & guard:
                found += left & field
        return found


class Tasks(Struct, kw_only=True):
    """What is simulated, by number; numbers go with the dependencies. `takes` are numbers of `columns`.

    What a task takes of rates (`spends`, a part of `takes`) comes back `per` ms after its start, the rest at its end.
    """

    columns: Columns
    durations: Sequence[int]
    takes: Sequence[int]
    #: How many tasks each waits for, and which wait for it.
    waits: Sequence[int]
    dependants: Sequence[Sequence[int]]
    #: What all take that do anything: nobody keeps it, and who takes nothing else passes nobody.
    slot: int = 0
    #: By number: what is spent of rates, and when it comes back. Most have none.
    rates: dict[int, list[tuple[int, int]]] = {}

    def backwards(self) -> Tasks:
        """The same from the end to the beginning."""
        before: list[list[int]] = [[] for _ in self.durations]
        for i, later in enumerate(self.dependants):
            for d in later:
                before[d].append(i)
        return Tasks(
            columns=self.columns,
            durations=self.durations,
            takes=self.takes,
            waits=[len(later) for later in self.dependants],
            dependants=before,
            slot=self.slot,
            rates=self.rates,
        )


def simulated(tasks: Tasks, order: Sequence[int], patience: int = PATIENCE) -> tuple[int, list[int]]:
    """When all has ended, and when each started. `order` names all tasks, the first to start first."""
    durations, takes, dependants = tasks.durations, tasks.takes, tasks.dependants
    waits = list(tasks.waits)
    rank = [0] * len(order)
    for place, i in enumerate(order):
        rank[i] = place
    starts = [0] * len(order)
    line = _Line(tasks, order, patience)
    fresh = [i for i, n in enumerate(waits) if not n]
    #: What happens to which step, and when: it ends (0), or some of what it took comes back (1 and more).
    events: list[int] = []
    now = last = 0
    while True:
        for i in fresh:  # it grows: what takes neither time nor room ends as it starts
            if takes[i] or durations[i]:
                line.join(takes[i], rank[i])
                continue
            starts[i] = now
            _met(dependants[i], waits, fresh)
        fresh.clear()
        for place in line.admitted():
            i = order[place]
            starts[i] = now
            heappush(events, now + durations[i] << _BITS | i << 8)
            for n, (per, _) in enumerate(tasks.rates.get(i, ())):
                heappush(events, now + per << _BITS | i << 8 | n + 1)
        if not events:
            return last, starts
        event = heappop(events)  # one at a time, as facts come to the fold
        now = event >> _BITS
        i, n = (event & (1 << _BITS) - 1) >> 8, event & 255
        if n:
            line.free += tasks.rates[i][n - 1][1]
            continue
        line.free += takes[i]
        for _, spent in tasks.rates.get(i, ()):
            line.free -= spent
        last = now
        _met(dependants[i], waits, fresh)


def _met(dependants: Sequence[int], waits: list[int], fresh: list[int]) -> None:
    """One that they wait for has ended; those that wait for nothing more are added to `fresh`."""
    for d in dependants:
        waits[d] -= 1
        if not waits[d]:
            fresh.append(d)


class _Line:
    """Those who are ready, by what they take."""

    def __init__(self, tasks: Tasks, order: Sequence[int], patience: int) -> None:
        self._tasks, self._order, self._patience = tasks, order, patience
        #: What is left, with the guards.
        self.free = tasks.columns.all
        #: Heaps of ranks; none is empty.
        self._ranks: dict[int, list[int]] = {}
        #: The first of all who are ready; below it if that is not known.
        self._first = -1
        #: The first that waits, and how many have passed it.
        self._head, self._passed = -1, 0

    def join(self, takes: int, rank: int) -> None:
        """One more is ready."""
        self._first = min(self._first, rank) if self._ranks else rank
        if takes in self._ranks:
            heappush(self._ranks[takes], rank)
        else:
            self._ranks[takes] = [rank]

    def admitted(self) -> list[int]:
        """The ranks that start now; what they take is taken."""
        ready, guards = self._ranks, self._tasks.columns.guards
        started: list[int] = []
        while ready:
            if self._first < 0:
                self._first = min(ready.values())[0]
            head = self._first
            takes = self._tasks.takes[self._order[head]]
            if (self.free - takes) & guards != guards:
                if len(ready) > 1:
                    self._pass(head, takes, started)
                break
            self._leave(takes)
            self._first = -1
            self.free -= takes
            started.append(head)
        return started

    def _pass(self, head: int, kept: int, started: list[int]) -> None:
        """Start those that have room though the first of all has none."""
        ready, guards, slot = self._ranks, self._tasks.columns.guards, self._tasks.slot
        passed = self._passed if head == self._head else 0
        strict = passed >= self._patience
        free = self._tasks.columns.beside(self.free, kept - slot) if strict else self.free
        left = free - guards  # who takes more in the last column is told by one comparison
        fitting = [
            (ranks[0], takes)
            for takes, ranks in ready.items()
            if takes <= left and (free - takes) & guards == guards
        ]
        heapify(fitting)
        while fitting:
            rank, takes = fitting[0]
            if (free - takes) & guards != guards:
                heappop(fitting)
                continue
            self._leave(takes)
            if takes in ready:
                heapreplace(fitting, (ready[takes][0], takes))
            else:
                heappop(fitting)
            self.free -= takes
            free -= takes
            started.append(rank)
            if takes != slot:
                self._head, passed = head, passed + 1
                self._passed = passed
                if passed >= self._patience and not strict:
                    strict = True
                    free = self._tasks.columns.beside(self.free, kept - slot)

    def _leave(self, takes: int) -> None:
        """The first of those that take so much waits no longer."""
        ranks = self._ranks[takes]
        heappop(ranks)
        if not ranks:
            del self._ranks[takes]
