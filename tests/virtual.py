"""Time that passes only when nothing else can happen: an event loop, a clock and ids for tests."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
#: A run that is still going after this much virtual time (seconds) is stuck.
END_OF_TIME = 10_000_000.0


class StuckError(AssertionError):
    """Nothing is left to happen, and the run has not ended."""


class _Selector(selectors.DefaultSelector):
    """Never waits: it moves the clock on instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        found: list[Any] = super().select(0)
        if not found:
            if timeout is None or self.loop.now > END_OF_TIME:
                raise StuckError("nothing is left to happen")
            self.loop.now += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time."""

    def __init__(self, now: float = 0.0) -> None:
        selector = _Selector()
        self.now = now
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self.now


class VirtualClock:
    """Wall and monotonic time, going on from one virtual loop to the next."""

    def __init__(self, start: int = 1_700_000_000_000) -> None:
        self.elapsed = 0.0
        self._start = start
        self._loop: VirtualLoop | None = None

    def now(self) -> int:
        return self._start + round(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return self._loop.now if self._loop is not None else self.elapsed

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `work()` on a loop of its own; StuckError if it can never end."""
        self._loop = loop = VirtualLoop(self.elapsed)
        try:
            return loop.run_until_complete(work())
        finally:
            self.elapsed, self._loop = loop.now, None
            loop.close()


class CountingIds:
    """Ids in order, and no chance."""

    def __init__(self) -> None:
        self.given = 0

    def uuid(self) -> str:
        self.given += 1
        return f"00000000-0000-4000-8000-{self.given:012d}"

    def fraction(self) -> float:
        return 0.5


def facts_of(state: Any) -> Mapping[str, Any]:
    """Everything a RunState knows, comparable: two states are equal if these are."""
    known = {
        name: value
        for name, value in vars(state).items()
        if name not in ("plan", "at", "_out", "_ripple", "dropped", "shortage")
    }
    known["room"] = None if state.room is None else (state.room.stock.held(), state.room.waits)
    known["tallies"] = {i: (t.left, t.met, t.bad, t.decided) for i, t in state.tallies.items()}
    taken = state.holding | state.in_lane
    queued = {i for i, status in enumerate(state.step_status) if status == "queued"} - taken
    known["ready"] = sorted(rank for rank in state.ready if state.plan.by_rank[rank] in queued)
    return known
