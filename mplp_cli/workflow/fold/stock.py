"""What a run has of the pool, reckoned by columns: one for each unit of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from math import inf
from operator import gt

from msgspec import Struct

from mplp_cli.workflow.resources import Amounts, Demand, Kind, Parts, Pool, spread


class Need(Struct, eq=False):
    """A demand, in columns, and the ranks of the steps that wait with it."""

    demand: Demand
    #: (column, amount), of kinds that have one unit.
    simple: tuple[tuple[int, int], ...]
    #: (kind, its first column, amount), of those that have several.
    several: tuple[tuple[Kind, int, int], ...]
    #: The simple ones by column; less than anything where it asks for none.
    amounts: list[float]
    #: A heap.
    ranks: list[int]
    #: It asks for a kind that the pool does not have.
    never: bool = False
    #: It asks only for kinds with one unit, and for no rates: what is taken is `simple`, and is given back whole.
    plain: bool = False


class Stock:
    """What there is, what the attempts of this run hold of it, and what others do."""

    def __init__(self, pool: Pool, now: Callable[[], int]) -> None:
        self._pool = pool
        self._now = now
        self._columns = [(kind, unit) for kind in pool.kinds.values() for unit in kind.units]
        self._first: dict[str, int] = {}
        for column, (kind, _) in enumerate(self._columns):
            self._first.setdefault(kind.name, column)
        self._names = [(kind.name, unit.id) for kind, unit in self._columns]
        self._per = [kind.per for kind, _ in self._columns]
        self._capacity = [unit.capacity for _, unit in self._columns]
        #: What the attempts of this run hold, and what is left beside it and beside the others.
        self._mine = [0] * len(self._columns)
        self.free = self._capacity[:]
        #: Step number -> what its attempt holds: (column, amount).
        self._held: dict[int, Sequence[tuple[int, int]]] = {}
        #: Of rates: (when it comes back, column, amount), a heap.
        self._spent: list[tuple[int, int, int]] = []
        #: By the identity of the demand: those of a plan are interned, and equal ones may stand apart.
        self._needs: dict[int, Need] = {}
        #: By column what every demand that was ever met asks for at least.
        self.least: list[float] = []
        #: Something has been given back; whoever has seen it says so.
        self.loosened = False

    def take(self, i: int, demand: Demand) -> None:
        """The attempt of step `i`, which fits, begins."""
        need, free, mine = self.need(demand), self.free, self._mine
        if need.plain:
            self._held[i] = need.simple
            for column, amount in need.simple:
                free[column] -= amount
                mine[column] += amount
            return
        held = list(need.simple)
        for kind, first, amount in need.several:
            units = free[first : first + len(kind.units)]
            held.extend(
                (first + place, part) for place, part in spread(kind, units, amount, demand.strategy) or ()
            )
        for column, amount in held:
            free[column] -= amount
            if per := self._per[column]:
                heappush(self._spent, (self._now() + per, column, amount))
            else:
                mine[column] += amount
        self._held[i] = held

    def give(self, i: int) -> None:
        """The attempt of step `i` is over, if it holds anything. What it took of rates comes back in its time."""
        mine, free, per = self._mine, self.free, self._per
        for column, amount in self._held.pop(i, ()):
            if not per[column]:
                mine[column] -= amount
                free[column] += amount
                self.loosened = True

    def undo(self, i: int) -> None:
        """The attempt of step `i` has not begun after all: nothing was taken, of rates neither."""
        for column, amount in self._held.get(i, ()):
            if self._per[column]:
                self._spent.remove(max(one for one in self._spent if one[1:] == (column, amount)))
                heapify(self._spent)
                self.free[column] += amount
                self.loosened = True
        self.give(i)

    def clear(self) -> None:
        """No attempt runs. What was spent of rates stays."""
        for i in list(self._held):
            self.give(i)

    def parts(self, i: int) -> Parts:
        """What the attempt of step `i` holds."""
        return tuple([(*self._names[column], amount) for column, amount in self._held.get(i, ())])

    def need(self, demand: Demand) -> Need:
        """A demand in columns, always the same one."""
        need = self._needs.get(id(demand))
        if need is None:
            simple, several = [], []
            known = [one for one in demand.amounts if one[0] in self._pool.kinds]
            for name, amount in known:
                kind, first = self._pool.kinds[name], self._first[name]
                if len(kind.units) == 1:
                    simple.append((first, amount))
                else:
                    several.append((kind, first, amount))
            amounts = [-inf] * len(self._columns)
            for column, amount in simple:
                amounts[column] = amount
            self.least = list(map(min, self.least, amounts)) if self._needs else amounts
            need = self._needs[id(demand)] = Need(
                demand,
                tuple(simple),
                tuple(several),
                amounts,
                [],
                never=len(known) < len(demand.amounts),
                plain=not several and not any(self._per[column] for column, _ in simple),
            )
        return need

    def has_room(self, need: Need, free: list[int]) -> bool:
        """Whether there is room for it in what is `free`, by column."""
        if need.never:
            return False
        for column, amount in need.simple:
            if free[column] < amount:
                return False
        for kind, first, amount in need.several:
            if spread(kind, free[first : first + len(kind.units)], amount, "first-fit") is None:
                return False
        return True

    def left_beside(self, need: Need, free: list[int]) -> list[int]:
        """What is left of it for others than one that waits: of kinds with several units it keeps all of them."""
        left = free[:]
        for column, amount in need.simple:
            left[column] -= amount
        for kind, first, _ in need.several:
            left[first : first + len(kind.units)] = [0] * len(kind.units)
        return left

    # ---- others, and time

    def beside(self, held: Amounts) -> None:
        """What others hold, or are to have first, from now on."""
        others = self._by_column((kind, unit, n) for kind, units in held.items() for unit, n in units.items())
        spent = [0] * len(self._columns)
        for _, column, amount in self._spent:
            spent[column] += amount
        rows = zip(self._capacity, others, self._mine, spent, strict=True)
        self.free = [capacity - theirs - mine - gone for capacity, theirs, mine, gone in rows]
        self.loosened = True

    def spend(self, spent: Iterable[tuple[str, str, int, int]]) -> None:
        """What an earlier process of this run has taken of rates: (kind, unit, amount, when it comes back)."""
        for kind, unit, amount, until in spent:
            for column, taken in enumerate(self._by_column([(kind, unit, amount)])):
                if taken:
                    heappush(self._spent, (until, column, taken))
                    self.free[column] -= taken

    def restore(self) -> bool:
        """Take back what has come back of rates. Whether any has."""
        if not self._spent:
            return False
        now, before = self._now(), len(self._spent)
        while self._spent and self._spent[0][0] <= now:
            _, column, amount = heappop(self._spent)
            self.free[column] += amount
            self.loosened = True
        return len(self._spent) < before

    def next_back(self) -> int | None:
        """When the next of what was taken of rates comes back (ms since the epoch)."""
        return self._spent[0][0] if self._spent else None

    # ---- what others are told

    def held(self) -> list[int]:
        """What the attempts of this run hold, by column."""
        return self._mine[:]

    def within(self, columns: Sequence[int]) -> bool:
        """Whether the attempts of this run hold no more than that, and nothing of rates."""
        return not self._spent and not any(map(gt, self._mine, columns))

    def amounts(self, columns: Sequence[int]) -> dict[str, dict[str, int]]:
        """Amounts by column as others read them."""
        found: dict[str, dict[str, int]] = {}
        for (kind, unit), amount in zip(self._columns, columns, strict=True):
            if amount:
                found.setdefault(kind.name, {})[unit.id] = amount
        return found

    def spent(self) -> tuple[tuple[str, str, int, int], ...]:
        """What has been taken of rates and has not come back: (kind, unit, amount, when it does)."""
        return tuple([(*self._names[column], amount, until) for until, column, amount in sorted(self._spent)])

    def wanted(self, need: Need) -> dict[str, dict[str, int]]:
        """A need, on the units that are nearest to having it."""
        columns = [0] * len(self._columns)
        for column, amount in need.simple:
            columns[column] = amount
        for kind, first, amount in need.several:
            width = len(kind.units)
            free = self.free[first : first + width]
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

    def _by_column(self, parts: Iterable[tuple[str, str, int]]) -> list[int]:
        """Amounts by column; what this pool does not know is left out."""
        place = {(kind.name, unit.id): column for column, (kind, unit) in enumerate(self._columns)}
        columns = [0] * len(self._columns)
        for kind, unit, amount in parts:
            if (kind, unit) in place:
                columns[place[kind, unit]] += amount
        return columns
