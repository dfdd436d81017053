"""A run is driven in a thread that begins with it, and signals come to it there."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from mplp_cli.cli.apart import Signals, run_apart, signals_of
from tests.cli.conftest import Terminal


async def where() -> threading.Thread:
    return threading.current_thread()


def test_it_gives_what_the_work_gives_from_a_thread_of_its_own() -> None:
    first, second = run_apart(where()), run_apart(where())
    assert threading.current_thread() not in (first, second)
    assert first is not second
    assert not first.is_alive()


@pytest.mark.parametrize("raised", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_it_raises_what_the_work_raises(raised: BaseException) -> None:
    async def fails() -> None:
        raise raised

    with pytest.raises(type(raised)) as told_of:
        run_apart(fails())
    assert told_of.value is raised


async def told(signals: Signals, count: int) -> list[int]:
    heard: list[int] = []
    all_heard = asyncio.Event()

    def hear(number: int) -> None:
        heard.append(number)
        if len(heard) == count:
            all_heard.set()
        else:
            os.kill(os.getpid(), signal.SIGUSR2)

    signals.tell(hear)
    async with asyncio.timeout(30):
        await all_heard.wait()
    return heard


def test_signals_are_heard_by_the_loop_in_that_thread_also_those_that_came_before_it() -> None:
    with signals_of((signal.SIGUSR1, signal.SIGUSR2)) as signals:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert run_apart(told(signals, 3)) == [signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR2]


def test_a_thread_that_gets_the_signal_leaves_it_to_the_loop() -> None:
    async def to_itself(signals: Signals) -> list[int]:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        return await told(signals, 1)

    with signals_of((signal.SIGUSR1,)) as signals:
        assert run_apart(to_itself(signals)) == [signal.SIGUSR1]


def test_afterwards_signals_do_what_they_did() -> None:
    former, files = signal.getsignal(signal.SIGUSR1), set(Path("/dev/fd").iterdir())
    with signals_of((signal.SIGUSR1,)):
        assert signal.getsignal(signal.SIGUSR1) is not former
    assert signal.getsignal(signal.SIGUSR1) is former
    assert signal.set_wakeup_fd(-1) == -1
    assert set(Path("/dev/fd").iterdir()) == files


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_run_is_driven_there(terminal: Terminal) -> None:
    terminal.write(
        "where.yaml",
        """\
workflow:
  id: where
  name: Where
  version: 1.0.0
  steps:
    - {id: here, type: shell, run: 'cat /proc/$PPID/task/*/comm | wc -l'}
  outputs: {threads: "${here.result.output}"}
""",
    )
    ran = terminal("run", "where.yaml", "--output", "quiet")
    assert ran.code == 0
    assert int(ran.document["threads"]) >= 2
