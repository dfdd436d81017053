"""Threads for calls that may block. One that is free takes the next call; none keeps the process from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

Made = TypeVar("Made")
#: Seconds that a thread waits for a further call.
_REST: Final = 5.0
#: Seconds for which the event loop does nothing but wait for a call, if it waits for no other: most are over by then,
#: and to be woken from its own sleep costs it more than they do.
_MOMENT: Final = 0.0002
_lock = threading.Lock()
#: Of the threads that wait; the last that came goes first, so that those that are not needed end.
_free: list[_Thread] = []
#: Calls that event loops have left to themselves, to hear of their end.
_away: set[_Call[Any]] = set()


async def in_thread(work: Callable[[], Made], late: Callable[[Made], None]) -> Made:
    """What it gives, done in a thread that does nothing else meanwhile, however many are busy. What nobody waits for
    any more is told to `late`."""
    call = _Call(work, late)
    with _lock:
        thread = _free.pop() if _free else None
    (thread or _Thread()).take(call)
    return await call.outcome()


class _Call(Generic[Made]):
    """One call, and who waits for what it gives."""

    def __init__(self, work: Callable[[], Made], late: Callable[[Made], None]) -> None:
        self._work = work
        self._late = late
        self._loop = asyncio.get_running_loop()
        self._made: list[Made] = []
        #: Held until it is over.
        self._going = threading.Lock()
        self._going.acquire()
        self._waiting: asyncio.Future[Made] | None = None

    def do(self) -> None:
        """Do it, in the thread."""
        self._made.append(self._work())

    def tell(self) -> None:
        """It is done; said in the thread, as soon as that can take a further call."""
        self._going.release()
        if self._waiting is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if self._waiting is None or self._waiting.done():
            self._late(self._made[0])
        else:
            self._waiting.set_result(self._made[0])

    async def outcome(self) -> Made:
        """What it gives, in the event loop."""
        if not self._going.acquire(timeout=0 if _away else _MOMENT):
            self._waiting = self._loop.create_future()
            if not self._made:  # else it has ended just now, and may not have seen that it is waited for
                _away.add(self)
                try:
                    return await self._waiting
                finally:
                    _away.discard(self)
        return self._made[0]


class _Thread:
    """A thread that does one call after another."""

    def __init__(self) -> None:
        #: Held until there is a call.
        self._idle = threading.Lock()
        self._idle.acquire()
        self._call: _Call[Any] | None = None
        threading.Thread(target=self._serve, name="mplp python step", daemon=True).start()

    def take(self, call: _Call[Any]) -> None:
        """The next call; it has none."""
        self._call = call
        self._idle.release()

    def _serve(self) -> None:
        while True:
            if not self._idle.acquire(timeout=_REST):
                with _lock:
                    if self in _free:
                        _free.remove(self)
                        return
                continue  # it has just been chosen
            call, self._call = self._call, None
            assert call is not None
            call.do()
            with _lock:
                _free.append(self)
            call.tell()
            del call  # what it holds may go
