"""`mplp monitor`: records, frames, and a terminal that is as it was."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from mplp_cli.cli.monitor import ticks
from mplp_cli.observe.seen import Seen
from tests.cli.conftest import Terminal, until

MOMENT = Seen(at=0, window=1, part=1, lately=1)


def test_ticks_never_overlap_and_come_at_once_and_then_at_each_interval() -> None:
    now, takes, looked = 100.0, iter([1.0, 7.0, 0.0, 0.0]), list[float]()

    def look() -> Seen:
        nonlocal now
        looked.append(now - 100)
        now += next(takes)
        return MOMENT

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    glances: list[None] = []
    assert len([*ticks(look, 5.0, 4, lambda: glances.append(None), lambda: now, sleep)]) == 4
    assert looked == pytest.approx([0, 5, 15, 20]), "the one at 10 was left out"
    assert len(glances) > 20, "a changed size is seen between looks"


def test_a_record_a_look_is_for_programs(terminal: Terminal) -> None:
    assert terminal("run", "talks.yaml").code == 0
    done = terminal("monitor", "--count", "2", "--interval", "0.5")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code, len(records)) == (0, 2)
    for record in records:
        assert list(record) == ["at", "metrics", "analysis", "alerts"]
        assert list(record["analysis"]) == ["overall", "bottlenecks", "trends", "recommendations"]
        assert 0 <= record["analysis"]["overall"] <= 100
        assert 0 <= record["metrics"]["cpu"]["utilization"] <= 1
        assert record["metrics"]["runs"]["counts"] == {"completed": 1}
        assert record["alerts"] == []


def test_a_run_that_asks_says_how_it_is_answered_also_if_a_sub_workflow_does(terminal: Terminal) -> None:
    terminal.write(
        "outer.yaml",
        "workflow: {id: outer, name: O, version: 1.0.0,"
        " steps: [{id: inner, type: workflow, file: ask.yaml}]}\n",
    )
    assert terminal("run", "outer.yaml").code == 3
    frame = terminal("monitor", "--count", "1", "--output", "text").out
    [line] = [line for line in frame.splitlines() if "outer" in line]
    [asked] = terminal("approvals", "--output", "json").document["approvals"]
    assert f"mplp approve {asked['runId'][:8]} deploy --by ann" in line
    assert "0/1" in line


def test_it_watches_where_nothing_was_ever_stored_and_makes_nothing(terminal: Terminal) -> None:
    done = terminal("monitor", "--count", "1", "--output", "text")
    assert "nothing has run here yet" in done.out
    assert "MACHINE" in done.out
    assert not (terminal.directory / ".mplp").exists()


@pytest.mark.parametrize("interval", ["0", "soon", "-1", "nan", "1e400", "2h"])
def test_an_interval_that_is_none_is_refused(terminal: Terminal, interval: str) -> None:
    done = terminal("monitor", f"--interval={interval}")
    assert done.code == 2
    assert f"--interval {interval}" in done.err


def test_a_reader_that_leaves_ends_it(terminal: Terminal) -> None:
    words = f"{sys.executable} -m mplp_cli monitor --interval 500ms | head -n 1 | wc -l"
    done = terminal.run("bash", "-o", "pipefail", "-c", words)
    assert (done.code, done.out.strip(), done.err) == (0, "1", "")


# ---- on a terminal -----------------------------------------------------------------------------


class Screen:
    """A terminal of 100 by 30, and what was written to it."""

    def __init__(self, terminal: Terminal, *words: str) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        env = {**terminal.env, "TERM": "xterm-256color"}
        for name in ("COLUMNS", "LINES", "CI", "NO_COLOR", "FORCE_COLOR"):
            env.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mplp_cli", *words],
            cwd=terminal.directory, env=env, stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        self.text = ""

    def shows(self, text: str) -> bool:
        while select.select([self.ours], [], [], 0)[0]:
            try:
                self.text += os.read(self.ours, 65_536).decode("utf-8", "replace")
            except OSError:  # everybody has closed it
                break
        return text in self.text

    def resize(self, height: int, width: int) -> None:
        self.text = ""
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))


@pytest.fixture
def screens() -> Iterator[list[Screen]]:
    made: list[Screen] = []
    yield made
    for screen in made:
        screen.process.kill()
        screen.process.wait()
        os.close(screen.ours)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_terminal_is_given_back_whatever_ends_it(
    terminal: Terminal, screens: list[Screen], number: signal.Signals
) -> None:
    screens.append(screen := Screen(terminal, "monitor", "--interval", "1h"))
    until(lambda: screen.shows("TRENDS"))
    assert "\x1b[?1049h" in screen.text
    screen.resize(20, 60)
    until(lambda: screen.shows("MACHINE"), 10)
    screen.process.send_signal(number)
    assert screen.process.wait(10) == 128 + number
    assert screen.shows("\x1b[?1049l"), "the screen before comes back"
    assert screen.shows("\x1b[?25h"), "and the cursor"


def test_with_a_count_the_last_frame_stays(terminal: Terminal, screens: list[Screen]) -> None:
    screens.append(screen := Screen(terminal, "monitor", "--count", "1", "--no-color"))
    assert screen.process.wait(20) == 0
    assert screen.shows("\x1b[?1049l")
    after = screen.text.rpartition("\x1b[?1049l")[2]
    assert "MACHINE" in after
    assert "\x1b[3" not in after
