"""One heap for every deadline of a run: one that is not needed costs a push and a lazy pop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush


class Deadlines:
    """Calls `due(step number, attempt)` when the time of a deadline is over. It never holds what it times."""

    def __init__(self, loop: asyncio.AbstractEventLoop, due: Callable[[int, int], None]) -> None:
        self._loop = loop
        self._due = due
        self._heap: list[tuple[float, int, int]] = []
        self._alarm: asyncio.TimerHandle | None = None

    def set(self, number: int, attempt: int, ms: float) -> None:
        """A deadline `ms` milliseconds from now."""
        at = self._loop.time() + ms / 1000
        if not self._heap or at < self._heap[0][0]:
            self.close()
            self._alarm = self._loop.call_at(at, self._ring)
        heappush(self._heap, (at, number, attempt))

    def close(self) -> None:
        """Call nothing any more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _ring(self) -> None:
        now, heap = self._loop.time(), self._heap
        while heap and heap[0][0] <= now:
            _, number, attempt = heappop(heap)
            self._due(number, attempt)
        self._alarm = self._loop.call_at(heap[0][0], self._ring) if heap else None
