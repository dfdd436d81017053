"""No process survives its run: three kinds of children, four ways in which a run ends.

What survives is found by the directory in which it works, which is not how the engine looks for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import EXHAUSTIVE, Mplp

pytestmark = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="survivors are found in /proc")

ROUNDS = 20 if EXHAUSTIVE else 3
#: Seconds after the end of mplp in which everything that it has started must be gone.
ALLOWED = 3.0
PATIENCE = 30.0

#: Scripts by what they leave; two processes called `sleep` are there when all is up.
CHILDREN = {
    "in the background": "sleep 3601 & sleep 3602",
    "forked twice, in a session of its own": "(setsid sleep 3601 &); sleep 3602",
    "deaf to SIGTERM": "trap '' TERM HUP INT; sleep 3601 & while :; do sleep 3602; done",
}

WORKFLOW = """\
workflow:
  id: w
  name: Children
  version: 1.0.0
  grace: 1s
  steps:
    - id: a
      type: shell
      timeout: {timeout}
      run: {script!r}
"""


@dataclass
class Parent:
    """A run in a directory of its own."""

    directory: Path
    mplp: Mplp
    process: subprocess.Popen[bytes]

    def workers(self, name: bytes = b"") -> set[int]:
        """The processes that work in the directory, mplp itself apart; only those of that name."""
        found = set()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and Path(os.readlink(entry / "cwd")) == self.directory:  # noqa: PTH115
                    state = (entry / "stat").read_bytes()
                    dead = state.rpartition(b")")[2].split()[0] in (b"Z", b"X")
                    if name in state.partition(b"(")[2].rpartition(b")")[0] and not dead:
                        found.add(int(entry.name))
        return found - {self.process.pid}


def timed_out(parent: Parent) -> int:
    """Its step runs out of time by itself."""
    return parent.process.wait(PATIENCE)


def cancelled(parent: Parent) -> int:
    """Another process cancels the run."""
    assert parent.mplp("cancel", "w").code == 0
    return parent.process.wait(PATIENCE)


def interrupted(parent: Parent) -> int:
    """Ctrl-C, as a terminal sends it: to the whole group."""
    os.killpg(parent.process.pid, signal.SIGINT)
    return parent.process.wait(PATIENCE)


def killed(parent: Parent) -> int:
    parent.process.kill()
    return parent.process.wait(PATIENCE)


#: Ways in which the run ends, and the exit code that tells of them.
ENDS: dict[Callable[[Parent], int], int] = {
    timed_out: 1,
    cancelled: 4,
    interrupted: 4,
    killed: -signal.SIGKILL,
}


def start(directory: Path, script: str, *, timeout: str) -> Parent:
    directory.mkdir()
    (directory / "w.yaml").write_text(WORKFLOW.format(timeout=timeout, script=script))
    mplp = Mplp(directory)
    process = subprocess.Popen(
        [sys.executable, "-m", "mplp_cli", "run", "w.yaml"],
        cwd=directory,
        env=mplp.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return Parent(directory, mplp, process)


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Look again and again; whether it became true in time."""
    end, look = time.monotonic() + seconds, threading.Event()
    while not (found := true()) and time.monotonic() < end:
        look.wait(0.02)
    return found


def ends_without_orphans(parent: Parent, end: Callable[[Parent], int], wanted: int) -> str:
    """Empty, or what is wrong."""
    try:
        if not until(lambda: len(parent.workers(b"sleep")) == 2, PATIENCE):
            return "its children did not come up"
        if (code := end(parent)) != wanted:
            return f"mplp ended with {code}"
        if not until(lambda: not parent.workers(), ALLOWED):
            return f"{len(parent.workers())} survivors"
        return ""
    finally:
        parent.process.kill()
        parent.process.wait()
        for pid in parent.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_no_child_survives_its_run(tmp_path: Path, number: int) -> None:
    """All of them side by side."""
    wrong: dict[tuple[str, str], str] = {}

    def one(kind: str, end: Callable[[Parent], int], directory: Path) -> None:
        parent = start(directory, CHILDREN[kind], timeout="3s" if end is timed_out else "none")
        wrong[kind, end.__name__] = ends_without_orphans(parent, end, ENDS[end])

    threads = [
        threading.Thread(target=one, args=(kind, end, tmp_path / f"{number}-{n}"))
        for n, (kind, end) in enumerate(product(CHILDREN, ENDS))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == len(threads)
    assert {combination: what for combination, what in wrong.items() if what} == {}


def test_an_orphan_would_be_noticed(tmp_path: Path) -> None:
    """Without its guardian, that is, which is the shell beside the step's own."""
    parent = start(tmp_path / "run", CHILDREN["in the background"], timeout="none")

    def loses_its_guardian(parent: Parent) -> int:
        for pid in parent.workers(b"sh"):
            if b"survivors" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        return killed(parent)

    found = ends_without_orphans(parent, loses_its_guardian, -signal.SIGKILL)
    assert found.endswith(" survivors")
