"""Nothing that a run has started outlives the process that drives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.engine.guardian import Guardian
from mplp_cli.engine.survivors import MARK, find_marked

linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="marks are found in /proc")

#: A step whose processes do all that processes do to be left alone.
STUBBORN = """\
workflow:
  id: w
  name: W
  version: 1.0.0
  steps:
    - id: a
      type: shell
      run: |
        trap '' TERM HUP INT
        sleep 1000 &
        (setsid sleep 1001 &)
        setsid sh -c 'trap "" TERM; sleep 1002 & wait' &
        touch started
        while :; do sleep 1003 || true; done
"""


def until(holds: Any, seconds: float = 10.0) -> bool:
    """Look until it holds, or the time is over."""
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        os.sched_yield()
    return bool(found)


@linux
def test_kill_9_of_the_driver_leaves_nothing_running(mplp: Any, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(STUBBORN)
    driver = subprocess.Popen(
        [sys.executable, "-m", "mplp_cli", "run", "w.yaml", "-o", "jsonl"],
        cwd=tmp_path, env=mplp.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert driver.stdout is not None
    run_id = json.loads(driver.stdout.readline())["runId"]
    assert until((tmp_path / "started").exists)
    assert until(lambda: len(find_marked(f"{run_id}/")) >= 4)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    driver.stdout.close()
    assert until(lambda: not find_marked(f"{run_id}/"))


@linux
def test_a_clean_end_ends_the_guardian_and_nobody_else() -> None:
    mark = f"test/{os.getpid()}/"
    bystander = subprocess.Popen(["sleep", "1000"], env={**os.environ, MARK: mark})
    try:
        guardian = Guardian(mark)
        guardian.watch()
        guardian.watch()
        guardian.close()
        guardian.close()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@linux
def test_a_resumed_run_first_ends_what_was_left(mplp: Any, tmp_path: Path) -> None:
    """Also where no guardian was left to do it: attempts never run beside their own ghosts."""
    (tmp_path / "w.yaml").write_text(
        "workflow: {id: w, name: W, version: 1.0.0, steps: [{id: a, type: shell, "
        "run: 'echo $$ >> pids; test -e quick || exec sleep 1000'}]}"
    )
    driver = subprocess.Popen([sys.executable, "-m", "mplp_cli", "run", "w.yaml"], cwd=tmp_path, env=mplp.env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    pids = tmp_path / "pids"
    assert until(lambda: pids.exists() and pids.read_text().endswith("\n"))
    for pid in [int(p.name) for p in Path("/proc").iterdir() if p.name.isdecimal()]:
        if parent_of(pid) == driver.pid and pid != int(pids.read_text()):
            os.kill(pid, signal.SIGKILL)  # the guardian
    driver.kill()
    driver.wait()
    ghost = int(pids.read_text())
    assert find_marked("/a/1;") >= {ghost}
    (tmp_path / "quick").touch()
    assert mplp("resume", "w").code == 0
    assert ghost not in find_marked("/a/1;")


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
