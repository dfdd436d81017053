"""The room that a run has in the pool: which of its waiting steps may start now.

It lives in memory beside the counters of the fold: what it decides shows in the history only as the moments at
which steps start, so a history can be told again without it. What other runs hold is told to it (`beside`).

Steps start by rank, and a later one goes ahead of an earlier one that has no room yet: nothing stands idle for the
sake of order. But nobody starves: after so many that passed it (the `patience` of the plan) the first that waits
keeps what it needs from all later ones until it has started; with the strategy `priority`, from the beginning.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from heapq import heappop, heappush
from operator import lt

from mplp_cli.workflow.fold.stock import Need, Stock
from mplp_cli.workflow.plan import PATIENCE
from mplp_cli.workflow.resources import Demand, Pool


class Room:
    """Which steps of a run may take of the pool what they need, and the line of those that wait."""

    def __init__(self, pool: Pool, now: Callable[[], int]) -> None:
        self.stock = Stock(pool, now)
        #: Demands that steps wait with, by the first rank of each; those among them that nobody passes.
        self._line: list[tuple[int, Need]] = []
        self._strict = 0
        #: The first step that waits, and how many have passed it; how many may, before it keeps what it needs.
        self._head, self._passed = -1, 0
        self.patience = PATIENCE
        #: The rank that was found last.
        self._best: int | None = None
        #: Ranks in the line of steps that will never start.
        self._gone: set[int] = set()
        #: Nothing has been given back since it was found that nobody in the line has room.
        self._full = False
        #: The column that was short when nobody had room: it is looked at first.
        self._scarce = 0

    # ---- steps

    def enter(self, demand: Demand, rank: int) -> bool:
        """Whether a step with this rank may start now; else it waits in the line."""
        need, free = self.stock.need(demand), self.stock.free
        self.stock.restore()
        if self._line and (self._strict or (self._line[0][0] < rank and self._ripe())):
            if self._strict or not self._full:
                self._join(need, rank)  # what those before it keep decides
                if self.best() != rank:
                    return False
                self.leave()
                return True
            free = self.stock.left_beside(self._line[0][1], free)  # of those who wait nobody has room
        if self.stock.has_room(need, free):
            return True
        full = self._full
        self._join(need, rank)
        self._full = full and self._line[0][0] != rank  # what the one before it kept is free again
        return False

    def take(self, i: int, demand: Demand, rank: int) -> None:
        """The attempt of step `i`, which fits, begins."""
        self.stock.take(i, demand)
        if self._line and (head := self._line[0][0]) < rank:
            self._passed = self._passed + 1 if head == self._head else 1
            self._head = head

    def clear(self) -> None:
        """No attempt runs, and nobody waits. What was spent of rates stays."""
        self.empty()
        self.stock.clear()
        self._head, self._passed = -1, 0

    # ---- the line

    def best(self) -> int | None:
        """The first rank in the line that has room now."""
        if self.stock.loosened:
            self.stock.loosened = self._full = False
        if self._full or not self._line:
            return None
        free = self.stock.free
        if not free or any(
            map(lt, free, self.stock.least)
        ):  # there is not even what all of them ask for at least
            self._full = True
            return None
        ripe, scarce = self._ripe(), self._scarce
        for rank, need in self._line:
            if need.amounts[scarce] <= free[scarce] and self.stock.has_room(need, free):
                self._best = rank
                return rank
            if ripe or need.demand.strategy == "priority":
                free = self.stock.left_beside(need, free)
            ripe = False
        free, first = self.stock.free, self._line[0][1]
        self._scarce = next((c for c, amount in first.simple if amount > free[c]), scarce)
        self._full = True
        return None

    def leave(self) -> None:
        """The one that `best` has found leaves the line."""
        self._remove(bisect_left(self._line, (self._best or 0,)))
        self._best = None

    def forget(self, rank: int) -> None:
        """The step with this rank will not start any more: if it is in the line it keeps nothing from others."""
        if not self._line:
            return
        self._gone.add(rank)
        place = bisect_left(self._line, (rank,))
        if place < len(self._line) and self._line[place][0] == rank:
            self._remove(place)
            self._full = False

    def wanted(self) -> dict[str, dict[str, int]]:
        """What the first in the line needs, on the units that are nearest to having it."""
        return self.stock.wanted(self._line[0][1]) if self._line else {}

    @property
    def first(self) -> Demand | None:
        """What the first in the line asks for."""
        return self._line[0][1].demand if self._line else None

    @property
    def waits(self) -> bool:
        """Whether a step waits for room."""
        return bool(self._line)

    @property
    def stirs(self) -> bool:
        """Whether a step waits that may have room by now."""
        return bool(self._line) and (not self._full or self.stock.loosened)

    def empty(self) -> None:
        """Nobody waits any more."""
        for _, need in self._line:
            need.ranks.clear()
        self._line.clear()
        self._gone.clear()
        self._strict, self._full = 0, False

    # ---- inside

    def _join(self, need: Need, rank: int) -> None:
        self._full = False
        if need.ranks and need.ranks[0] < rank:
            heappush(need.ranks, rank)
            return
        if need.ranks:
            del self._line[bisect_left(self._line, (need.ranks[0],))]
        elif need.demand.strategy == "priority":
            self._strict += 1
        heappush(need.ranks, rank)
        insort(self._line, (rank, need))

    def _remove(self, place: int) -> None:
        """The first rank of the demand at that place of the line leaves it."""
        _, need = self._line.pop(place)
        heappop(need.ranks)
        while need.ranks and need.ranks[0] in self._gone:
            self._gone.discard(heappop(need.ranks))
        if need.ranks:
            insort(self._line, (need.ranks[0], need))
        elif need.demand.strategy == "priority":
            self._strict -= 1

    def _ripe(self) -> bool:
        """Whether enough have passed the first in the line."""
        return (self._passed if self._line[0][0] == self._head else 0) >= self.patience
