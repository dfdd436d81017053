"""Who hears of the ends of processes."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
from functools import partial
from pathlib import Path

import pytest

from mplp_cli.engine.lookout import lookout

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system does not tell of ends")


def _begin(code: int) -> int:
    return os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {code}"], {})


def _ended_before(code: int) -> int:
    """A process that has ended before anybody listens."""
    pid = _begin(code)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def _gone() -> int:
    os.waitpid(pid := _begin(0), 0)
    return pid


def test_everybody_hears_of_the_end_of_their_own_process_once() -> None:
    async def main() -> list[int]:
        heard: list[int] = []
        all_over = asyncio.Event()

        def ended(pid: int) -> None:
            heard.append(os.waitstatus_to_exitcode(os.waitpid(pid, os.WNOHANG)[1]))
            if len(heard) == 4:
                all_over.set()

        for code in range(3):
            lookout().end_of(pid := _begin(code), partial(ended, pid))
        early = _ended_before(3)
        lookout().end_of(early, lambda: ended(early))
        async with asyncio.timeout(10):
            await all_over.wait()
        return heard

    assert sorted(asyncio.run(main())) == [0, 1, 2, 3]


def test_what_one_does_with_the_end_of_a_process_may_begin_another() -> None:
    async def main() -> int:
        left, over = 5, asyncio.Event()

        def begin() -> None:
            pid = _begin(0)
            lookout().end_of(pid, lambda: ended(pid))

        def ended(pid: int) -> None:
            nonlocal left
            os.waitpid(pid, 0)
            left -= 1
            begin() if left else over.set()

        begin()
        async with asyncio.timeout(10):
            await over.wait()
        return left

    assert asyncio.run(main()) == 0


def test_who_waits_is_called_once_after_a_while_also_while_others_come() -> None:
    async def main() -> list[str]:
        called: list[str] = []
        over = asyncio.Event()

        def first() -> None:
            called.append("first")
            lookout().when_long(last)

        def last() -> None:
            called.append("last")
            over.set()

        lookout().when_long(first)
        lookout().when_long(lambda: called.append("second"))
        assert called == []
        async with asyncio.timeout(10):
            await over.wait()
        return called

    assert asyncio.run(main()) == ["first", "second", "last"]


def test_one_that_fails_when_it_is_called_takes_no_other_along() -> None:
    async def wait() -> None:
        loop = asyncio.get_running_loop()
        over, said = loop.create_future(), list[str]()
        loop.set_exception_handler(lambda _, told: said.append(str(told["exception"])))

        def fail() -> None:
            raise OSError("no room to listen")

        lookout().when_long(fail)
        lookout().when_long(lambda: over.set_result(None))
        async with asyncio.timeout(30):
            await over
        assert said == ["no room to listen"]

    asyncio.run(wait())


def test_a_process_that_is_not_there_is_an_error_and_no_other_suffers() -> None:
    async def main() -> int:
        with pytest.raises(OSError, match="No such process"):
            lookout().end_of(_gone(), lambda: None)
        over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        pid = _begin(7)
        lookout().end_of(pid, lambda: over.set_result(os.waitpid(pid, 0)[1]))
        async with asyncio.timeout(10):
            return os.waitstatus_to_exitcode(await over)

    assert asyncio.run(main()) == 7


def test_after_a_loop_could_not_listen_the_next_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")  # as many are watched as one may

    async def main() -> None:
        mine, pid = lookout(), _begin(0)
        with monkeypatch.context() as patch:
            patch.setattr(asyncio.get_running_loop(), "add_reader", full)
            with pytest.raises(OSError, match="No space left"):
                mine.end_of(pid, lambda: None)
        over = asyncio.Event()

        def ended() -> None:
            os.waitpid(pid, 0)
            over.set()

        mine.end_of(pid, ended)
        async with asyncio.timeout(2):
            await over.wait()

    asyncio.run(main())


def test_each_event_loop_has_its_own_which_leaves_nothing_open() -> None:
    async def main() -> None:
        mine, here = lookout(), asyncio.get_running_loop()
        over = asyncio.Event()
        pid = _begin(0)

        def long() -> None:
            assert here.is_running()

        def ended() -> None:
            os.waitpid(pid, 0)
            over.set()

        mine.when_long(long)  # mostly it still waits when the loop ends
        mine.end_of(pid, ended)
        async with asyncio.timeout(10):
            await over.wait()
        assert lookout() is mine

    def is_open() -> int:
        gc.collect()
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    asyncio.run(main())
    before = is_open()
    for _ in range(3):
        asyncio.run(main())
    assert is_open() == before


def test_what_follows_from_ends_is_done_when_all_that_came_together_are_told() -> None:
    async def main() -> list[str]:
        said: list[str] = []
        over = asyncio.Event()
        pids = [_ended_before(0) for _ in range(3)]

        def ended(pid: int) -> None:
            os.waitpid(pid, 0)
            said.append("an end")
            if "what follows" not in asked:
                asked.append("what follows")
                lookout().soon(follow)

        def follow() -> None:
            said.append("what follows")
            over.set()

        asked: list[str] = []
        for pid in pids:
            lookout().end_of(pid, partial(ended, pid))
        async with asyncio.timeout(10):
            await over.wait()
        return said

    assert asyncio.run(main()) == ["an end", "an end", "an end", "what follows"]


def test_without_an_end_it_is_done_in_the_next_turn_of_the_loop() -> None:
    async def main() -> list[str]:
        said: list[str] = []
        lookout().soon(lambda: said.append("soon"))
        said.append("now")
        await asyncio.sleep(0)
        return said

    assert asyncio.run(main()) == ["now", "soon"]


def test_what_follows_is_done_though_who_hears_of_an_end_fails() -> None:
    async def main() -> list[str]:
        loop, said, over = asyncio.get_running_loop(), list[str](), asyncio.Event()
        loop.set_exception_handler(lambda _, told: said.append(str(told["exception"])))
        first, second = _ended_before(0), _ended_before(0)

        def fail() -> None:
            os.waitpid(first, 0)
            lookout().soon(lambda: said.append("what follows"))
            raise OSError("it fails")

        def ended() -> None:
            os.waitpid(second, 0)
            over.set()

        lookout().end_of(first, fail)
        lookout().end_of(second, ended)
        async with asyncio.timeout(10):
            await over.wait()
        return said

    assert sorted(asyncio.run(main())) == ["it fails", "what follows"]


def test_others_have_their_turn_while_processes_end_without_a_pause() -> None:
    async def main() -> int:
        loop, begun, turns, over = asyncio.get_running_loop(), 0, 0, asyncio.Event()

        def begin() -> None:
            nonlocal begun
            begun += 1
            pid = _ended_before(0)
            lookout().end_of(pid, partial(ended, pid))

        def ended(pid: int) -> None:
            os.waitpid(pid, 0)
            begin() if begun < 100 else over.set()

        def turn() -> None:
            nonlocal turns
            turns += 1
            loop.call_soon(turn)

        begin()
        turn()
        async with asyncio.timeout(10):
            await over.wait()
        return turns

    assert asyncio.run(main()) >= 10
