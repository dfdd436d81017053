"""Whose process has ended, and who goes on for so long that somebody should listen.

Many processes run for a millisecond. So all of an event loop share one entry of its selector and one timer.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

_lookouts: WeakKeyDictionary[asyncio.AbstractEventLoop, Lookout] = WeakKeyDictionary()


class Lookout:
    """What the processes that an event loop has started wait for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ends: select.epoll | None = None
        #: By the handle of a process: who hears of its end.
        self._ended: dict[int, Callable[[], None]] = {}
        #: When who is called, the first to be called first.
        self._due: deque[tuple[float, Callable[[], None]]] = deque()

    def end_of(self, pid: int, ended: Callable[[], None]) -> None:
        """Call `ended` as soon as the process of that number has ended, which somebody has to wait for then.

        AttributeError or OSError where the system cannot tell.
        """
        if self._ends is None:
            self._ends = select.epoll()
            self._loop.add_reader(self._ends.fileno(), self._look)
        handle = os.pidfd_open(pid)
        self._ends.register(handle, select.EPOLLIN)
        self._ended[handle] = ended

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call it that late. All ask for the same number of seconds."""
        self._due.append((self._loop.time() + seconds, call))
        if len(self._due) == 1:
            self._loop.call_later(seconds, self._tick)

    def _look(self) -> None:
        assert self._ends is not None
        for handle, _ in self._ends.poll(0):
            self._ends.unregister(handle)
            os.close(handle)
            self._ended.pop(handle)()

    def _tick(self) -> None:
        now = self._loop.time()
        while self._due and self._due[0][0] <= now:
            self._due.popleft()[1]()
        if self._due:
            self._loop.call_at(self._due[0][0], self._tick)


def lookout() -> Lookout:
    """That of the event loop that runs."""
    loop = asyncio.get_running_loop()
    if (known := _lookouts.get(loop)) is None:
        known = _lookouts[loop] = Lookout(loop)
    return known
