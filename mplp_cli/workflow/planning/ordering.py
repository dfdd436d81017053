"""The search for a start order with which a run ends early: rules, then both ends by turns, then small changes.

Sought with it is how long the first that waits lets others pass: what is best depends on the graph.

All of it is reckoned in simulated starts of steps, so that a plan of sixty steps is tried in hundreds of orders and
one of ten thousand in a few, in about the same time. Nothing is left to chance: the same tasks give the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from msgspec import Struct

from mplp_cli.workflow.plan import PATIENCE
from mplp_cli.workflow.planning.simulation import Tasks, simulated

#: Simulated starts of steps that a search may take. One costs as much as two if so many demands differ.
SEARCH = 64_000
_DIFFERENT = 100
#: Simulated starts for each millisecond that the run will take: the search is to be short beside it (a hundredth).
_WORTH = 4
#: What is tried for how many may pass the first that waits: the usual first, then what is best most often.
_PATIENCE = (PATIENCE, 0, 4)
#: How far a step is moved in a small change, in parts of the whole, by turns.
_FAR = (0.01, 0.03, 0.1, 0.02)


class Found(Struct, frozen=True):
    """An order, the first to start first; how many may pass the first that waits; and when all has ended in the
    simulation (ms)."""

    order: list[int]
    patience: int
    makespan: int


def best_order(tasks: Tasks, urgency: Sequence[int] = (), search: int = SEARCH) -> Found:
    """The best order that was found. A smaller `urgency` comes first in any order; without them all are equal.

    Its makespan is never longer than that of the plain order by upward rank.
    """
    if not tasks.durations:
        return Found([], PATIENCE, 0)
    ranks = behind(tasks, tasks.durations)
    trials = _Trials(tasks, urgency, search, lower_bound(tasks, ranks))
    tried: list[_Tried] = []
    for order in _rules(tasks, ranks):
        tried.append(trials.suited(order))
        if trials.over:
            break
    for one in sorted(tried, key=lambda one: one.makespan):
        trials.turn(one)
    trials.vary()
    assert trials.best is not None
    return trials.best


def lower_bound(tasks: Tasks, ranks: Sequence[int] | None = None) -> int:
    """No order ends earlier (ms): the longest chain, and the work on the tightest column. `ranks` are upward ranks."""
    work: dict[int, int] = {}
    for takes, duration in zip(tasks.takes, tasks.durations, strict=True):
        work[takes] = work.get(takes, 0) + duration
    totals = [0] * len(tasks.columns.capacities)
    for takes, duration in work.items():
        for column, amount in enumerate(tasks.columns.amounts(takes)):
            totals[column] += amount * duration
    areas = [-(-total // capacity) for total, capacity in zip(totals, tasks.columns.capacities, strict=True)]
    return max([*(behind(tasks, tasks.durations) if ranks is None else ranks), *areas], default=0)


def behind(tasks: Tasks, lengths: Sequence[int]) -> list[int]:
    """Upward ranks: the longest chain that begins with each task."""
    waits = list(tasks.waits)
    order = [i for i, n in enumerate(waits) if not n]
    for i in order:  # it grows
        for d in tasks.dependants[i]:
            waits[d] -= 1
            if not waits[d]:
                order.append(d)
    found = list(lengths)
    for i in reversed(order):
        if later := tasks.dependants[i]:
            found[i] += max([found[d] for d in later])
    return found


def _rules(tasks: Tasks, ranks: Sequence[int]) -> Iterator[list[int]]:
    """Orders that are good in many cases, the plain one by upward rank first. Ties go by number."""
    numbers, lengths, takes = range(len(tasks.durations)), tasks.durations, tasks.takes
    yield sorted(numbers, key=lambda i: -ranks[i])
    loads = _loads(tasks)
    heavy = behind(tasks, [length * (200 + loads[take]) for length, take in zip(lengths, takes, strict=True)])
    yield sorted(numbers, key=lambda i: -heavy[i])
    yield sorted(numbers, key=lambda i: -lengths[i] * loads[takes[i]])
    yield sorted(numbers, key=lambda i: (-loads[takes[i]], -ranks[i]))


def _loads(tasks: Tasks) -> dict[int, int]:
    """What is taken in thousandths of all that there is, summed over the columns."""
    capacities = tasks.columns.capacities
    return {
        takes: sum(
            1000 * amount // all_
            for amount, all_ in zip(tasks.columns.amounts(takes), capacities, strict=True)
        )
        for takes in set(tasks.takes)
    }


class _Tried(Struct, frozen=True):
    """What came of an order: when all has ended, when each task started, how many might pass the first that waits."""

    makespan: int
    starts: list[int]
    patience: int


class _Trials:
    """Orders are tried, and the best is kept, until so many have been or none can be better."""

    def __init__(self, tasks: Tasks, urgency: Sequence[int], search: int, bound: int) -> None:
        self._tasks, self._urgency, self._bound = tasks, urgency, bound
        cost = len(tasks.durations) * (_DIFFERENT + len(set(tasks.takes)))
        self._left = max(min(search, self._bound * _WORTH) * _DIFFERENT // cost, 2)
        self.best: Found | None = None

    @cached_property
    def _backwards(self) -> Tasks:
        return self._tasks.backwards()

    @property
    def over(self) -> bool:
        """Whether it is time to stop."""
        return self._left <= 0 or (self.best is not None and self.best.makespan <= self._bound)

    def suited(self, order: list[int]) -> _Tried:
        """Try an order, the first one with more and with less patience, too; the best of that."""
        known = self.best
        best = self._try(order, PATIENCE if known is None else known.patience)
        for patience in () if known else _PATIENCE[1:]:
            if not self.over:
                best = min(best, self._try(order, patience), key=lambda one: one.makespan)
        return best

    def turn(self, one: _Tried) -> None:
        """From the end and from the beginning by turns, as long as that makes it shorter.

        What ended last begins first if time runs backwards, and the other way round: so slack gathers in one place.
        """
        before = one.makespan + 1
        while one.makespan < before and self._left >= 2 and not self.over:
            before = one.makespan
            one = self._there_and_back(one)

    def vary(self) -> None:
        """Small changes of the best order so far, each then from the end and from the beginning."""
        many = len(self._tasks.durations)
        state = many
        turn = 0
        while not self.over and self.best is not None:
            far = max(2, int(_FAR[turn % len(_FAR)] * many)) * 16
            patience = _PATIENCE[turn // 4 % 3] if turn % 4 == 3 else self.best.patience
            turn += 1
            places = []
            for place, i in enumerate(self.best.order):
                state = state * 0x5851F42D4C957F2D + 0x14057B7EF767814F & 0xFFFFFFFFFFFFFFFF
                places.append((place * 16 + (state >> 33) % far, i))
            places.sort()
            changed = self._try([i for _, i in places], patience)
            if self._left >= 2 and not self.over:
                self._there_and_back(changed)

    def _there_and_back(self, one: _Tried) -> _Tried:
        _, starts = simulated(self._backwards, self._last_first(one.starts), one.patience)
        self._left -= 1
        return self._try(self._last_first(starts), one.patience)

    def _last_first(self, starts: list[int]) -> list[int]:
        """The tasks by when they end, the last first."""
        ends = [start + duration for start, duration in zip(starts, self._tasks.durations, strict=True)]
        return sorted(range(len(ends)), key=lambda i: -ends[i])

    def _try(self, order: list[int], patience: int) -> _Tried:
        if self._urgency:
            order.sort(key=self._urgency.__getitem__)
        makespan, starts = simulated(self._tasks, order, patience)
        self._left -= 1
        if self.best is None or makespan <= self.best.makespan:
            self.best = Found(order, patience, makespan)
        return _Tried(makespan, starts, patience)
