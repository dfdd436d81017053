"""Signals end a run: one cancels it, a further one kills it."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from mplp_cli.cli.stops import Stops


def obeyed(*came: tuple[str, float]) -> list[str]:
    """What is done about signals with these names, at these times."""
    stops, done = Stops(), list[str]()

    async def drive() -> None:
        stops.obey(lambda name: done.append(f"cancel {name}"), lambda name: done.append(f"kill {name}"))
        for name, at in came:
            stops.come(name, at)
        await asyncio.sleep(0)

    asyncio.run(drive())
    return done


def test_the_first_cancels_and_each_further_one_kills() -> None:
    done = obeyed(("Ctrl-C", 5.0), ("Ctrl-C", 5.2), ("Ctrl-C", 6.0))
    assert done == ["cancel Ctrl-C", "kill Ctrl-C", "kill Ctrl-C"]


def test_the_same_twice_at_once_is_one_but_not_for_ever() -> None:
    assert obeyed(("SIGTERM", 5.0), ("SIGTERM", 5.001), ("SIGTERM", 5.09)) == ["cancel SIGTERM"]
    # A key that is held down.
    held = [("Ctrl-C", 5.0 + tick * 0.03) for tick in range(5)]
    assert obeyed(*held) == ["cancel Ctrl-C", "kill Ctrl-C"]


def test_two_kinds_are_never_one() -> None:
    assert obeyed(("Ctrl-C", 5.0), ("SIGTERM", 5.0)) == ["cancel Ctrl-C", "kill SIGTERM"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_that_comes_before_there_is_a_loop_is_heard(number: signal.Signals) -> None:
    stops, done = Stops(), list[str]()

    async def drive() -> None:
        stops.obey(done.append, lambda name: done.append(f"kill {name}"))

    former = signal.getsignal(number)
    with stops.heard():
        os.kill(os.getpid(), number)
        asyncio.run(drive())
        assert done == ["Ctrl-C" if number == signal.SIGINT else number.name]
        os.kill(os.getpid(), number)  # nothing is driven any more
    assert signal.getsignal(number) is former
    assert len(done) == 1


def busy(seconds: float) -> None:
    """The event loop is at work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_the_time_at_which_they_come_counts_not_when_the_loop_is_free() -> None:
    stops, done = Stops(), list[str]()

    async def drive() -> None:
        stops.obey(done.append, lambda name: done.append(f"kill {name}"))
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
            busy(0.15)
        await asyncio.sleep(0)

    with stops.heard():
        asyncio.run(drive())
    assert done == ["SIGTERM", "kill SIGTERM"]
