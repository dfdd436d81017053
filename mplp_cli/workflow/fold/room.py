"""The room that a run has in the pool: which of its waiting steps may start now.

It lives in memory beside the counters of the fold: what it decides shows in the history only as the moments at
which steps start, so a history can be told again without it. What other runs hold is told to it (`beside`).

Steps start by rank, and a later one goes ahead of an earlier one that has no room yet: nothing stands idle for the
sake of order. But nobody starves: after so many that passed it (the `patience` of the plan) the first that waits
keeps what it needs from all later ones until it has started; with the strategy `priority`, from the beginning.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush

from msgspec import Struct

from mplp_cli.workflow.plan import PATIENCE
from mplp_cli.workflow.resources import Amounts, Demand, Kind, Parts, Pool, spread


class _Need(Struct, eq=False):
    """A demand, in columns of the pool, and the ranks of the steps that wait with it."""

    demand: Demand
    #: (column, amount), of kinds that have one unit.
    simple: tuple[tuple[int, int], ...]
    #: (kind, its first column, amount), of those that have several.
    several: tuple[tuple[Kind, int, int], ...]
    #: A heap.
    ranks: list[int]


class Room:
    """What a run may take of the pool. A column is one unit of one kind."""

    def __init__(self, pool: Pool, now: Callable[[], int]) -> None:
        self._pool = pool
        self._now = now
        self._columns = [(kind, unit) for kind in pool.kinds.values() for unit in kind.units]
        self._first: dict[str, int] = {}
        for column, (kind, _) in enumerate(self._columns):
            self._first.setdefault(kind.name, column)
        self._capacity = [unit.capacity for _, unit in self._columns]
        self._others = [0] * len(self._columns)
        #: What the attempts of this run hold, and what is left beside it and beside the others.
        self._mine = [0] * len(self._columns)
        self._free = self._capacity[:]
        #: Step number -> what its attempt holds: (column, amount).
        self._held: dict[int, list[tuple[int, int]]] = {}
        #: Of rates: (when it comes back, column, amount), a heap.
        self._spent: list[tuple[int, int, int]] = []
        #: By the identity of the demand: those of a plan are interned, and equal ones may stand apart.
        self._needs: dict[int, _Need] = {}
        #: Demands that steps wait with, by the first rank of each; those among them that nobody passes.
        self._line: list[tuple[int, _Need]] = []
        self._strict = 0
        #: The first step that waits, and how many have passed it; how many may, before it keeps what it needs.
        self._head, self._passed = -1, 0
        self.patience = PATIENCE
        #: The rank that was found last.
        self._best: int | None = None
        #: Nothing has been given back since it was found that nobody in the line has room.
        self._full = False

    # ---- steps

    def enter(self, demand: Demand, rank: int) -> bool:
        """Whether a step with this rank may start now; else it waits in the line."""
        need = self._need(demand)
        if self._spent:
            self.restore()
        free = self._free
        if self._line and (self._strict or (self._line[0][0] < rank and self._ripe())):
            if self._strict or not self._full:
                self._join(need, rank)  # what those before it keep decides
                if self.best() != rank:
                    return False
                self.leave()
                return True
            free = self._beside(self._line[0][1], free)  # of those who wait nobody has room
        if self._has_room(need, free):
            return True
        full = self._full
        self._join(need, rank)
        self._full = full and self._line[0][0] != rank  # what the one before it kept is free again
        return False

    def take(self, i: int, demand: Demand, rank: int) -> None:
        """The attempt of step `i`, which fits, begins."""
        need = self._need(demand)
        held = list(need.simple)
        for kind, first, amount in need.several:
            free = self._free[first : first + len(kind.units)]
            held.extend(
                (first + place, part) for place, part in spread(kind, free, amount, demand.strategy) or ()
            )
        for column, amount in held:
            self._free[column] -= amount
            per = self._columns[column][0].per
            if per:
                heappush(self._spent, (self._now() + per, column, amount))
            else:
                self._mine[column] += amount
        self._held[i] = held
        if self._line and (head := self._line[0][0]) < rank:
            self._passed = self._passed + 1 if head == self._head else 1
            self._head = head

    def give(self, i: int) -> None:
        """The attempt of step `i` is over, if it holds anything. What it took of rates comes back in its time."""
        for column, amount in self._held.pop(i, ()):
            if not self._columns[column][0].per:
                self._mine[column] -= amount
                self._free[column] += amount
                self._full = False

    def parts(self, i: int) -> Parts:
        """What the attempt of step `i` holds."""
        columns = self._columns
        return tuple((columns[c][0].name, columns[c][1].id, amount) for c, amount in self._held.get(i, ()))

    # ---- the line

    def best(self) -> int | None:
        """The first rank in the line that has room now."""
        if self._full or not self._line:
            return None
        free, ripe = self._free, self._ripe()
        for rank, need in self._line:
            if self._has_room(need, free):
                self._best = rank
                return rank
            if ripe or need.demand.strategy == "priority":
                free = self._beside(need, free)
            ripe = False
        self._full = True
        return None

    def leave(self) -> None:
        """The one that `best` has found leaves the line."""
        place = bisect_left(self._line, self._best or 0, key=_rank)
        _, need = self._line.pop(place)
        heappop(need.ranks)
        self._best = None
        if need.ranks:
            insort(self._line, (need.ranks[0], need), key=_rank)
        elif need.demand.strategy == "priority":
            self._strict -= 1

    @property
    def waits(self) -> bool:
        """Whether a step waits for room."""
        return bool(self._line)

    def empty(self) -> None:
        """Nobody waits any more."""
        for _, need in self._line:
            need.ranks.clear()
        self._line.clear()
        self._strict, self._full = 0, False

    def clear(self) -> None:
        """No attempt runs, and nobody waits. What was spent of rates stays."""
        self.empty()
        for i in list(self._held):
            self.give(i)
        self._head, self._passed = -1, 0

    # ---- others, and time

    def beside(self, held: Amounts) -> None:
        """What others hold, or are to have first, from now on."""
        self._others = self._by_column(
            (kind, unit, n) for kind, units in held.items() for unit, n in units.items()
        )
        spent = [0] * len(self._columns)
        for _, column, amount in self._spent:
            spent[column] += amount
        rows = zip(self._capacity, self._others, self._mine, spent, strict=True)
        self._free = [capacity - others - mine - gone for capacity, others, mine, gone in rows]
        self._full = False

    def spend(self, spent: Iterable[tuple[str, str, int, int]]) -> None:
        """What an earlier process of this run has taken of rates: (kind, unit, amount, when it comes back)."""
        for kind, unit, amount, until in spent:
            for column, taken in enumerate(self._by_column([(kind, unit, amount)])):
                if taken:
                    heappush(self._spent, (until, column, taken))
                    self._free[column] -= taken

    def restore(self) -> bool:
        """Take back what has come back of rates. Whether any has."""
        now, before = self._now(), len(self._spent)
        while self._spent and self._spent[0][0] <= now:
            _, column, amount = heappop(self._spent)
            self._free[column] += amount
            self._full = False
        return len(self._spent) < before

    def next_back(self) -> int | None:
        """When the next of what was taken of rates comes back (ms since the epoch)."""
        return self._spent[0][0] if self._spent else None

    # ---- what others are told

    def held(self) -> list[int]:
        """What the attempts of this run hold, by column."""
        return self._mine[:]

    def amounts(self, columns: Sequence[int]) -> dict[str, dict[str, int]]:
        """Amounts by column as others read them."""
        found: dict[str, dict[str, int]] = {}
        for (kind, unit), amount in zip(self._columns, columns, strict=True):
            if amount:
                found.setdefault(kind.name, {})[unit.id] = amount
        return found

    def spent(self) -> tuple[tuple[str, str, int, int], ...]:
        """What has been taken of rates and has not come back: (kind, unit, amount, when it does)."""
        names = [(kind.name, unit.id) for kind, unit in self._columns]
        return tuple((*names[column], amount, until) for until, column, amount in sorted(self._spent))

    def wanted(self) -> dict[str, dict[str, int]]:
        """What the first step in the line needs, on the units that are nearest to having it."""
        if not self._line:
            return {}
        need = self._line[0][1]
        columns = [0] * len(self._columns)
        for column, amount in need.simple:
            columns[column] = amount
        for kind, first, amount in need.several:
            width = len(kind.units)
            free = self._free[first : first + width]
            room = [unit.capacity for unit in kind.units]
            large = [place for place in range(width) if room[place] >= amount]
            on = (
                [(max(large, key=lambda p: free[p]), amount)]
                if large
                else spread(kind, room, amount, "balanced")
            )
            for place, part in on or ():
                columns[first + place] = part
        return self.amounts(columns)

    # ---- inside

    def _join(self, need: _Need, rank: int) -> None:
        self._full = False
        if need.ranks and need.ranks[0] < rank:
            heappush(need.ranks, rank)
            return
        if need.ranks:
            del self._line[bisect_left(self._line, need.ranks[0], key=_rank)]
        elif need.demand.strategy == "priority":
            self._strict += 1
        heappush(need.ranks, rank)
        insort(self._line, (rank, need), key=_rank)

    def _need(self, demand: Demand) -> _Need:
        need = self._needs.get(id(demand))
        if need is None:
            simple, several = [], []
            for name, amount in demand.amounts:
                kind, first = self._pool.kinds[name], self._first[name]
                if len(kind.units) == 1:
                    simple.append((first, amount))
                else:
                    several.append((kind, first, amount))
            need = self._needs[id(demand)] = _Need(demand, tuple(simple), tuple(several), [])
        return need

    def _ripe(self) -> bool:
        """Whether enough have passed the first in the line."""
        return (self._passed if self._line[0][0] == self._head else 0) >= self.patience

    def _has_room(self, need: _Need, free: list[int]) -> bool:
        """Whether there is room for it in what is `free`, by column."""
        for column, amount in need.simple:
            if free[column] < amount:
                return False
        for kind, first, amount in need.several:
            if spread(kind, free[first : first + len(kind.units)], amount, "first-fit") is None:
                return False
        return True

    def _beside(self, need: _Need, free: list[int]) -> list[int]:
        """What is left of it for others than one that waits: of kinds with several units it keeps all of them."""
        left = free[:]
        for column, amount in need.simple:
            left[column] -= amount
        for kind, first, _ in need.several:
            left[first : first + len(kind.units)] = [0] * len(kind.units)
        return left

    def _by_column(self, parts: Iterable[tuple[str, str, int]]) -> list[int]:
        """Amounts by column; what this pool does not know is left out."""
        place = {(kind.name, unit.id): column for column, (kind, unit) in enumerate(self._columns)}
        columns = [0] * len(self._columns)
        for kind, unit, amount in parts:
            if (kind, unit) in place:
                columns[place[kind, unit]] += amount
        return columns


def _rank(waiting: tuple[int, _Need]) -> int:
    return waiting[0]
