"""Whose process has ended, and who goes on for so long that somebody should listen.

Many processes run for a millisecond. So all of an event loop share one entry of its selector and one timer.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable
from contextvars import Context
from time import monotonic
from weakref import WeakKeyDictionary, ref

#: Seconds after which somebody should listen, and twice as many at most.
LONG = 0.005
#: Looks before the loop goes on, for as long as that: what an end leads to may take until another one has come.
_LOOKS = 8

#: Only its event loop keeps one alive: it goes with the loop, and so does what it has open.
_lookouts: WeakKeyDictionary[asyncio.AbstractEventLoop, ref[Lookout]] = WeakKeyDictionary()


class Lookout:
    """What the processes that an event loop has started wait for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ends: select.epoll | None = None
        #: By the handle of a process: who hears of its end.
        self._ended: dict[int, Callable[[], None]] = {}
        #: Who is called if the process goes on for long: those that wait since the last tick, and for longer.
        self._young: list[Callable[[], None]] = []
        self._old: list[Callable[[], None]] = []
        #: While ends are told: what is called after that.
        self._then: list[Callable[[], None]] | None = None

    def end_of(self, pid: int, ended: Callable[[], None]) -> None:
        """Call `ended` as soon as the process of that number has ended, which somebody has to wait for then.

        AttributeError or OSError where the system cannot tell.
        """
        if self._ends is None:
            ends = select.epoll()
            # Not in the context of whoever is the first to start a process.
            Context().run(self._loop.add_reader, ends.fileno(), self._look)
            self._ends = ends
        handle = os.pidfd_open(pid)
        try:
            self._ends.register(handle, select.EPOLLIN)
        except OSError:
            os.close(handle)
            raise
        self._ended[handle] = ended

    def when_long(self, call: Callable[[], None]) -> None:
        """Call it after a while, whether or not the process has ended."""
        if not self._young and not self._old:
            self._loop.call_later(LONG, self._tick)
        self._young.append(call)

    def _look(self) -> None:
        assert self._ends is not None
        until = monotonic() + LONG
        for _ in range(_LOOKS):
            if ends := self._ends.poll(0):
                self._tell([handle for handle, _ in ends], self._ends)
            if not ends or monotonic() > until:
                return

    def _tell(self, handles: list[int], ends: select.epoll) -> None:
        then: list[Callable[[], None]] = []
        self._then = then
        try:
            for handle in handles:
                ends.unregister(handle)
                os.close(handle)
                self._ended.pop(handle)()
        finally:
            self._then = None
            for call in then[1:]:
                self._loop.call_soon(call)  # one that fails must not take the others along
            if then:
                then[0]()

    def soon(self, call: Callable[[], None]) -> None:
        """Call it when all have heard of the ends that came together; in the next turn of the loop if none is told."""
        if self._then is None:
            self._loop.call_soon(call)
        else:
            self._then.append(call)

    def _tick(self) -> None:
        due, self._old, self._young = self._old, self._young, []
        if self._old:
            self._loop.call_later(LONG, self._tick)
        for call in due:
            self._loop.call_soon(call)  # one that fails must not take the others along


def lookout() -> Lookout:
    """That of the event loop that runs."""
    loop = asyncio.get_running_loop()
    known = _lookouts.get(loop)
    found = None if known is None else known()
    if found is None:
        found = Lookout(loop)
        _lookouts[loop] = ref(found)
    return found
