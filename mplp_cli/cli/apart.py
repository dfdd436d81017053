"""Where a command begins its run and drives it: each in a thread of its own, of which the kernel has no opinion yet.

Linux starts a child on the processor that looks less busy, and to know that it remembers how busy threads were. The
start of a command is nothing but work, so its main thread looks as if it filled a processor: every child goes to
another one and stands behind the child that works there, while this process waits for it (a spawn returns when the
program is loaded) and its own processor is idle. A thread that is kept waiting is not judged anew, so this can last for
a whole run of short steps, which takes a quarter longer then. A thread that begins now has no past, and of one that has
ended nothing is left; while they work the main thread rests, and is forgotten. See `util_est_update`,
`task_dead_fair` and `sched_balance_find_dst_group` in the kernel's kernel/sched/fair.c.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from threading import Thread
from typing import Any, TypeVar

Made = TypeVar("Made")


def apart(work: Callable[[], Made]) -> Made:
    """What `work` gives, or raises, in a new thread. Interrupted, it is left behind: it ends with the process."""
    outcome: Future[Made] = Future()

    def go() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised by who waits for it
            outcome.set_exception(error)

    thread = Thread(target=go, name="mplp", daemon=True)
    thread.start()
    thread.join()
    return outcome.result()


def run_apart(work: Coroutine[Any, Any, Made]) -> Made:
    """`asyncio.run` in a new thread. Signals are heard by `Signals`."""
    return apart(partial(asyncio.run, work))


class Signals:
    """Signals for an event loop in any thread; only the main thread can make one."""

    def __init__(self, reader: int) -> None:
        self._reader = reader

    def tell(self, hear: Callable[[int], None]) -> None:
        """Call `hear` in the running event loop with the number of every signal that comes, and has come."""
        asyncio.get_running_loop().add_reader(self._reader, self._read, hear)

    def _read(self, hear: Callable[[int], None]) -> None:
        for number in os.read(self._reader, 64):
            hear(number)


@contextmanager
def signals_of(numbers: Iterable[int]) -> Iterator[Signals]:
    """These signals, which do nothing by themselves until the end of the context."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    former = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        for number in handlers:
            signal.siginterrupt(number, False)
        yield Signals(reader)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former)
        os.close(reader)
        os.close(writer)
