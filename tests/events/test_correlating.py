"""Rules read the board: what belongs together is told once, and followed once, whatever dies. On virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_cli.errors import QueueFullError, UsageError
from mplp_cli.events import recalling
from mplp_cli.events.bus import Bus
from mplp_cli.events.correlating import FAILED, Correlating
from mplp_cli.events.recalling import FOUND
from mplp_cli.events.rule_lane import SLACK
from mplp_cli.protocols import RunRecord
from mplp_cli.store.memory import MemoryStore
from mplp_cli.workflow.events.routes import Match
from mplp_cli.workflow.events.rules import CorrelationRule, EmitAction, StartAction
from mplp_cli.workflow.published import Cause, Published, enriched
from tests.virtual import VirtualClock

BEGIN = 1_700_000_000_000


class Killed(BaseException):
    """The process dies."""


class House:
    """A store, and processes that correlate what is on its board; `dies` is asked at each write."""

    def __init__(self, *rules: CorrelationRule) -> None:
        self.clock = VirtualClock(BEGIN)
        self.store = MemoryStore(self.clock)
        self.board, self.deliveries = self.store.board, self
        self.rules = rules
        self.runs: dict[str, Cause] = {}
        self.inputs: list[Mapping[str, Any]] = []
        self.refuse: Callable[[], None] = lambda: None
        self.dies: Callable[[], None] = lambda: None
        self.serve(0)

    # the store

    def find_runs(self, name: str) -> list[RunRecord]:
        if name not in self.runs:
            return []
        return [
            RunRecord(
                id=name, workflow_id="w", name="", status="running", epoch=1, owner="", created_at=0,
                ended_at=None, owned=True, cause=self.runs[name],
            )
        ]  # fmt: skip

    def readers(self) -> dict[str, int]:
        return self.store.deliveries.readers()

    def settle(self, *what: Any, **how: Any) -> None:
        self.dies()
        self.store.deliveries.settle(*what, **how)
        self.dies()

    async def start(self, file: str, inputs: Mapping[str, Any], run_id: str, cause: Cause) -> None:
        self.refuse()
        if run_id not in self.runs:
            self.inputs.append(inputs)
        self.runs[run_id] = cause
        self.dies()

    # processes

    def emit(self, name: str, kind: str = "a", at: int | None = None, source: str = "s", **data: Any) -> None:
        now = self.clock.now()
        event = Published(id=name, type=kind, source=source, at=now if at is None else BEGIN + at, data=data)
        self.board.publish(enriched(event, now))

    def serve(self, seconds: float, *moments: tuple[float, Callable[[], None]]) -> None:
        """Correlate for so long, in a process that has nothing but what is stored; if it dies, in the next one. Do
        what stands at moments meanwhile (seconds from now)."""
        begin = self.clock.monotonic()
        rest = [(begin + after, what) for after, what in moments]
        while True:
            try:
                self.clock.run(lambda: self._process(begin + seconds, rest))
            except (Killed, BaseExceptionGroup) as error:
                if isinstance(error, BaseExceptionGroup) and not error.split(Killed)[0]:
                    raise
                continue
            return

    async def _process(self, end: float, rest: list[tuple[float, Callable[[], None]]]) -> None:
        bus = Bus(self.board, self.board.last())
        self.correlating = Correlating(self.rules, self, bus, self.clock, self.start)  # type: ignore[arg-type]
        with suppress(TimeoutError):
            async with asyncio.timeout(max(end - self.clock.monotonic(), 0)), asyncio.TaskGroup() as tasks:
                tasks.create_task(bus.listen())
                tasks.create_task(self.correlating.work())
                while rest:
                    await asyncio.sleep(max(rest[0][0] - self.clock.monotonic(), 0))
                    rest.pop(0)[1]()

    # what came of it

    def of(self, kind: str) -> list[Published]:
        return [event for _, event in self.board.newest(10_000) if event.type == kind]

    def found(self) -> list[list[str]]:
        return [event.data["events"] for event in self.of(FOUND)]


def rule(kind: str = "frequency", *types: str, window: int = 10_000, **more: Any) -> CorrelationRule:
    matches = tuple(Match(type=name) for name in types or ("a",))
    more.setdefault("minimum_events", 2 if kind == "frequency" else len(matches))
    return CorrelationRule(id=more.pop("id", "r"), type=kind, events=matches, window=window, **more)  # type: ignore[arg-type]


ACTIONS = (
    EmitAction(type="alarm", data={"who": "${correlation.key}", "ids": "${correlation.events}"}),
    StartAction(file="/w.yaml", inputs={"n": "${correlation.events | length}"}),
)


def test_what_belongs_together_is_told_and_its_actions_follow() -> None:
    house = House(rule(key="${event.data.user}", actions=ACTIONS))
    for name, user in (("1", "eve"), ("2", "bob"), ("3", "eve")):
        house.emit(name, user=user)
    house.serve(1)
    (found,) = house.of(FOUND)
    assert found.source == "mplp/rule/r"
    assert found.id == found.data["id"]
    assert found.data["events"] == ["1", "3"]
    assert found.more == {"correlationid": "3", "mplpdepth": 1}
    (alarm,) = house.of("alarm")
    assert alarm.data == {"who": "eve", "ids": ["1", "3"]}
    assert [*house.runs.values()] == [Cause(by="rule:r", event=found.id)]
    assert house.inputs == [{"n": 2}]
    assert house.readers()["rule:r"] == house.board.last()


def test_what_does_not_follow_is_told_when_its_time_is_over_and_no_sooner() -> None:
    house = House(rule("absence", "begun", "ended", window=5_000, lateness=1_000))
    told: list[int] = []
    house.serve(
        12,
        (1.0, lambda: house.emit("1", "begun")),
        (2.8, lambda: house.emit("2", "begun")),
        (3.0, lambda: house.emit("3", "ended", at=1_500)),  # too late
        (7.0 + SLACK / 1000, lambda: told.append(len(house.found()))),
        (7.6, lambda: told.append(len(house.found()))),
        (7.7, lambda: house.emit("4", "ended", at=6_900)),
        (9.0, lambda: told.append(len(house.found()))),
    )
    assert told == [0, 1, 1]
    assert house.found() == [["1"]]
    assert house.of(FOUND)[0].data["timestamp"] == BEGIN + 6_000


def test_what_became_of_events_is_counted_once_and_not_again_by_the_next_process() -> None:
    house = House(rule(key="${event.data.user}", window=5_000, minimum_events=3))
    house.emit("0", user="eve")
    house.serve(
        10,
        (8.0, lambda: house.emit("late", at=1_000, user="eve")),
        (8.1, lambda: house.emit("refused")),
        (8.2, lambda: house.emit("1", user="eve")),
    )
    assert house.correlating.take_counts() == {"r": Counter(counted=2, late=1, refused=1)}
    assert house.correlating.take_counts() == {"r": Counter()}
    house.serve(10, (9.0, lambda: house.emit("2", user="eve")))
    assert house.correlating.take_counts() == {"r": Counter(counted=1)}


@pytest.mark.parametrize("kind", ["frequency", "sequence", "join", "absence"])
@given(data=st.data())
@settings(max_examples=40)
def test_processes_that_die_at_any_moment_tell_the_same_and_act_once(kind: str, data: st.DataObject) -> None:
    types = ("a",) if kind == "frequency" else ("a", "b")
    lateness = data.draw(st.sampled_from([0, 3_000]))
    declared = rule(kind, *types, window=5_000, key="${event.data.key}", lateness=lateness, actions=ACTIONS)
    steps = data.draw(
        st.lists(
            st.tuples(st.integers(0, 4), st.sampled_from("ab"), st.sampled_from("kl"), st.integers(0, 6)),
            max_size=9,
        )
    )
    deaths = data.draw(st.lists(st.integers(1, 6), max_size=5))
    restarts = data.draw(st.lists(st.integers(0, 30), max_size=4, unique=True))
    house, calm = House(declared), House(declared)
    moments, at = [], 0
    for number, (gap, letter, key, behind) in enumerate(steps):
        at += gap
        moments.append((at, f"e{number}", letter, max(at - behind, 0) * 1000, key))

    def acts(one: House) -> list[tuple[float, Callable[[], None]]]:
        return [
            (second + 0.001, lambda n=name, t=letter, m=ms, k=key: one.emit(n, t, m, key=k))  # type: ignore[misc]
            for second, name, letter, ms, key in moments
        ]

    calm.serve(60, *acts(calm))

    def dies() -> None:
        if deaths:
            deaths[0] -= 1
            if not deaths[0]:
                del deaths[0]
                raise Killed

    def stops() -> None:
        raise Killed

    house.dies = dies
    house.serve(
        60, *sorted([*acts(house), *((one + 0.5, stops) for one in restarts)], key=lambda one: one[0])
    )
    assert sorted(house.found()) == sorted(calm.found())
    for name in (FOUND, "alarm"):
        assert {one.id for one in house.of(name)} == {one.id for one in calm.of(name)}
        assert max(Counter(one.id for one in house.of(name)).values(), default=1) == 1
    assert house.runs == calm.runs


def test_what_a_rule_holds_is_read_back_however_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalling, "BACK", 2)
    house = House(rule(window=100_000, minimum_events=3))
    house.emit("1")
    for number in range(2_500):
        house.emit(f"other-{number}", "other")
    house.serve(20)
    house.emit("2")
    house.serve(20)
    house.serve(1, (0.5, lambda: house.emit("3")))
    assert house.found() == [["1", "2", "3"]]


def test_a_rule_does_not_hear_itself_and_rules_that_feed_each_other_come_to_an_end() -> None:
    both = [
        CorrelationRule(id=name, type="frequency", events=(Match(source=source),), window=60_000)
        for name, source in (("one", "*"), ("two", "mplp/rule/*"))
    ]
    alone = House(both[0])
    alone.emit("1")
    alone.serve(5)
    assert alone.found() == [["1"]]
    house = House(*both)
    house.emit("1")
    house.serve(60)
    depths = [event.more["mplpdepth"] for _, event in house.board.following(0) if "mplpdepth" in event.more]
    assert depths == [*range(1, 18)]
    assert [event.data["error"]["type"] for event in house.of(FAILED)] == ["EndlessRulesError"]


def test_runs_that_a_rule_starts_and_that_feed_it_come_to_an_end() -> None:
    house = House(rule("frequency", "run.completed", minimum_events=1, actions=ACTIONS[1:]))
    house.emit("first", "run.completed")
    known: set[str] = set()

    def finish() -> None:
        for name in [*house.runs]:
            if name not in known:
                known.add(name)
                house.emit(f"done-{name}", "run.completed", source=f"mplp/w/{name}", runId=name)

    house.serve(60, *((float(second), finish) for second in range(1, 50)))
    assert len(house.runs) == 8, "a rule and a run are two steps"
    (failed,) = house.of(FAILED)
    assert failed.data["error"]["type"] == "EndlessRulesError"


def test_an_action_that_cannot_be_carried_out_is_told_and_stops_nothing() -> None:
    broken = EmitAction(type="never", data="${correlation.nothing}")
    house = House(rule(minimum_events=1, actions=(broken, *ACTIONS)))

    def refuse() -> None:
        raise UsageError("there is no such file")

    house.refuse = refuse
    house.emit("1")
    house.serve(1)
    assert [(one.data["action"], one.data["error"]["type"]) for one in house.of(FAILED)] == [
        (1, "InputError"),
        (3, "UsageError"),
    ]
    assert len(house.of("alarm")) == 1


def test_an_action_that_finds_no_room_is_tried_again() -> None:
    house = House(rule(minimum_events=1, actions=ACTIONS))
    tries = []

    def refuse() -> None:
        tries.append(1)
        if len(tries) < 10:
            raise QueueFullError("full")

    house.refuse = refuse
    house.emit("1")
    house.serve(0.5)
    assert house.of(FOUND) == []
    house.serve(5)
    assert (len(house.of(FOUND)), len(house.runs), len(tries)) == (1, 1, 10)


def test_what_is_published_while_a_process_gets_ready_is_not_passed_over() -> None:
    house = House(rule())

    async def work() -> None:
        bus = Bus(house.board, house.board.last())
        correlating = Correlating(house.rules, house, bus, house.clock, house.start)  # type: ignore[arg-type]
        house.emit("1")
        bus.look()  # others hear of it before the rule subscribes
        with suppress(TimeoutError):
            async with asyncio.timeout(1), asyncio.TaskGroup() as tasks:
                tasks.create_task(bus.listen())
                tasks.create_task(correlating.work())
                await asyncio.sleep(0.1)
                house.emit("2")

    house.clock.run(work)
    assert house.found() == [["1", "2"]]
