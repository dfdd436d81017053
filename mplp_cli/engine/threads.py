"""Threads for calls that may block. One that is free takes the next call; none keeps the process from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias, TypeVar

Made = TypeVar("Made")
#: What a thread is given to do.
_Inbox: TypeAlias = "SimpleQueue[Callable[[], Callable[[], None]]]"
#: Seconds that a thread waits for a further call.
_REST: Final = 5.0
_lock = threading.Lock()
#: Of the threads that wait; the last that came goes first, so that those that are not needed end.
_free: list[_Inbox] = []


def in_thread(work: Callable[[], Made], then: Callable[[Made], None]) -> None:
    """Do it in a thread that does nothing else meanwhile, however many are busy. `then` is told there what it gave,
    as soon as the thread can take a further call."""

    def call() -> Callable[[], None]:
        return partial(then, work())

    with _lock:
        inbox = _free.pop() if _free else None
    if inbox is not None:
        inbox.put(call)
        return
    inbox = SimpleQueue()
    inbox.put(call)
    threading.Thread(target=_serve, args=(inbox,), name="mplp python step", daemon=True).start()


def _serve(inbox: _Inbox) -> None:
    while True:
        try:
            work = inbox.get(timeout=_REST)
        except Empty:
            with _lock:
                if inbox in _free:
                    _free.remove(inbox)
                    return
            continue  # it has just been chosen
        tell = work()
        with _lock:
            _free.append(inbox)
        tell()
        del work, tell  # what they hold may go
