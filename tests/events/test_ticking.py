"""Ticks on the board: each once, also when the clock is set, and when the process dies at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_cli.events.bus import Bus
from mplp_cli.events.ticking import NAP, Ticking
from mplp_cli.store.memory import MemoryStore
from mplp_cli.workflow.events.triggers import CatchUp, CronTrigger
from mplp_cli.workflow.values import moment_ms
from tests.virtual import VirtualClock

HOUR = 3_600_000
YEAR = 365 * 24 * HOUR
BEGIN = moment_ms("2027-03-01T10:20:00Z")


class Killed(BaseException):
    """The process dies."""


class WallClock:
    """A clock that can be set."""

    def __init__(self) -> None:
        self.at = BEGIN

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return 0.0


class Served:
    """A schedule that is served, with jumps of the clock and ends of the process."""

    def __init__(self, catch_up: CatchUp, schedule: str = "30 * * * *") -> None:
        self.clock = WallClock()
        self.store = MemoryStore(self.clock)
        self.trigger = CronTrigger(id="t", schedule=schedule, catch_up=catch_up)
        self.dies: Callable[[], None] = lambda: None
        self.begin()

    def begin(self) -> None:
        """A process that has nothing but what is stored."""
        bus = Bus(self.store.board, self.store.board.last())
        served = self

        class Deliveries:
            def readers(self) -> dict[str, int]:
                return served.store.deliveries.readers()

            def settle(self, *args: Any, **more: Any) -> None:
                served.dies()
                served.store.deliveries.settle(*args, **more)
                served.dies()

        self.ticking = Ticking(lambda: [("w", self.trigger)], Deliveries(), bus, self.clock)  # type: ignore[arg-type]

    def look(self) -> int | None:
        """What the loop does each time it wakes; after a death, in the next process."""
        while True:
            try:
                return self.ticking.publish_due()
            except Killed:
                self.begin()

    def serve(self, ms: int) -> None:
        """Go on for a while, napping as the loop does."""
        end = self.clock.at + ms
        while self.clock.at < end:
            following = self.look()
            nap = max(0, (following or end) - self.clock.at)
            self.clock.at = min(end, self.clock.at + max(1, min(nap, round(NAP * 1000))))
        self.look()

    def ticks(self) -> list[int]:
        return [event.at for _, event in self.store.board.newest(100_000)]


def half_past(begin: int, end: int) -> list[int]:
    first = begin - begin % HOUR - HOUR // 2
    return [at for at in range(first, end + 1, HOUR) if begin < at <= end]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("serve"), st.integers(1, 3 * HOUR)),
        st.tuples(st.just("stop"), st.integers(1, 3 * HOUR)),
        st.tuples(st.just("set"), st.sampled_from([-HOUR, HOUR, -10_000, 10_000, YEAR, -YEAR])),
        st.tuples(st.just("die"), st.integers(0, 3)),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(steps=STEPS)
def test_every_tick_comes_once_however_the_clock_is_set_and_whenever_the_process_dies(
    steps: list[tuple[str, int]],
) -> None:
    served = Served("all")
    served.look()
    spans: list[tuple[int, int]] = []  # what the clock has shown while everything of it counts
    upto = begin = served.clock.at
    for kind, amount in [*steps, ("serve", 2 * HOUR)]:
        if kind == "serve":
            served.serve(amount)
        elif kind == "stop":
            served.begin()
            served.clock.at += amount
        elif kind == "set":
            served.clock.at += amount
        else:
            left = [amount]

            def die(left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] == 0:
                    raise Killed

            served.dies = die
        served.look()
        now = served.clock.at
        if upto - now > 3 * HOUR:
            spans.append((begin, upto))
            upto = begin = now
        upto = max(upto, now)
    spans.append((begin, upto))
    if any(kind in ("stop", "die") for kind, _ in steps) and len(spans) > 1:
        return  # what a clock that was far ahead leaves to the next process has a test of its own
    expected = {at for first, last in spans for at in half_past(first, last)}
    found = served.ticks()
    assert len(found) == len(set(found))
    jumped = any(last - first > YEAR // 2 for first, last in spans)
    assert set(found) <= expected if jumped else sorted(found) == sorted(expected)
    if jumped:  # a thousand are made up for, and no punctual one is left out
        assert len(found) >= min(1_000, len(expected))


@pytest.mark.parametrize(("catch_up", "count"), [("none", 0), ("last", 1), ("all", 5)])
def test_ticks_that_were_missed_while_stopped_come_as_the_policy_says(catch_up: CatchUp, count: int) -> None:
    served = Served(catch_up)
    served.serve(HOUR)
    assert len(served.ticks()) == 1
    served.begin()
    served.clock.at += 5 * HOUR
    served.look()
    assert len(served.ticks()) == 1 + count
    served.serve(HOUR)
    assert len(served.ticks()) == 2 + count


@pytest.mark.parametrize(("catch_up", "count"), [("none", 0), ("last", 1), ("all", 2)])
def test_a_clock_that_is_set_forward_has_missed_ticks_and_one_set_back_repeats_none(
    catch_up: CatchUp, count: int
) -> None:
    served = Served(catch_up)
    served.serve(HOUR)  # 11:20, one tick
    served.clock.at += 2 * HOUR
    served.serve(60_000)
    assert len(served.ticks()) == 1 + count
    served.clock.at -= 2 * HOUR  # 11:21 again
    served.begin()
    served.serve(2 * HOUR)
    assert len(served.ticks()) == 1 + count
    served.serve(HOUR)
    assert len(served.ticks()) == 2 + count
    assert len(set(served.ticks())) == 2 + count


def test_a_clock_that_was_a_year_ahead_for_a_while_stops_nothing() -> None:
    served = Served("last")
    served.serve(HOUR)
    served.clock.at += YEAR
    served.serve(HOUR)
    served.clock.at -= YEAR
    served.serve(HOUR)  # as always, and the next process goes on with it
    served.begin()
    served.serve(2 * HOUR)
    on_the_board = [at for at in served.ticks() if at < BEGIN + YEAR // 2]
    before, after = half_past(BEGIN, BEGIN + HOUR), half_past(BEGIN + 2 * HOUR, served.clock.at)
    assert (on_the_board, len(after)) == (before + after, 3)


def test_after_a_clock_that_was_ahead_missed_ticks_are_made_up_for_again() -> None:
    served = Served("all")
    served.serve(HOUR)
    served.clock.at += YEAR
    served.serve(HOUR)
    served.clock.at -= YEAR
    served.serve(HOUR)
    stopped = served.clock.at
    served.clock.at += 5 * HOUR
    served.begin()
    served.serve(60)
    made_up = [at for at in served.ticks() if stopped < at < BEGIN + YEAR // 2]
    assert made_up == half_past(stopped, served.clock.at)


def test_a_new_schedule_begins_now_and_so_does_one_that_was_changed() -> None:
    served = Served("all")
    served.clock.at += 10 * HOUR
    served.look()
    assert served.ticks() == []
    served.serve(HOUR)
    served.trigger = CronTrigger(id="t", schedule="*/10 * * * *", catch_up="all")
    served.begin()
    served.look()
    assert len(served.ticks()) == 1


def test_a_tick_says_for_when_it_was_and_how_late_it_is() -> None:
    served = Served("last")
    served.look()
    served.clock.at = moment_ms("2027-03-01T10:30:02Z")
    served.look()
    [(_, event)] = served.store.board.newest(5)
    assert (event.type, event.source) == ("schedule.tick", "mplp/trigger/w/t")
    assert event.data == {
        "workflow": "w",
        "trigger": "t",
        "scheduled": "2027-03-01T10:30:00.000Z",
        "late": 2_000,
    }


def test_the_loop_naps_and_wakes_for_each_tick() -> None:
    clock = VirtualClock(BEGIN)
    store = MemoryStore(clock)

    async def hours() -> None:
        bus = Bus(store.board, 0)
        trigger = CronTrigger(id="t", schedule="*/15 * * * *")
        with suppress(TimeoutError):
            async with asyncio.timeout(4 * 3600):
                await Ticking(lambda: [("w", trigger)], store.deliveries, bus, clock).work()

    clock.run(hours)
    late = [event.data["late"] for _, event in store.board.newest(100)]
    assert len(late) == 16
    assert max(late) < 100
