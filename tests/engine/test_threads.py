"""Threads for calls that may block: what they give reaches who waits, and nobody else."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial

from mplp_cli.engine.threads import in_thread


def nobody(made: object) -> None:
    raise AssertionError(f"{made} came too late")


def test_each_call_gets_what_it_gave_however_long_it_took() -> None:
    """Some are over in the moment for which the event loop does nothing else, some just then, some later."""

    def work(number: int) -> int:
        until = time.perf_counter() + number % 20 * 2e-5
        while time.perf_counter() < until:
            pass
        return number

    async def several(first: int) -> list[int]:
        return [await in_thread(partial(work, number), nobody) for number in range(first, 400, 4)]

    async def main() -> list[list[int]]:
        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(several(first)) for first in range(4)]
        return [task.result() for task in made]

    assert asyncio.run(main()) == [list(range(first, 400, 4)) for first in range(4)]


def test_the_event_loop_goes_on_while_a_call_takes_its_time() -> None:
    go = threading.Event()

    async def main() -> bool:
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(in_thread(lambda: go.wait(10), nobody))
            quick = tasks.create_task(in_thread(lambda: "done", nobody))
            assert await quick == "done"
            assert not slow.done()
            go.set()
        return slow.result()

    assert asyncio.run(main())


def test_what_nobody_waits_for_any_more_is_told_as_late() -> None:
    go = threading.Event()

    async def main() -> str:
        came: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def work() -> str:
            go.wait(10)
            return "after all"

        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(in_thread(work, came.set_result))
            await asyncio.sleep(0)
            call.cancel()
        assert call.cancelled()
        assert not came.done()
        go.set()
        async with asyncio.timeout(10):
            return await came

    assert asyncio.run(main()) == "after all"
