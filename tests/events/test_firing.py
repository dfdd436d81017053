"""Triggers start runs for events: each one run, in order, whatever dies, and as their overlap says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mplp_cli.errors import InputError, QueueFullError, RunExistsError
from mplp_cli.events.bus import Bus
from mplp_cli.events.firing import Armed, Firing
from mplp_cli.protocols import Control, RunRecord
from mplp_cli.store.memory import MemoryStore
from mplp_cli.workflow.events.routes import Match
from mplp_cli.workflow.events.triggers import CronTrigger, EventTrigger, Overlap, Trigger, WebhookTrigger
from mplp_cli.workflow.published import Cause, Published
from tests.virtual import VirtualClock


class Killed(BaseException):
    """The process dies."""


class House:
    """A store with a board, runs that end when they are told to, and processes that fire triggers."""

    def __init__(self, *triggers: Trigger) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore(self.clock)
        self.board, self.deliveries = self.store.board, self.store.deliveries
        self.triggers = triggers
        self.records: dict[str, RunRecord] = {}
        self.inputs: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.refuse: Callable[[Mapping[str, Any]], None] = lambda inputs: None
        self.dies: Callable[[], None] = lambda: None
        self.serve(0)

    # what a store is asked

    def find_runs(self, name: str) -> list[RunRecord]:
        return [self.records[name]] if name in self.records else []

    def runs(self, *, status: str, **_: Any) -> list[RunRecord]:
        return [one for one in self.records.values() if one.status == status]

    def request(self, run_id: str, control: Control) -> None:
        self.asked.append(f"{control.verb} {self.records[run_id].cause.event}")  # type: ignore[union-attr]

    # what a fleet does

    def start(self, workflow: str, inputs: Mapping[str, Any], cause: Cause, run_id: str) -> str:
        self.dies()
        self.refuse(inputs)
        if run_id not in self.records:
            self.inputs.append(dict(inputs))
            self.records[run_id] = RunRecord(
                id=run_id, workflow_id=workflow, name="", status="running", epoch=1, owner="", created_at=0,
                ended_at=None, owned=True, cause=cause,
            )  # fmt: skip
        self.dies()
        return run_id

    def end(self, status: str = "completed") -> None:
        self.records = {name: replace(one, status=status) for name, one in self.records.items()}

    def started(self) -> list[str]:
        return [one.cause.event for one in self.records.values() if one.cause is not None]

    # processes

    def emit(self, *names: str, type: str = "ping", data: Any = None, source: str = "me") -> None:
        for name in names:
            self.board.publish(Published(id=name, type=type, source=source, at=0, data=data))

    def serve(self, seconds: float, then: Callable[[], None] = lambda: None) -> None:
        """Fire for a while, in a process that has nothing but what is stored; if it dies, in the next one."""

        async def work() -> None:
            bus = Bus(self.board, self.board.last())
            armed = [Armed("w", trigger) for trigger in self.triggers]
            firing = Firing(lambda: armed, self.start, self, bus, self.clock)  # type: ignore[arg-type]
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds), asyncio.TaskGroup() as tasks:
                    tasks.create_task(bus.listen())
                    tasks.create_task(firing.work())
                    then()

        while True:
            try:
                self.clock.run(work)
            except BaseException as error:
                if not isinstance(error, Killed) and not _holds(error):
                    raise
            else:
                return

    def told(self, kind: str) -> list[Any]:
        return [event.data for _, event in self.board.newest(1_000) if event.type == kind]


def _holds(error: BaseException) -> bool:
    return isinstance(error, BaseExceptionGroup) and error.subgroup(Killed) is not None


def pings(overlap: Overlap = "allow", **more: Any) -> EventTrigger:
    return EventTrigger(id="t", where=Match(type="ping"), overlap=overlap, **more)


@settings(max_examples=30)
@given(deaths=st.lists(st.integers(1, 12), max_size=4), events=st.integers(1, 8))
def test_each_event_starts_one_run_in_order_whenever_the_process_dies(deaths: list[int], events: int) -> None:
    house = House(pings(inputs={"n": "${event.id}"}))
    house.emit(*[f"e{i}" for i in range(events)])
    left = list(deaths)

    def die() -> None:
        if left:
            left[0] -= 1
            if left[0] == 0:
                left.pop(0)
                raise Killed

    house.dies = die
    settle = house.deliveries.settle

    def settle_or_die(*args: Any, **more: Any) -> None:
        die()
        settle(*args, **more)
        die()

    house.deliveries.settle = settle_or_die  # type: ignore[method-assign]
    house.serve(3)
    assert [one["n"] for one in house.inputs] == [f"e{i}" for i in range(events)]
    assert house.deliveries.readers()["trigger:w/t"] == house.board.last()


def test_what_was_published_before_a_trigger_was_served_starts_nothing_and_all_after_that_does() -> None:
    house = House()
    house.emit("before")
    house.triggers = (pings(),)
    house.serve(1)
    house.emit("stopped")
    house.serve(1, lambda: house.emit("live"))
    assert house.started() == ["stopped", "live"]


@pytest.mark.parametrize(
    ("overlap", "first", "later"),
    [
        ("allow", ["a", "b", "c"], ["a", "b", "c"]),
        ("skip", ["a"], ["a"]),
        ("queue", ["a"], ["a", "b"]),
        ("cancel", ["a"], ["a", "b"]),
    ],
)
def test_events_that_come_while_a_run_goes_on_do_as_the_overlap_says(
    overlap: Overlap, first: list[str], later: list[str]
) -> None:
    house = House(pings(overlap))
    house.emit("a", "b", "c")
    house.serve(1)
    assert house.started() == first
    house.end("cancelled" if overlap == "cancel" else "completed")
    house.serve(1)
    assert house.started() == later
    assert [one["event"] for one in house.told("trigger.skipped")] == (
        ["b", "c"] if overlap == "skip" else []
    )
    assert ("cancel a" in house.asked) is (overlap == "cancel")


def test_an_event_that_cannot_start_a_run_is_told_of_and_does_not_stop_the_next() -> None:
    def refuse(inputs: Mapping[str, Any]) -> None:
        if inputs["n"] == "no":
            raise InputError("input `n`: a whole number is wanted")
        if inputs["n"] == "bug":
            raise RuntimeError("what nobody thought of")

    house = House(pings(inputs={"n": "${event.data.n}"}))
    house.refuse = refuse
    for name, data in (("a", {"n": 1}), ("b", {"n": "no"}), ("c", {}), ("d", {"n": "bug"}), ("e", {"n": 2})):
        house.emit(name, data=data)
    house.serve(1)
    house.serve(1)
    assert house.started() == ["a", "e"]
    failed = {one["event"]: one["error"]["type"] for one in house.told("trigger.failed")}
    assert failed == {"b": "InputError", "c": "InputError", "d": "RuntimeError"}
    assert len(house.told("trigger.failed")) == 3


def test_a_full_queue_keeps_events_on_the_board_and_other_triggers_going() -> None:
    full = True

    def refuse(inputs: Mapping[str, Any]) -> None:
        if full and inputs.get("slow"):
            raise QueueFullError("as many wait as may")

    other = EventTrigger(id="o", where=Match(type="ping"))
    house = House(pings(inputs={"slow": True}), other)
    house.refuse = refuse
    house.emit("a", "b")
    house.serve(1)
    assert [one.cause.by for one in house.records.values() if one.cause] == ["trigger:o"] * 2
    assert house.deliveries.readers() == {"trigger:w/t": 0, "trigger:w/o": 2}
    full = False
    house.serve(1)
    assert house.started() == ["a", "b", "a", "b"]


def test_triggers_that_start_each_other_without_end_are_stopped_after_sixteen_runs() -> None:
    house = House(EventTrigger(id="t", where=Match(type="*")))
    start = house.start

    def emitting(workflow: str, inputs: Mapping[str, Any], cause: Cause, run_id: str) -> str:
        start(workflow, inputs, cause, run_id)
        house.emit(f"of {run_id}", source=f"mplp/w/{run_id}/step")
        return run_id

    house.start = emitting  # type: ignore[method-assign]
    house.emit("first")
    house.serve(20)
    assert len(house.records) == 16
    assert [one["error"]["type"] for one in house.told("trigger.failed")] == ["EndlessTriggersError"]


def test_ticks_and_requests_start_the_trigger_that_they_are_meant_for_alone() -> None:
    cron = CronTrigger(id="c", schedule="@daily")
    hook = WebhookTrigger(id="h", name="gh", secret="S")
    house = House(cron, hook, EventTrigger(id="e", where=Match(type="schedule.*", where="data.late < 10")))
    house.emit("tick", type="schedule.tick", source="mplp/trigger/w/c", data={"late": 5})
    house.emit("other", type="schedule.tick", source="mplp/trigger/w/x", data={"late": 50})
    house.emit("hook", type="webhook.received", source="mplp/hooks/gh")
    house.emit("forged", type="webhook.received", source="mplp/hooks/other")
    house.serve(1)
    started = {(one.cause.by, one.cause.event) for one in house.records.values() if one.cause}
    assert started == {("trigger:c", "tick"), ("trigger:e", "tick"), ("trigger:h", "hook")}


def test_a_trigger_with_thousands_of_events_before_it_reads_them_from_the_board() -> None:
    house = House(pings())
    events = [
        Published(id=f"e{i}", type="ping" if i % 2 else "pong", source="me", at=0) for i in range(3_000)
    ]
    house.board.publish(*events)
    house.serve(1)
    assert house.started() == [f"e{i}" for i in range(1, 3_000, 2)]


def test_a_run_that_another_process_has_started_just_now_is_no_failure() -> None:
    house = House(pings())

    def refuse(_inputs: Mapping[str, Any]) -> None:
        raise RunExistsError("it is there")

    house.refuse = refuse
    house.emit("1")
    house.serve(5)
    assert [event.type for _, event in house.board.newest(99)] == ["ping"]
    assert [*house.deliveries.readers().values()] == [house.board.last()]
