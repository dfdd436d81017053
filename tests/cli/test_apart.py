"""What comes before a run is done in a thread that ends."""

from __future__ import annotations

import threading

import pytest

from mplp_cli.cli.apart import apart
from tests.cli.conftest import Terminal


def test_it_gives_what_the_work_gives_from_a_thread_that_has_ended() -> None:
    first, second = apart(threading.current_thread), apart(threading.current_thread)
    assert threading.current_thread() not in (first, second)
    assert first is not second
    assert not first.is_alive()


@pytest.mark.parametrize("raised", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_it_raises_what_the_work_raises(raised: BaseException) -> None:
    def fail() -> None:
        raise raised

    with pytest.raises(type(raised)) as told_of:
        apart(fail)
    assert told_of.value is raised


FAILS = """\
workflow:
  id: fails
  name: Fails
  version: 1.0.0
  steps:
    - {id: bad, type: shell, run: 'false'}
"""

#: Ctrl-C comes while the work goes on, which takes the seconds of the argument more.
PRESSED = """
import os, signal, sys, time
from mplp_cli.cli.apart import apart

def work():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(float(sys.argv[1]))
    print("done", flush=True)

try:
    apart(work)
except KeyboardInterrupt:
    print("pressed", flush=True)
"""


@pytest.mark.parametrize(("takes", "says"), [("0.2", "done\npressed\n"), ("3600", "pressed\n")])
def test_ctrl_c_lets_it_come_to_its_end_if_that_is_soon(terminal: Terminal, takes: str, says: str) -> None:
    pressed = terminal.python("-c", PRESSED, takes)
    assert (pressed.code, pressed.out, pressed.err) == (0, says, "")


#: Says in which thread runs are begun, and runs the command of the arguments.
BEGUN = """
import sys, threading
from mplp_cli.runtime import Runtime

start, take_up = Runtime.start, Runtime.take_up

def told(way):
    def begin(*args, **more):
        print(threading.current_thread().name, file=sys.stderr)
        return way(*args, **more)
    return begin

Runtime.start, Runtime.take_up = told(start), told(take_up)
from mplp_cli.__main__ import main
main()
"""


def test_runs_are_begun_there(terminal: Terminal) -> None:
    terminal.write("fails.yaml", FAILS)
    for words, code in ((("run", "fails.yaml"), 1), (("retry", "fails"), 1), (("rerun", "fails"), 1)):
        begun = terminal.python("-c", BEGUN, *words, "--output", "quiet")
        assert (begun.code, begun.err.splitlines()[0]) == (code, "mplp begin"), words


def test_runs_are_driven_in_the_main_thread(terminal: Terminal) -> None:
    terminal.write(
        "fns.py",
        "import threading\n\n\nasync def where():\n    return threading.current_thread().name\n",
    )
    terminal.write(
        "where.yaml",
        """\
workflow:
  id: where
  name: Where
  version: 1.0.0
  steps:
    - {id: here, type: python, call: 'fns:where', isolation: thread}
  outputs: {thread: "${here.result}"}
""",
    )
    ran = terminal("run", "where.yaml", "--output", "quiet")
    assert (ran.code, ran.document) == (0, {"thread": "MainThread"})
