"""The room of a run in the pool: never more than there is, never idle for the sake of order, nobody starves."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.workflow.fold.room import Room
from mplp_cli.workflow.plan import PATIENCE
from mplp_cli.workflow.resources import Demand, Kind, Pool, Unit


def pool(**kinds: Any) -> Pool:
    """`cpu=4`, `gpu=[1, 1]` for units, `tokens=(100, 60_000)` for a rate."""
    made = {}
    for name, stated in kinds.items():
        per = stated[1] if isinstance(stated, tuple) else 0
        capacities = (
            stated if isinstance(stated, list) else [stated[0] if isinstance(stated, tuple) else stated]
        )
        units = tuple(Unit(f"{name}{place}", capacity) for place, capacity in enumerate(capacities))
        made[name] = Kind(name=name, units=units, per=per)
    return Pool(made)


def demand(strategy: Any = "first-fit", **amounts: int) -> Demand:
    return Demand(amounts=tuple(sorted(amounts.items())), strategy=strategy)


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000

    def __call__(self) -> int:
        return self.ms


class Steps:
    """Steps that want room at once, by rank; what has room is taken as the engine does it."""

    def __init__(self, room: Room, demands: list[Demand]) -> None:
        self.room, self.demands = room, demands
        self.running: set[int] = set()
        self.started: list[int] = []

    def arrive(self, i: int) -> None:
        if self.room.enter(self.demands[i], i):
            self._take(i)

    def go_on(self) -> None:
        while (rank := self.room.best()) is not None:
            self.room.leave()
            self._take(rank)

    def end(self, i: int) -> None:
        self.running.discard(i)
        self.room.stock.give(i)

    def _take(self, i: int) -> None:
        self.room.take(i, self.demands[i], i)
        self.running.add(i)
        self.started.append(i)


def used(steps: Steps) -> dict[tuple[str, str], int]:
    total: dict[tuple[str, str], int] = {}
    for i in steps.running:
        for kind, unit, amount in steps.room.stock.parts(i):
            total[kind, unit] = total.get((kind, unit), 0) + amount
    return total


STRATEGIES = st.sampled_from(["first-fit", "best-fit", "balanced", "priority"])


@st.composite
def crowds(draw: st.DrawFn) -> tuple[Pool, list[Demand]]:
    """A pool of up to three kinds, and demands that fit into it."""
    sizes = draw(st.lists(st.lists(st.integers(1, 8), min_size=1, max_size=3), min_size=1, max_size=3))
    kinds = {f"k{number}": units for number, units in enumerate(sizes)}
    demands = []
    for _ in range(draw(st.integers(1, 40))):
        amounts = {name: draw(st.integers(0, sum(units))) for name, units in kinds.items()}
        amounts = {name: amount for name, amount in amounts.items() if amount}
        demands.append(demand(draw(STRATEGIES), **(amounts or {"k0": 1})))
    return pool(**kinds), demands


@given(crowds(), st.data())
def test_no_unit_is_ever_oversubscribed_and_everything_is_free_at_the_end(
    crowd: tuple[Pool, list[Demand]], data: st.DataObject
) -> None:
    there, demands = crowd
    steps = Steps(Room(there, Clock()), demands)
    coming = list(range(len(demands)))
    while coming or steps.running:
        if coming and (not steps.running or data.draw(st.booleans())):
            steps.arrive(coming.pop(0))
        else:
            steps.end(data.draw(st.sampled_from(sorted(steps.running))))
        steps.go_on()
        held = used(steps)
        for kind in there.kinds.values():
            for unit in kind.units:
                assert held.get((kind.name, unit.id), 0) <= unit.capacity
        for i in steps.running:  # all of its kinds, whole
            taken: dict[str, int] = {}
            for name, _, amount in steps.room.stock.parts(i):
                taken[name] = taken.get(name, 0) + amount
            assert taken == dict(demands[i].amounts)
    assert sorted(steps.started) == list(range(len(demands)))
    assert not any(steps.room.stock.held())
    assert not steps.room.waits


def test_what_fits_goes_ahead_of_what_does_not() -> None:
    steps = Steps(Room(pool(cpu=4), Clock()), [demand(cpu=3), demand(cpu=4), demand(cpu=1), demand(cpu=1)])
    for i in range(4):
        steps.arrive(i)
    assert steps.started == [0, 2]
    steps.end(0)
    steps.go_on()
    assert steps.started == [0, 2, 3]
    steps.end(2)
    steps.end(3)
    steps.go_on()
    assert steps.started == [0, 2, 3, 1]


def test_of_those_that_fit_the_first_by_rank_starts() -> None:
    steps = Steps(Room(pool(cpu=2), Clock()), [demand(cpu=2), demand(cpu=2), demand(cpu=1), demand(cpu=1)])
    for i in (0, 3, 2, 1):
        steps.arrive(i)
    steps.end(0)
    steps.go_on()
    assert steps.started == [0, 1]


def test_a_large_step_is_passed_over_a_bounded_number_of_times() -> None:
    many = 4 * PATIENCE
    steps = Steps(Room(pool(cpu=2), Clock()), [demand(cpu=1), demand(cpu=2), *[demand(cpu=1)] * many])
    for i in range(many + 2):
        steps.arrive(i)
    while 1 not in steps.started:
        steps.end(min(steps.running))  # one of two at a time: the large one never has room by itself
        steps.go_on()
    assert len(steps.started) - 2 <= PATIENCE + 1


def test_nobody_passes_a_step_with_the_strategy_priority() -> None:
    wants = [demand(cpu=2), demand("priority", cpu=3), demand(cpu=1), demand(memory=1)]
    steps = Steps(Room(pool(cpu=3, memory=1), Clock()), wants)
    for i in range(4):
        steps.arrive(i)
    assert steps.started == [0, 3]  # what it does not need is free for others
    steps.end(0)
    steps.go_on()
    assert steps.started == [0, 3, 1]


def test_strategies_choose_the_unit() -> None:
    found = {}
    for strategy in ("first-fit", "best-fit", "balanced"):
        room = Room(pool(gpu=[4, 2, 6]), Clock())
        room.take(0, demand(gpu=1), 0)
        room.take(1, demand(strategy, gpu=2), 1)
        found[strategy] = room.stock.parts(1)
    assert found == {
        "first-fit": (("gpu", "gpu0", 2),),
        "best-fit": (("gpu", "gpu1", 2),),
        "balanced": (("gpu", "gpu1", 2),),
    }


def test_only_what_no_unit_can_hold_is_spread() -> None:
    room = Room(pool(gpu=[2, 2]), Clock())
    room.take(0, demand(gpu=1), 0)
    assert not room.enter(demand(gpu=4), 1)
    assert room.enter(demand(gpu=2), 2)
    room.take(2, demand(gpu=2), 2)
    assert room.stock.parts(2) == (("gpu", "gpu1", 2),)
    room.stock.give(0)
    room.stock.give(2)
    assert room.best() == 1
    room.leave()
    room.take(1, demand(gpu=4), 1)
    assert room.stock.parts(1) == (("gpu", "gpu0", 2), ("gpu", "gpu1", 2))


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 10)), min_size=1, max_size=60))
def test_in_no_window_more_of_a_rate_is_taken_than_it_gives(arrivals: list[tuple[int, int]]) -> None:
    clock = Clock()
    room = Room(pool(tokens=(10, 1_000)), clock)
    taken: list[tuple[int, int]] = []
    wants: list[Demand] = []
    for rank, (after, amount) in enumerate(sorted(arrivals)):
        clock.ms = max(clock.ms, 1_000 + after)
        wants.append(demand(tokens=amount))
        while not room.enter(wants[-1], rank):
            room.empty()
            moment = room.stock.next_back()
            assert moment is not None
            clock.ms = max(moment, clock.ms)
        room.take(rank, wants[-1], rank)
        room.stock.give(rank)  # the end of the step does not bring anything back
        taken.append((clock.ms, amount))
        assert sum(n for at, n in taken if at > clock.ms - 1_000) <= 10


def test_what_others_hold_is_not_there_and_what_they_leave_is() -> None:
    steps = Steps(Room(pool(cpu=4), Clock()), [demand(cpu=3)])
    steps.room.stock.beside({"cpu": {"cpu0": 2}, "unknown": {"x": 9}})
    steps.arrive(0)
    assert steps.started == []
    assert steps.room.wanted() == {"cpu": {"cpu0": 3}}
    steps.room.stock.beside({})
    steps.go_on()
    assert steps.started == [0]
    assert steps.room.stock.amounts(steps.room.stock.held()) == {"cpu": {"cpu0": 3}}


def test_an_attempt_that_does_not_begin_after_all_has_spent_nothing() -> None:
    room = Room(pool(tokens=(10, 1_000), cpu=2), Clock())
    room.take(0, demand(tokens=4), 0)
    room.take(1, demand(tokens=4, cpu=2), 1)
    room.stock.undo(1)
    room.stock.undo(1)
    assert room.stock.spent() == (("tokens", "tokens0", 4, 2_000),)
    assert room.enter(demand(tokens=6, cpu=2), 2)


def test_a_step_that_will_not_start_any_more_keeps_nothing_from_others() -> None:
    large, small = demand("priority", cpu=3), demand(cpu=1)
    steps = Steps(Room(pool(cpu=3), Clock()), [demand(cpu=2), large, large, small])
    for i in range(4):
        steps.arrive(i)
    assert steps.started == [0]
    steps.room.forget(2)
    assert steps.room.wanted() == {"cpu": {"cpu0": 3}}
    steps.room.forget(1)
    assert steps.room.wanted() == {"cpu": {"cpu0": 1}}
    steps.go_on()
    assert steps.started == [0, 3]
    assert not steps.room.waits


def test_a_kind_that_is_not_there_is_waited_for_and_never_comes() -> None:
    room = Room(pool(cpu=3), Clock())
    assert not room.enter(demand(cpu=1, gone=1), 0)
    assert room.best() is None
    assert room.enter(demand(cpu=3), 1)
