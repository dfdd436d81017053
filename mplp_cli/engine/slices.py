"""Short turns on the processor for the thread that looks after processes.

Where its own children keep all processors busy, this thread is the one that waits: a child that has begun runs until
the end of its slice (milliseconds), and only then the end of another one is seen and the next can start. From 6.12 on,
Linux lets a thread ask for shorter slices; its share stays the same, it comes sooner and in smaller parts. Children
begin with the usual ones. For a process of our own alone: a thread without privileges cannot take it back.

See `man 2 sched_setattr`.
"""

from __future__ import annotations

import os
import platform
import struct
import sys
from pathlib import Path

#: Nanoseconds of a slice: what is done about the end of one process and the start of the next takes about as long.
SLICE = 400_000
#: The longest that a system gives by itself; a longer one is somebody's wish.
_USUAL = 3_000_000
#: The numbers of the calls `sched_getattr` and `sched_setattr`, for which a C library need not have functions.
CALLS = {"x86_64": (315, 314), "aarch64": (275, 274)}
#: `struct sched_attr`: size, policy, flags, nice, priority, runtime, deadline, period, util_min, util_max.
_ATTRIBUTES = struct.Struct("IIQiIQQQII")
#: SCHED_FLAG_RESET_ON_FORK: children begin with the usual slice.
_RESET_ON_FORK = 1


def ask_for_short_slices() -> bool:
    """Ask for this thread; whether the system has taken it. A thread that is scheduled in a special way stays as it is,
    because its children would not be any more."""
    calls = CALLS.get(platform.machine()) if sys.platform == "linux" and sys.maxsize >= 1 << 32 else None
    if calls is None or not _may_call():
        return False
    try:
        import ctypes

        call = ctypes.CDLL(None).syscall
    except (ImportError, OSError, AttributeError):
        return False
    tell, ask = calls
    room = ctypes.create_string_buffer(_ATTRIBUTES.size)
    if call(tell, 0, room, _ATTRIBUTES.size, 0) != 0:
        return False
    _, policy, flags, nice, _, runtime, _, _, least, most = _ATTRIBUTES.unpack(room.raw)
    is_special = policy or flags or nice < 0 or (least, most) not in ((0, 0), (0, 1024))
    if is_special or not SLICE < runtime <= _USUAL:  # older systems tell of none
        return False
    wanted = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, _RESET_ON_FORK, nice, 0, SLICE, 0, 0, 0, 0)
    return bool(call(ask, 0, wanted, 0) == 0)


def _may_call() -> bool:
    """Whether every call may be tried: a filter of system calls may kill who makes one that it does not know."""
    try:
        return "\nSeccomp:\t0\n" in Path("/proc/self/status").read_text("utf-8")
    except (OSError, ValueError):
        return False
