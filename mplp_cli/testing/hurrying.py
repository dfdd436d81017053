"""Time that does not wait for itself: it passes as it does while work is really done, and is skipped while none is."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from mplp_cli.clock import SystemClock

T = TypeVar("T")


class Hurry:
    """Wall and monotonic time of a test: the `Clock` of `protocols`, also that of the event loop of `run`."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self._began = self._real.now() - round(self._real.monotonic() * 1000)
        #: Seconds that were skipped.
        self.skipped = 0.0
        #: How much work is really done now: processes, connections.
        self._working = 0

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""
        return self._began + round(self.monotonic() * 1000)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._real.monotonic() + self.skipped

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let time pass as it does."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    @property
    def idle(self) -> bool:
        """Whether nothing is waited for but time."""
        return not self._working

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `work()` on a loop that keeps this time."""
        with asyncio.Runner(loop_factory=lambda: _Loop(self)) as runner:
            return runner.run(work())


class _Selector(selectors.DefaultSelector):
    """Waits only if work is really done; else what would have been waited for is skipped."""

    def __init__(self, hurry: Hurry) -> None:
        super().__init__()
        self._hurry = hurry

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0 or not self._hurry.idle:
            return super().select(timeout)
        found = super().select(0)
        if not found:
            self._hurry.skipped += timeout
        return found


class _Loop(asyncio.SelectorEventLoop):
    """An event loop on that time."""

    def __init__(self, hurry: Hurry) -> None:
        self._hurry = hurry
        super().__init__(_Selector(hurry))

    def time(self) -> float:
        return self._hurry.monotonic()
