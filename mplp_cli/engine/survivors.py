"""The processes of this machine, as /proc shows them: whose they are, and how to end the ones that were left.

Every child carries a mark in its environment, and whatever it starts inherits the mark. Where there is no /proc
nothing is found.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterable
from functools import cache

#: The variable that marks the processes of an attempt. Marks of nested runs are put one behind the other.
MARK = "MPLP_ATTEMPT"
_MARK_SETTING = f"{MARK}=".encode()


def find_marked(mark: str) -> set[int]:
    """The living processes, but for this one, whose environment carries `mark` in MPLP_ATTEMPT."""
    wanted = mark.encode("utf-8", "surrogateescape")
    found = set()
    for pid in living():
        for setting in read_proc(pid, "environ").split(b"\0"):
            if setting.startswith(_MARK_SETTING) and wanted in setting:
                found.add(pid)
    found.discard(os.getpid())
    return found


def kill_marked(mark: str) -> int:
    """SIGKILL to the processes that carry `mark`; how many there were. Call it until there are none."""
    found = find_marked(mark)
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def end_marked(mark: str) -> None:
    """Kill until nothing carries `mark` any more, for ten seconds at most (what is left hangs in the kernel)."""
    for _ in range(1_000):
        if not kill_marked(mark):
            return
        time.sleep(0.01)


def living() -> list[int]:
    """The numbers of all processes. Empty where there is no /proc."""
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 (hundreds of names)
    return []


def read_proc(pid: int, name: str) -> bytes:
    """A file of /proc; empty if the process is gone or somebody else's."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}", "rb") as file:  # noqa: PTH123 (the same)
        return file.read()
    return b""


def process_table() -> dict[int, tuple[int, int]]:
    """Parent and group of every process that is not dead yet. Empty where there is no /proc."""
    found = {}
    for pid in living():
        fields = read_proc(pid, "stat").rpartition(b")")[2].split()
        if fields and fields[0] not in {b"Z", b"X"}:
            found[pid] = int(fields[1]), int(fields[2])
    return found


def kin(leader: int, mark: str) -> dict[int, int]:
    """Processes that come from `leader`, by descent or by their mark, but for itself; with their groups."""
    table = process_table()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found = find_marked(mark)
    open_ = [leader, *found]
    while open_:
        below = [pid for pid in children.get(open_.pop(), []) if pid not in found]
        found.update(below)
        open_ += below
    found.discard(leader)
    return {pid: table[pid][1] for pid in found if pid in table}


def open_handle(pid: int) -> list[int]:
    """A handle on that process, which stays its own when the number is given to another; none if it is gone."""
    with contextlib.suppress(OSError):
        return [os.pidfd_open(pid)]
    return []


def signal_handles(handles: Iterable[int], number: int) -> None:
    """Send a signal to those that are still there."""
    for handle in handles:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(handle, number)


def any_lives(handles: Iterable[int]) -> bool:
    """Whether any of them has not ended yet."""
    poll = select.poll()
    count = 0
    for handle in handles:
        poll.register(handle, select.POLLIN)
        count += 1
    return len(poll.poll(0)) < count


@cache
def inheritable() -> tuple[int, ...]:
    """The open files beyond 0, 1 and 2 that this process was given and would hand on. What Python opens, and
    what our libraries open, is closed in children anyway; so one look is enough."""
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 (no more than numbers)
    except OSError:
        numbers = list(range(256))
    found = []
    for number in numbers:
        with contextlib.suppress(OSError):
            if number > 2 and os.get_inheritable(number):
                found.append(number)
    return tuple(found)


if __name__ == "__main__":  # what the guardian becomes when its driver is gone
    end_marked(sys.argv[1])
