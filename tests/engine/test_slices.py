"""Short turns on the processor, of the thread that looks after processes and of nobody else."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.engine.slices import CALLS, SLICE

#: Prints `policy flags nice runtime util_min util_max` of its own thread, then of a thread and a process it has begun.
TOLD = """
import ctypes, os, struct, subprocess, sys, threading

ATTRIBUTES = struct.Struct("IIQiIQQQII")
TELL = %d


def tell():
    room = ctypes.create_string_buffer(ATTRIBUTES.size)
    assert ctypes.CDLL(None).syscall(TELL, 0, room, ATTRIBUTES.size, 0) == 0
    _, policy, flags, nice, _, runtime, _, _, least, most = ATTRIBUTES.unpack(room.raw)
    print(policy, flags, nice, runtime, least, most, flush=True)


def tell_all():
    tell()
    thread = threading.Thread(target=tell)
    thread.start()
    thread.join()
    subprocess.run([sys.executable, "-c", sys.argv[1] + "; tell()", sys.argv[1]], check=True)
"""
ASKED = """
from mplp_cli.engine.slices import ask_for_short_slices

tell_all()
print(ask_for_short_slices(), ask_for_short_slices())
tell_all()
"""
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in CALLS, reason="nothing is asked for here"
)


def told(before: str = "") -> list[list[str]]:
    program = TOLD.strip() % CALLS[platform.machine()][0] + "\n"
    exported = f"exec({program!r})"
    done: Any = subprocess.run(
        [sys.executable, "-c", f"{exported}\n{before}\n{ASKED}", exported],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line.split() for line in done.stdout.splitlines()]


def able(lines: list[list[str]]) -> list[list[str]]:
    """The same, where the system can do it at all."""
    if lines[0][3] == "0" or "\nSeccomp:\t0\n" not in Path("/proc/self/status").read_text("utf-8"):
        pytest.skip("this system has no slices of one's own, or may not be asked")
    return lines


def test_only_the_slice_of_this_thread_becomes_shorter() -> None:
    *before, taken, own, thread, process = able(told())
    assert taken == ["True", "False"]
    assert before[0] == before[1] == before[2]
    policy, _, nice, _, *clamps = before[0]
    assert own == [policy, "1", nice, str(SLICE), *clamps]
    assert thread == process == before[0]


def test_a_lowered_priority_stays_as_it_is() -> None:
    *before, taken, own, _, process = able(told("os.nice(3)"))
    assert taken == ["True", "False"]
    assert [line[2] for line in (before[0], own, process)] == ["3", "3", "3"]


#: Ten milliseconds: more than a system gives by itself.
LONG_SLICE = """
wanted = ATTRIBUTES.pack(ATTRIBUTES.size, 0, 0, 0, 0, 10_000_000, 0, 0, 0, 0)
assert ctypes.CDLL(None).syscall(TELL - 1, 0, wanted, 0) == 0
"""


@pytest.mark.parametrize(
    "before",
    [
        "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))",
        "os.nice(-1)",
        LONG_SLICE,
        "sys.modules['_ctypes'] = None; del sys.modules['ctypes']; tell_all = lambda: print()",
        "import mplp_cli.engine.slices as s; s._may_call = lambda: False",
        "import mplp_cli.engine.slices as s; s.CALLS.clear()",
    ],
    ids=[
        "another policy",
        "raised",
        "a slice of one's own",
        "no ctypes",
        "system calls are filtered",
        "not known",
    ],
)
def test_else_everything_stays_as_it_is(before: str) -> None:
    if "nice" in before and os.geteuid() != 0:
        pytest.skip("only root may raise a priority")
    lines = told(before)
    assert ["False", "False"] in lines
    assert lines[0] == lines[-3]
