"""Targets that have events at once and for certain later: nothing is recorded before, and nobody waits. On virtual
time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.errors import Failure, StoreError
from mplp_cli.events.keeping import APART
from mplp_cli.events.lane import WINDOW
from mplp_cli.events.senders.file import FileSender
from mplp_cli.workflow.events.routes import FileTarget
from mplp_cli.workflow.retry import Retry
from tests.events.delivery import Project, Target, event, refused, route, routing, sent

FAR = 1_000_000.0


class LazyTarget(Target):
    """Notes each sync: when, and how many events it had by then."""

    def __init__(self, clock: Any, sync: Callable[[int], Failure | None] = lambda _: None) -> None:
        super().__init__(clock, at_most=100)
        self.syncs: list[tuple[float, int]] = []
        self._sync = sync
        self.takes = 0.0

    async def sync(self) -> Failure | None:
        """What the test wants of the n-th sync, n from 1."""
        had = len(self.has)
        await asyncio.sleep(self.takes)
        self.syncs.append((self._clock.monotonic(), had))
        return self._sync(len(self.syncs))


def lazily(**more: Any) -> tuple[Project, LazyTarget]:
    project = Project(routing(route(**more)))
    target = LazyTarget(project.clock)
    project.targets["r"] = target
    return project, target


def test_a_steady_load_is_handed_on_at_once_and_synced_a_few_times_a_second() -> None:
    project, target = lazily()
    late: list[float] = []

    async def work() -> None:
        async with project.delivering() as dispatcher:
            for n in range(1_000):
                moment = project.clock.monotonic()
                await project.bus.publish(event(f"{n}", f"s{n % 3}"))
                await asyncio.sleep(0.001)
                late.append(target.tries[-1][0] - moment)
                assert len(target.tries) == n + 1
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert max(late) < 0.001
    moments = [moment for moment, _ in target.syncs]
    assert len(moments) == pytest.approx(1 / APART, abs=3)
    assert set(project.states("r").values()) == {"delivered"}


def test_nothing_is_recorded_before_the_sync_and_all_of_it_comes_again_if_the_process_dies() -> None:
    project, target = lazily()
    target.takes = 10

    async def die() -> None:
        async with project.delivering():
            await project.bus.publish(*(event(f"{n}", "a") for n in range(5)))
            await asyncio.sleep(5)
            assert (len(target.has), project.states("r")) == (5, {})
            assert project.deliveries.readers()["route:r"] == 0
            project.fails("the process is dead")

    async def work() -> None:
        with pytest.raises(ExceptionGroup) as died:
            await die()
        assert died.group_contains(StoreError)
        async with project.delivering() as dispatcher:
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert target.has == [*"01234"] * 2
    assert project.states("r") == dict.fromkeys(range(1, 6), "delivered")


def test_a_process_that_ends_syncs_what_it_has_handed_on() -> None:
    project, target = lazily()

    async def work() -> None:
        async with project.delivering():
            await project.bus.publish(event("0"))
            await asyncio.sleep(0.01)
            await project.bus.publish(event("1"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert len(target.syncs) == 1

    project.clock.run(work)
    assert target.syncs[-1][1] == 2
    assert project.states("r") == {1: "delivered", 2: "delivered"}


@pytest.mark.parametrize("ordered", [False, True])
def test_a_sync_that_fails_is_a_failed_try_of_all_it_was_for(*, ordered: bool) -> None:
    project, target = lazily(ordered=ordered, retry=Retry(max_retries=1, initial_delay=1_000))
    target._sync = lambda n: refused("the disk is gone") if n == 1 else None

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(event("0"), event("1"))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    tries = {record.event: record.tries for record in project.records("r")}
    assert target.has == (["0", "0", "1"] if ordered else ["0", "1", "0", "1"])
    assert tries == ({1: 2, 2: 1} if ordered else {1: 2, 2: 2})
    assert set(project.states("r").values()) == {"delivered"}


def test_what_a_failed_sync_was_for_is_not_delivered_though_the_process_ends_while_that_is_noted() -> None:
    project, target = lazily(retry=Retry(max_retries=1))
    target.at_most = 10
    synced = asyncio.Event()

    def fail_first(n: int) -> Failure | None:
        synced.set()
        return refused("the disk is gone") if n == 1 else None

    target._sync = fail_first

    async def work() -> None:
        async with project.delivering():
            await project.bus.publish(*(event(f"{n}", f"s{n}") for n in range(100)))
            await synced.wait()
            assert target.syncs[0][1] == 100

    project.clock.run(work)
    assert project.states("r") == dict.fromkeys(range(1, 101), "retrying")


def test_a_sync_that_hangs_is_given_up_and_delays_no_other_route() -> None:
    project = Project(
        routing(route(timeout=2_000, retry=Retry(max_retries=1, initial_delay=100)), route("two"))
    )
    target = project.targets["r"] = LazyTarget(project.clock)
    target.takes = FAR

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(*(event(f"{n}") for n in range(3)))
            await asyncio.sleep(0.2)
            assert len(project.states("two")) == 3
            await dispatcher.drain(FAR)

    project.clock.run(work)
    assert {(record.state, record.tries) for record in project.records("r")} == {("dead", 2)}
    assert "StepTimeoutError" in project.records("r")[0].error


def test_an_ordered_route_syncs_each_try_once_before_the_next_of_its_source() -> None:
    project, target = lazily(ordered=True)
    target.takes = 0.2

    async def work() -> int:
        async with project.delivering() as dispatcher:
            await project.bus.publish(*(event(f"{n}", "ab"[n % 2]) for n in range(20)))
            assert await dispatcher.drain(FAR)
            return dispatcher.progress()[0].delivered

    assert project.clock.run(work) == 20
    # Of each source one, together; and once more at the end.
    assert [had for _, had in target.syncs] == [*range(2, 21, 2), 20]


def test_what_fills_the_window_is_synced_before_its_time() -> None:
    project, _ = lazily()

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(*(event(f"{n}", f"s{n % 9}") for n in range(20 * WINDOW)))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert project.clock.elapsed < 5 * APART
    assert len(project.states("r")) == 20 * WINDOW


# ---- the file


def test_a_file_that_is_moved_away_is_made_again_and_both_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, old = tmp_path / "log", tmp_path / "log.1"
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))

    async def work(sender: FileSender) -> None:
        files = len([*Path("/dev/fd").iterdir()])
        for n in range(3):
            assert await sent(sender, (n, event(f"{n}"))) == [None]
        path.rename(old)
        assert await sent(sender, (3, event("3"))) == [None]
        assert not synced
        assert await sender.sync() is None
        assert len([*Path("/dev/fd").iterdir()]) == files

    for near in (None, tmp_path.stat().st_dev):
        synced.clear()
        asyncio.run(work(FileSender(FileTarget(path=str(path)), near)))
        assert {path.stat().st_ino, old.stat().st_ino, tmp_path.stat().st_ino} == set(synced)
        assert [len(file.read_text().splitlines()) for file in (old, path)] == [3, 1]
        path.unlink()


def test_a_sync_that_the_disk_refuses_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = FileSender(FileTarget(path=str(tmp_path / "log")))

    def refuse(_file: int) -> None:
        raise OSError(5, "Input/output error")

    async def work() -> None:
        await sent(sender, (1, event("1")))
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", refuse)
            failure = await sender.sync()
        assert failure is not None
        assert "Input/output error" in failure.message
        assert await sender.sync() is None

    asyncio.run(work())


def test_a_file_that_cannot_be_closed_has_failed_and_the_others_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, old = tmp_path / "log", tmp_path / "log.1"
    sender = FileSender(FileTarget(path=str(path)))
    synced: list[int] = []
    close = os.close

    def refuse(file: int) -> None:
        moved = os.fstat(file).st_ino == old.stat().st_ino
        close(file)
        if moved:
            raise OSError(5, "Input/output error")

    async def work() -> None:
        await sent(sender, (1, event("1")))
        path.rename(old)
        await sent(sender, (2, event("2")))
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
            patched.setattr(os, "close", refuse)
            failure = await sender.sync()
        assert failure is not None
        assert "Input/output error" in failure.message
        assert path.stat().st_ino in synced

    asyncio.run(work())
