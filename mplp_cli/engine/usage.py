"""What processes have used, as the system says when they end."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from mplp_cli.workflow.resources import Usage

if TYPE_CHECKING:
    import resource

#: Bytes of a block, as Linux counts what went from and to disks.
_BLOCK = 512
#: Bytes by which the system's counts of memory may be off.
_SLACK = 4 << 20
_LINUX = sys.platform == "linux"
#: Bytes of what `ru_maxrss` counts.
_MAXRSS = 1024 if _LINUX else 1
#: The most memory that this process ever had, as it was last looked up; it only grows.
_own = [0]


def usage_of(rusage: resource.struct_rusage) -> Usage:
    """What a process has used with those of its children that it has waited for.

    Its peak is that of the largest of them. On Linux a process begins as its parent as far as this goes: a peak
    that is no larger than ours says nothing of it, and is not known.
    """
    peak = rusage.ru_maxrss * _MAXRSS
    return Usage(
        cpu_ms=round((rusage.ru_utime + rusage.ru_stime) * 1000),
        peak_memory=peak if peak > _own[0] + _SLACK and peak > _own_peak() + _SLACK else 0,
        read=rusage.ru_inblock * _BLOCK if _LINUX else 0,
        written=rusage.ru_oublock * _BLOCK if _LINUX else 0,
    )


def _own_peak() -> int:
    with contextlib.suppress(OSError), open("/proc/self/status", "rb") as file:  # noqa: PTH123 (once a step)
        for line in file:
            if line.startswith(b"VmHWM:"):
                _own[0] = int(line.split()[1]) * 1024
    return _own[0]


def resident(pid: int) -> int:
    """Bytes of memory that a process has resident; 0 if it is gone."""
    with contextlib.suppress(OSError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123 (often)
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    return 0


def own_part(pid: int) -> int | None:
    """The same, but of pages that processes share its part; None if that is not told. Takes longer."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123 (the same)
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return None
