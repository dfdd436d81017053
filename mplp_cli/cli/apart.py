"""Work before a run is driven, in a thread of its own, so that the kernel forgets it.

Linux starts a child on the processor that looks less busy, and to know that it remembers how busy threads were. The
start of a command is nothing but work; after that, the thread that has done it looks as if it filled a processor: every
child goes to another one and stands behind the child that works there, while this process waits for it (a spawn returns
when the program is loaded) and its own processor is idle. A thread that is kept waiting is not judged anew, so this can
last for a whole run of short steps, which takes a quarter longer then. Of a thread that has ended nothing is left, and
while it worked the main thread, which drives the run, has rested. See `util_est_update`, `task_dead_fair` and
`sched_balance_find_dst_group` in the kernel's kernel/sched/fair.c.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

Made = TypeVar("Made")
#: Seconds that the work has to come to an end when somebody presses Ctrl-C; what is left of it ends with the process.
_PATIENCE = 1.0


def apart(work: Callable[[], Made]) -> Made:
    """What `work` gives, or raises, in a new thread."""
    outcome: Future[Made] = Future()

    def go() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised by who waits for it
            outcome.set_exception(error)

    thread = Thread(target=go, name="mplp begin", daemon=True)
    try:
        thread.start()
        wait([outcome])
    except KeyboardInterrupt:
        wait([outcome], _PATIENCE)
        raise
    thread.join()
    return outcome.result()
