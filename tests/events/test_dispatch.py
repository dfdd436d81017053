"""Delivering: order, retries, what stands in nobody's way, and what is left after a crash. On virtual time."""

from __future__ import annotations

import asyncio
import random  # noqa: TID251 - seeded: the same moments every time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest

from mplp_cli.errors import Failure, UsageError
from mplp_cli.events import lane, ledger, letters
from mplp_cli.events.dispatch import Scope
from mplp_cli.events.lane import WINDOW
from mplp_cli.events.letters import FULL, drop, replay
from mplp_cli.workflow.events.routes import Filter, Match
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.retry import Retry
from tests.events.delivery import Project, Target, event, refused, route, routing
from tests.virtual import VirtualClock

FAR = 1_000_000.0


# ---- order


def test_a_source_is_delivered_in_order_one_at_a_time_and_sources_beside_each_other() -> None:
    project = Project(routing(route(at_once=3)))
    target = project.targets["r"]

    async def act(_number: int, _event: Published) -> None:
        await asyncio.sleep(1)

    target._act = act

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(*(event(f"{n}", "abcde"[n % 5]) for n in range(20)))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    orders: dict[str, list[int]] = defaultdict(list)
    for _, number, one in target.tries:
        orders[one.source].append(number)
    assert all(order == sorted(order) for order in orders.values())
    assert target.most == 3
    assert project.clock.elapsed == pytest.approx(7, abs=0.1)  # 20 of a second each, 3 at a time


def test_a_target_that_takes_many_gets_them_in_the_order_of_the_board() -> None:
    project = Project(routing(route()))
    target = project.targets["r"]
    target.at_most = 100

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(*(event(f"{n}", "ab"[n % 2]) for n in range(250)))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    for number in range(0, 250, 100):
        batch = [n for _, n, _ in target.tries][number : number + 100]
        assert batch == sorted(batch)
    assert len(target.has) == 250


@pytest.mark.parametrize(
    ("ordered", "at_most", "got"),
    [
        (False, 1, ["d", "b", "c", "a"]),
        (False, 9, ["b", "c", "d", "a"]),
        (True, 1, ["d", "a", "b", "c"]),
        (True, 9, ["d", "a", "b", "c"]),
    ],
)
def test_one_that_is_tried_again_steps_aside_unless_the_route_is_ordered(
    ordered: bool, at_most: int, got: list[str]
) -> None:
    project = Project(routing(route(ordered=ordered, at_once=1)))
    target = project.targets["r"]

    async def act(_number: int, one: Published) -> Failure | None:
        return refused() if one.id == "a" and len(target.tries) < 3 else None

    target._act, target.at_most = act, at_most

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(event("a"), event("b"), event("c"), event("d", "other"))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert target.has == got


def test_an_ordered_route_still_waits_for_the_one_that_failed_after_a_restart() -> None:
    project = Project(routing(route(ordered=True)))
    target = project.targets["r"]

    async def act(_number: int, one: Published) -> Failure | None:
        return refused() if one.id == "a" and len(target.tries) == 1 else None

    target._act = act

    async def work() -> None:
        async with project.delivering():
            await project.bus.publish(event("a"), event("b"))
            await asyncio.sleep(0.1)
        async with project.delivering() as dispatcher:
            await project.bus.publish(event("c"), event("d", "other"))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert target.has == ["d", "a", "b", "c"]


# ---- tries


@pytest.mark.parametrize(
    ("policy", "moments"),
    [
        (Retry(max_retries=3, initial_delay=1_000), [0, 1, 3, 7]),
        (Retry(max_retries=3, initial_delay=1_000, jitter="full"), [0, 0.5, 1.5, 3.5]),
        (Retry(max_retries=2, initial_delay=500, strategy="fixed"), [0, 0.5, 1]),
        (Retry(max_retries=3, initial_delay=1_000, retry_on=("timeout",)), [0]),
        (Retry(), [0]),
    ],
)
def test_tries_come_at_the_moments_of_the_policy_and_then_it_is_a_dead_letter(
    policy: Retry, moments: list[float]
) -> None:
    project = Project(routing(route(retry=policy)))
    target = project.targets["r"]

    async def act(_number: int, _event: Published) -> Failure:
        return refused("never")

    target._act = act

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(event("a"))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert [moment for moment, _, _ in target.tries] == pytest.approx(moments, abs=0.01)
    [record] = project.records("r")
    assert (record.state, record.tries, record.error) == ("dead", len(moments), "RefusedError: never")


async def _raises(_number: int, _event: Published) -> None:
    raise ZeroDivisionError("by nothing")


async def _waits_for_what_is_cancelled(_number: int, _event: Published) -> None:
    inner = asyncio.get_running_loop().create_future()
    inner.cancel("inside")
    await inner


async def _asks_for_time(_number: int, _event: Published) -> Failure:
    return refused(retryAfter=5_000)


async def _is_final(_number: int, _event: Published) -> Failure:
    return refused("gone", retryable=False)


async def _hangs(_number: int, _event: Published) -> None:
    await asyncio.sleep(FAR)


@pytest.mark.parametrize(
    ("act", "moments", "error"),
    [
        (_raises, [0, 1], "ZeroDivisionError: by nothing"),
        (_waits_for_what_is_cancelled, [0, 1], "CancelledError: inside"),
        (_asks_for_time, [0, 5], "RefusedError: no"),
        (_is_final, [0], "RefusedError: gone"),
        (_hangs, [0, 3], "StepTimeoutError: it took longer than 2.0s"),
    ],
)
def test_whatever_a_target_does_is_a_failed_try(act: Any, moments: list[float], error: str) -> None:
    project = Project(routing(route(retry=Retry(max_retries=1, initial_delay=1_000), timeout=2_000)))
    target = project.targets["r"]
    target._act = act

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(event("a"))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert [moment for moment, _, _ in target.tries] == pytest.approx(moments, abs=0.01)
    assert [(one.state, one.error) for one in project.records("r")] == [("dead", error)]


class SetBack:
    """A clock that shows an earlier time than the one before."""

    def __init__(self, clock: VirtualClock, ms: int) -> None:
        self._clock, self._ms = clock, ms

    def now(self) -> int:
        return self._clock.now() - self._ms

    def monotonic(self) -> float:
        return self._clock.monotonic()


@pytest.mark.parametrize(("back", "moment"), [(0, 8), (3_600_000, 13), (-3_600_000, 5)])
def test_after_a_restart_a_try_comes_when_it_is_due_and_never_later_than_its_delay(
    back: int, moment: float
) -> None:
    project = Project(routing(route(retry=Retry(max_retries=1, initial_delay=8_000))))
    target = project.targets["r"]
    target._act = _raises

    async def work() -> None:
        async with project.delivering():
            await project.bus.publish(event("a"), event("b"))
            await asyncio.sleep(5)
        async with project.delivering(clock=SetBack(project.clock, back)) as dispatcher:
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert [at for at, _, _ in target.tries] == pytest.approx([0, 0, moment, moment], abs=0.01)
    assert set(project.states("r").values()) == {"dead"}


# ---- nobody stands in the way of others


def test_a_route_that_hangs_delays_no_other() -> None:
    project = Project(routing(route("hangs", timeout=60_000), route("goes")))
    project.targets["hangs"]._act = _hangs

    async def work() -> None:
        async with project.delivering() as dispatcher:
            for number in range(200):
                await project.bus.publish(event(f"{number}", f"{number % 7}"))
                await asyncio.sleep(0.01)
            assert project.targets["goes"].has == [f"{number}" for number in range(200)]
            hangs, goes = dispatcher.progress()
            assert (hangs.delivered, hangs.waiting, goes.delivered, goes.behind) == (0, 200, 200, 0)
            assert goes.p99 < 1
            assert not await dispatcher.drain(1)

    project.clock.run(work)


def test_a_reader_moves_on_when_a_slow_target_is_done_though_nothing_new_is_published() -> None:
    project = Project(routing(route()))

    async def act(_number: int, _event: Published) -> None:
        await asyncio.sleep(5)

    project.targets["r"]._act = act

    async def work() -> None:
        async with project.delivering():
            await project.bus.publish(event("0"))
            await asyncio.sleep(5.5)
            assert project.deliveries.readers() == {"route:r": 0}
            await asyncio.sleep(1)
            assert project.deliveries.readers() == {"route:r": 1}

    project.clock.run(work)


def test_what_does_not_fit_into_the_window_waits_on_the_board() -> None:
    project = Project(routing(route(at_once=2), route("other")))
    target = project.targets["r"]
    most = 0

    async def work() -> None:
        nonlocal most
        async with project.delivering() as dispatcher:

            async def act(_number: int, _event: Published) -> None:
                nonlocal most
                most = max(most, dispatcher.progress()[0].waiting)
                await asyncio.sleep(0.01)

            target._act = act
            for begin in range(0, 5_000, 500):
                await project.bus.publish(*(event(f"{begin + n}", f"{n % 3}") for n in range(500)))
            first, second = dispatcher.progress()
            assert first.behind >= 5_000 - WINDOW > 0
            assert second.behind <= 500
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert most == WINDOW
    assert Counter(target.has) == Counter(str(n) for n in range(5_000))
    assert [n for _, n, one in target.tries if one.source == "1"] == sorted(
        n for _, n, one in target.tries if one.source == "1"
    )


def test_poison_and_a_flaky_target_lose_nothing_and_delay_nobody() -> None:
    chance = random.Random(3)
    project = Project(routing(route("flaky", at_once=8), route("sure")))
    poison = {f"{n}" for n in chance.sample(range(10_000), 100)}
    late: list[float] = []
    published: dict[str, float] = {}

    async def act(_number: int, one: Published) -> Failure | None:
        if one.id not in tried:
            tried.add(one.id)
            late.append(project.clock.monotonic() - published[one.id])
        await asyncio.sleep(0.001)
        return refused() if one.id in poison or chance.random() < 0.02 else None

    tried: set[str] = set()
    flaky = project.targets["flaky"]
    flaky._act = act

    async def work() -> None:
        async with project.delivering() as dispatcher:
            for begin in range(0, 10_000, 20):  # 2,000 a second
                now = project.clock.monotonic()
                published.update({f"{n}": now for n in range(begin, begin + 20)})
                await project.bus.publish(*(event(f"{begin + n}", f"s{n}") for n in range(20)))
                await asyncio.sleep(0.01)
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert Counter(flaky.has) == Counter({f"{n}" for n in range(10_000)} - poison)
    assert Counter(project.states("flaky").values()) == {"delivered": 9_900, "dead": 100}
    assert len(project.targets["sure"].has) == 10_000
    late.sort()
    assert late[-1] < 0.01


def test_whatever_moment_the_process_dies_at_nothing_is_lost() -> None:
    chance = random.Random(7)
    project = Project(routing(route(at_once=4, retry=Retry(max_retries=2, initial_delay=40)), route("two")))
    poison = {f"{n}" for n in range(0, 3_000, 100)}

    async def act(_number: int, one: Published) -> Failure | None:
        await asyncio.sleep(chance.choice([0, 0, 0.001, 0.005]))
        return refused() if one.id in poison or chance.random() < 0.05 else None

    target = project.targets["r"]
    target._act = act
    lives = 0

    async def publish() -> None:
        # Another process does, as this one dies again and again.
        for begin in range(0, 3_000, 10):
            project.board.publish(*(event(f"{begin + n}", f"s{n % 5}") for n in range(10)))
            await asyncio.sleep(0.005)

    async def live() -> None:
        nonlocal lives
        lives += 1
        async with project.delivering():
            await asyncio.sleep(chance.uniform(0.01, 0.2))
            project.fails("the process is dead")

    async def work() -> None:
        async with project.delivering():
            pass
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(publish())
            while not publishing.done():
                with pytest.raises(ExceptionGroup):
                    await live()
        async with project.delivering() as dispatcher:
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert lives > 10
    given = set(target.has)
    states = Counter(project.states("r").values())
    dead = {project.board.numbered(n).id for n, state in project.states("r").items() if state == "dead"}
    assert given | dead == {f"{n}" for n in range(3_000)}
    assert poison <= dead
    assert not poison & given
    assert states["delivered"] + states["dead"] == 3_000
    assert len(target.has) < len(given) + lives * 120
    assert set(project.targets["two"].has) == {f"{n}" for n in range(3_000)}
    assert project.deliveries.readers() == {"route:r": 3_000, "route:two": 3_000}
    assert project.deliveries.careless == []


# ---- restarts, readers, scopes


def test_a_new_route_begins_at_the_end_and_one_that_is_gone_keeps_its_place() -> None:
    project = Project(routing(route("old")))
    project.board.publish(event("before"))
    both = routing(route("old"), route("new"))

    async def work() -> None:
        async with project.delivering():
            await project.bus.publish(event("first"))
        async with project.delivering(routing=routing()):
            await project.bus.publish(event("meanwhile"))
        project.targets["new"] = type(project.targets["old"])(project.clock)
        async with project.delivering(routing=both) as dispatcher:
            await project.bus.publish(event("last"))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert project.targets["old"].has == ["first", "meanwhile", "last"]
    assert project.targets["new"].has == ["last"]
    assert project.deliveries.readers() == {"route:new": 4, "route:old": 4}


def test_the_routes_of_a_run_have_names_of_their_own_and_get_only_its_events() -> None:
    project = Project(routing(route("r")))
    project.board.publish(event("begun", "run:1"))
    scope = Scope(name="run:1/", only=lambda one: one.source == "run:1", begin=0)

    async def work() -> None:
        async with project.delivering(scope=scope) as dispatcher:
            await project.bus.publish(event("x", "run:2"), event("ended", "run:1"))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert project.targets["r"].has == ["begun", "ended"]
    assert [one.event for one in project.records("run:1/r")] == [1, 3]
    assert project.deliveries.readers() == {"run:1/route:r": 3}


def test_a_target_that_cannot_be_used_leaves_its_events_on_the_board() -> None:
    project = Project(routing(route("r"), route("other")))
    kept = project.targets.pop("r")

    class Absent(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            raise UsageError(f"there is no {name}")

    targets = project.targets
    project.targets = Absent(targets)

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(event("a"), event("b"))
            assert not await dispatcher.drain(5)
            assert [one.trouble for one in dispatcher.progress()] == ["there is no r", ""]
        project.targets = {**targets, "r": kept}
        async with project.delivering() as dispatcher:
            assert await dispatcher.drain(5)

    project.clock.run(work)
    assert kept.has == project.targets["other"].has == ["a", "b"]


def test_while_the_store_fails_nothing_is_begun_and_afterwards_nothing_is_missing() -> None:
    project = Project(routing(route("r", retry=Retry(max_retries=1, initial_delay=3_000))))
    target = project.targets["r"]

    async def act(_number: int, one: Published) -> Failure | None:
        return refused() if one.id == "again" and len(target.tries) == 1 else None

    target._act = act

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(event("again"))
            await asyncio.sleep(0.5)
            project.fails("the disk is full")
            await project.bus.publish(event("a"), event("a2"))
            await asyncio.sleep(0.5)
            await project.bus.publish(event("b"))
            await asyncio.sleep(0.5)
            assert target.has == ["a", "a2"]
            assert dispatcher.progress()[0].trouble == "the disk is full"
            project.fails("")
            await asyncio.sleep(1)
            assert target.has == ["a", "a2", "b"]
            project.fails("the disk is full")  # and so the one that is due now cannot be read
            await asyncio.sleep(10)
            assert dispatcher.progress()[0].trouble == "the disk is full"
            project.fails("")
            assert await dispatcher.drain(FAR)
            assert dispatcher.progress()[0].trouble == ""

    project.clock.run(work)
    assert target.has == ["a", "a2", "b", "again"]
    assert set(project.states("r").values()) == {"delivered"}


def test_while_too_many_are_to_be_tried_again_nothing_new_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "MOST_RETRYING", 10)
    project = Project(routing(route("r", at_once=1, retry=Retry(max_retries=9, initial_delay=60_000))))
    target = project.targets["r"]
    target._act = _raises

    async def work() -> None:
        async with project.delivering() as dispatcher:
            for number in range(30):
                await project.bus.publish(event(f"{number}"))
                await asyncio.sleep(0.1)
            assert (dispatcher.progress()[0].retrying, dispatcher.progress()[0].behind) == (10, 20)
            target._act = None
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert Counter(target.has) == Counter(f"{number}" for number in range(30))


def test_draining_does_not_wait_for_tries_that_are_due_later() -> None:
    project = Project(routing(route(retry=Retry(max_retries=1, initial_delay=10_000))))
    project.targets["r"]._act = _raises

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(event("a"))
            assert not await dispatcher.drain(5)

    project.clock.run(work)
    assert project.clock.elapsed < 1
    assert project.states("r") == {1: "retrying"}


# ---- dead letters


def test_dead_letters_are_delivered_again_while_somebody_delivers_and_by_whoever_comes_next() -> None:
    project = Project(routing(route(retry=Retry(), match={"type": "it.*"})))
    target = project.targets["r"]
    target._act = _raises

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(event("a"), event("b"), event("c"))
            assert await dispatcher.drain(FAR)
            first, second, third = project.records("r")
            target._act = None
            replay(project.deliveries, [first], project.clock.now())
            await asyncio.sleep(1)
            assert target.has == ["a"]
            assert await dispatcher.drain(FAR)
        drop(project.deliveries, [second], project.clock.now())
        replay(project.deliveries, [third], project.clock.now())
        # It is told of what it finds in the store anyhow.
        async with project.delivering(after=3) as dispatcher:
            assert project.bus.look()
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert target.has == ["a", "c"]
    assert project.states("r") == {1: "delivered", 2: "dropped", 3: "delivered"}


def test_an_event_that_is_not_meant_any_more_is_not_delivered_again() -> None:
    project = Project(routing(route()))
    project.targets["r"]._act = _raises
    drops = Filter(id="none", rule="drop", match=Match(type="*"))

    async def work() -> None:
        async with project.delivering():
            await project.bus.publish(event("a"))
            await asyncio.sleep(0.1)
        async with project.delivering(routing=routing(route(), filters=(drops,))) as dispatcher:
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert project.states("r") == {1: "dropped"}


def test_the_oldest_dead_letters_make_room_and_somebody_is_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (letters, ledger):
        monkeypatch.setattr(module, "MOST_DEAD", 10)
    project = Project(routing(route(retry=Retry(), match={"type": "it.happened"})))
    project.targets["r"]._act = _raises

    async def work() -> None:
        async with project.delivering() as dispatcher:
            for number in range(25):
                await project.bus.publish(event(f"{number}"))
                await asyncio.sleep(0.1)
            assert (dispatcher.progress()[0].dead, dispatcher.progress()[0].dropped) == (25, 15)

    project.clock.run(work)
    states = project.states("r")
    assert [number for number, state in states.items() if state == "dead"] == sorted(states)[-10:]
    [warning] = [one for _, one in project.board.following(0) if one.type == FULL]
    assert warning.data == {"route": "r", "dropped": 1, "kept": 10}


def test_an_ordered_route_goes_on_though_its_window_is_full_of_those_that_wait() -> None:
    project = Project(routing(route("r", ordered=True)))
    count = WINDOW + 5
    calls = Counter[int]()

    async def once(number: int, _event: Published) -> Failure | None:
        calls[number] += 1
        return Failure(type="Down", message="down") if number == 1 and calls[1] == 1 else None

    project.targets["r"]._act = once

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(event("0"))
            await asyncio.sleep(0.1)
            await project.bus.publish(*(event(f"{number}") for number in range(1, count)))
            assert await dispatcher.drain(60)

    project.clock.run(work)
    assert project.targets["r"].has == [f"{number}" for number in range(count)]


class Prompt:
    """A target that takes many, and waits for nothing. The first call of all fails."""

    at_most = 100

    def __init__(self, calls: list[tuple[str, int]], name: str, error: type[BaseException]) -> None:
        self._calls, self._name, self._error = calls, name, error
        self.has: list[str] = []

    def send(self, events: Sequence[tuple[int, Published]]) -> list[Failure | None]:
        self._calls.append((self._name, len(events)))
        if len(self._calls) == 1:
            raise self._error("not yet")
        self.has += [one.id for _, one in events]
        return [None] * len(events)


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
def test_targets_that_wait_for_nothing_take_turns_and_what_they_raise_is_a_failed_try(
    error: type[BaseException],
) -> None:
    project = Project(routing(route("one"), route("two")))
    calls: list[tuple[str, int]] = []
    one, two = Prompt(calls, "one", error), Prompt(calls, "two", error)
    targets: dict[str, Any] = {"one": one, "two": two}
    project.targets = targets

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(*(event(f"{n}", f"s{n}") for n in range(250)))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    first = [("one", 100), ("two", 100)] * 2 + [("one", 50), ("two", 50)]
    assert calls == [*first, ("one", 100)]
    assert two.has == [f"{n}" for n in range(250)]
    assert one.has == [f"{n}" for n in [*range(100, 250), *range(100)]]
    assert {record.tries for record in project.records("one")} == {1, 2}


class Far(Target):
    """A target that may have an event only some seconds later."""

    seconds = 60.0

    async def until_sure(self, number: int) -> None:
        await asyncio.sleep(self.seconds)


def test_to_wait_until_an_event_may_leave_the_machine_is_no_part_of_a_try() -> None:
    project = Project(routing(route("far", timeout=1_000), route("near")))
    far = project.targets["far"] = Far(project.clock)

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(event("a"), event("b"))
            await asyncio.sleep(30)
            assert (far.has, project.targets["near"].has) == ([], ["a", "b"])
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert far.has == ["a", "b"]  # of one source, so one after the other
    assert [record.tries for record in project.records("far")] == [1, 1]
    assert [moment for moment, _, _ in far.tries] == pytest.approx([60.0, 120.0])


def test_what_waits_to_leave_the_machine_when_the_process_ends_counts_as_not_tried() -> None:
    project = Project(routing(route("far")))
    far = project.targets["far"] = Far(project.clock)

    async def leave() -> None:
        async with project.delivering():
            await project.bus.publish(event("a"))
            await asyncio.sleep(30)

    async def deliver() -> None:
        async with project.delivering() as dispatcher:
            assert await dispatcher.drain(FAR)

    project.clock.run(leave)
    assert not project.records("far")
    project.clock.run(deliver)
    assert far.has == ["a"]


def test_many_records_are_written_in_portions() -> None:
    project = Project(routing(*(route(f"{n}") for n in range(10))))
    for target in project.targets.values():
        target.at_most = 100
    sizes: list[int] = []

    def settle(readers: Any, deliveries: Any = (), events: Any = (), *, durable: bool = True) -> None:
        sizes.append(len(deliveries))
        inner(readers, deliveries, events, durable=durable)

    inner, project.deliveries.settle = project.deliveries.settle, settle

    async def work() -> None:
        async with project.delivering() as dispatcher:
            await project.bus.publish(*(event(f"{n}", f"s{n % 7}") for n in range(100)))
            assert await dispatcher.drain(FAR)

    project.clock.run(work)
    assert sum(sizes) == 1_000
    assert max(sizes) == 100
