"""The bus: who is told of an event before the disk has it, and who waits until it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from mplp_cli.errors import StoreError
from mplp_cli.events.bus import Bus
from mplp_cli.store.board import MemoryBoard
from mplp_cli.workflow.published import Published
from tests.events.delivery import event
from tests.virtual import VirtualClock

T = TypeVar("T")


class Slow(MemoryBoard):
    """A board whose disk takes a second, or fails (`broken`); what it has been asked to keep, with the moments."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.broken = ""
        self.kept: list[tuple[float, int]] = []
        #: An id that cannot be stored.
        self.poison = ""

    def post(self, *events: Published) -> list[int]:
        if any(one.id == self.poison for one in events):
            raise StoreError(f"{self.poison} cannot be stored")
        return super().publish(*events)

    def publish(self, *events: Published) -> list[int]:
        raise AssertionError("nobody of the loop waits for the disk")

    async def sync(self) -> None:
        last = self.last()
        await asyncio.sleep(1)
        if self.broken:
            raise StoreError(self.broken)
        self.kept.append((self._clock.monotonic(), last))


class Scene:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.board = Slow(self.clock)
        self.told: list[tuple[float, int]] = []

    def run(self, act: Callable[[Bus], Coroutine[Any, Any, T]]) -> T:
        async def on_a_loop() -> T:
            bus = Bus(self.board, 0)
            bus.subscribe(
                lambda found: self.told.extend((self.clock.monotonic(), number) for number, _ in found)
            )
            return await act(bus)

        return self.clock.run(on_a_loop)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_who_listens_is_told_at_once_and_who_publishes_when_the_disk_has_it(scene: Scene) -> None:
    async def act(bus: Bus) -> tuple[list[int], float]:
        return await bus.publish(event("a"), event("b")), scene.clock.monotonic()

    assert scene.run(act) == ([1, 2], 1.0)
    assert scene.told == [(0.0, 1), (0.0, 2)]
    assert scene.board.kept == [(1.0, 2)]


def test_what_comes_while_the_disk_works_is_kept_together_and_by_the_next_sync(scene: Scene) -> None:
    async def answered(bus: Bus, after: float, name: str) -> float:
        await asyncio.sleep(after)
        await bus.publish(event(name))
        return scene.clock.monotonic()

    async def act(bus: Bus) -> list[float]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answered(bus, n / 10, str(n))) for n in (0, 2, 5, 9)]
        return [task.result() for task in tasks]

    first, *later = scene.run(act)
    assert first == 1.0
    assert later == [pytest.approx(2.005)] * 3  # a moment for others that publish
    assert [number for _, number in scene.board.kept] == [1, 4]
    assert [moment for moment, _ in scene.told] == [0.0, 0.2, 0.5, 0.9]


def test_who_publishes_alone_is_answered_without_a_pause(scene: Scene) -> None:
    async def act(bus: Bus) -> float:
        for name in "abc":
            await bus.publish(event(name))
        return scene.clock.monotonic()

    assert scene.run(act) == 3.0


def test_who_needs_the_disk_to_have_an_event_waits_for_the_sync_that_has_it(scene: Scene) -> None:
    async def act(bus: Bus) -> list[float]:
        moments = []
        waiting = bus.publish(event("a"))
        await asyncio.sleep(0)
        await bus.sure(1)  # by the same sync
        moments.append(scene.clock.monotonic())
        assert waiting.done()
        await bus.sure(1)  # known by now
        moments.append(scene.clock.monotonic())
        bus.publish(event("b"))
        await asyncio.sleep(0.5)
        await bus.sure(1)
        moments.append(scene.clock.monotonic())
        bus.publish(event("c"))
        await asyncio.sleep(0)
        await bus.sure(3)  # only the next one has it
        return [*moments, scene.clock.monotonic()]

    assert scene.run(act) == [1.0, 1.0, 1.5, pytest.approx(3.005)]
    assert [number for _, number in scene.board.kept] == [1, 2, 3]


def test_what_others_have_published_is_made_sure_too(scene: Scene) -> None:
    async def act(bus: Bus) -> float:
        MemoryBoard.publish(scene.board, event("other"))
        await bus.sure(1)
        return scene.clock.monotonic()

    assert scene.run(act) == 1.0


def test_if_it_is_not_certain_that_the_disk_has_it_who_waits_is_told_and_the_next_may_succeed(
    scene: Scene,
) -> None:
    async def act(bus: Bus) -> list[int]:
        scene.board.broken = "the disk went away"
        for waiting in (bus.publish(event("a")), bus.sure(1)):
            with pytest.raises(StoreError, match="the disk went away"):
                await waiting
        scene.board.broken = ""
        return await bus.publish(event("a"), event("b"))

    assert scene.run(act) == [1, 2]


def test_what_cannot_be_stored_is_refused_alone(scene: Scene) -> None:
    async def act(bus: Bus) -> None:
        scene.board.poison = "bad"
        one, other = bus.publish(event("a"), event("bad")), bus.publish(event("b"))
        with pytest.raises(StoreError, match="bad cannot be stored"):
            await one
        assert await other == [1]
        with pytest.raises(StoreError, match="bad cannot be stored"):
            await bus.publish(event("bad"))

    scene.run(act)


def test_what_a_listener_publishes_while_one_is_refused_is_not_lost(scene: Scene) -> None:
    async def act(bus: Bus) -> None:
        scene.board.poison = "bad"
        follows: list[asyncio.Future[list[int]]] = []

        def hear(found: Sequence[tuple[int, Published]]) -> None:
            if not follows:
                follows.append(bus.publish(event("follows")))

        bus.subscribe(hear)
        good, bad = bus.publish(event("a")), bus.publish(event("bad"))
        with pytest.raises(StoreError):
            await bad
        assert (await good, await follows[0]) == ([1], [2])

    scene.run(act)


def test_who_gives_up_waiting_keeps_nobody_from_being_answered(scene: Scene) -> None:
    async def act(bus: Bus) -> list[int]:
        one, other = bus.publish(event("a")), bus.publish(event("b"))
        await asyncio.sleep(0.1)
        one.cancel()
        return await other

    assert scene.run(act) == [2]


def test_when_the_loop_ends_nobody_waits_for_ever(scene: Scene) -> None:
    async def act(bus: Bus) -> list[asyncio.Future[list[int]]]:
        waiting = [bus.publish(event("a"))]
        await asyncio.sleep(0.1)
        waiting.append(bus.publish(event("b")))
        await asyncio.sleep(0.1)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return waiting

    assert all(one.cancelled() for one in scene.run(act))
