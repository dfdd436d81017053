"""Watching over alerts: one process at a time, each change told once, wherever the process is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from mplp_cli.errors import StoreError
from mplp_cli.observe.alerting import Watch, watch_alerts
from mplp_cli.observe.rehearsing import read_samples, rehearse
from mplp_cli.protocols import Store
from mplp_cli.store.memory import MemoryStore
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.alerting import Round
from mplp_cli.workflow.alerts import Alert, Silence
from mplp_cli.workflow.events.routes import Match
from mplp_cli.workflow.metrics import Sample
from mplp_cli.workflow.published import Published
from tests.virtual import VirtualClock

S = 1_000
DEAD = "mplp_dead_letters"
LETTERS = Alert(id="letters", metric=DEAD, above=3.0, clear_at=1.0, lasts=5 * S, clear_for=10 * S)
FAILED = Alert(
    id="failed",
    event=Match(type="step.failed", where="data.n > 0"),
    above=2.0,
    clear_at=1.0,
    window=20 * S,
    clear_for=0,
)
#: At each look: dead letters, and the events that come before it.
COURSE = [
    (0, 1),
    (4, 1),
    (4, 0),
    (5, 0),
    (0, 0),
    (1, 0),
    (1, 0),
    (4, 2),
    (2, 1),
    (4, 0),
    (0, 0),
    (0, 0),
    (0, 0),
]


class Killed(BaseException):
    """The process dies."""


class HandClock:
    """A clock that stands."""

    def __init__(self) -> None:
        self.at = 1_700_000_000_000

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return 0.0


class Mortal:
    """A store in which the process dies at one of its writes, before it or just after."""

    def __init__(self, inner: Store, dies: int) -> None:
        self._inner, self._dies, self.writes = inner, dies, 0
        self.alerts = self

    def settle(self, made: Round, tallies: Any = ()) -> None:
        self.writes += 1
        if self._dies == 2 * self.writes:
            raise Killed
        self._inner.alerts.settle(made, tallies)
        if self._dies == 2 * self.writes + 1:
            raise Killed

    def kept(self) -> Any:
        return self._inner.alerts.kept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.fixture(params=["memory", "sqlite"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    clock = HandClock()
    store: Store = MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path, clock)
    yield store
    store.close()


def course(store: Store, dies: int) -> list[str]:
    """What is told in a course in which the process dies once, and another begins in its place."""
    mortal, clock, number = Mortal(store, dies), HandClock(), 0
    watch = Watch([LETTERS, FAILED], mortal, clock)
    for letters, events in [(0, 0), *COURSE]:
        store.samples.add(
            Sample(source="serve:1", since=clock.at - 5 * S, at=clock.at, gauges={DEAD: {(): float(letters)}})
        )
        for _ in range(events):
            number += 1
            source = "x" if number % 2 else "mplp/alerts/x"
            store.board.publish(
                Published(id=f"e{number}", type="step.failed", source=source, at=clock.at, data={"n": 1}),
                Published(id=f"f{number}", type="step.failed", source="x", at=clock.at, data={"n": "?"}),
            )
        try:
            watch.look()
        except Killed:
            watch = Watch([LETTERS, FAILED], store, clock)
            watch.look()
        clock.at += 5 * S
    return [
        f"{event.data['id']} {event.type} {event.at - 1_700_000_000_000}"
        for _, event in store.board.newest(1_000)
        if event.type.startswith("alert.")
    ]


def test_each_change_is_told_once_wherever_the_process_is_lost() -> None:
    told = course(MemoryStore(HandClock()), 0)
    assert told == [
        "letters alert.firing 15000",
        "letters alert.resolved 35000",
        "failed alert.firing 45000",
        "letters alert.firing 50000",
        "failed alert.resolved 60000",
        "letters alert.resolved 65000",
    ]
    for dies in range(2, 30):
        assert course(MemoryStore(HandClock()), dies) == told, dies


def test_stores_keep_how_alerts_stand(kept: Store) -> None:
    assert course(kept, 9) == course(MemoryStore(HandClock()), 0)
    kept.alerts.silence(Silence(id="s", alert="x", labels={"a": "b"}, at=1, until=2, reason="why"))
    found = kept.alerts.kept()
    assert {one.status for one in found.standings.values()} == {"resolved"}
    assert found.silences["s"].labels == {"a": "b"}
    kept.alerts.unsilence("s", "t")
    assert not kept.alerts.kept().silences
    assert not kept.alerts.is_watched()
    with kept.alerts.own() or pytest.fail("it is free"):
        assert kept.alerts.own() is None
        assert kept.alerts.is_watched()


@pytest.mark.parametrize("type_", ["step.failed", "step.*", "*"])
def test_a_long_backlog_is_counted_while_others_have_their_turn(kept: Store, type_: str) -> None:
    clock = HandClock()
    alert = replace(FAILED, event=Match(type=type_, where="data.n > 0"), above=3.0)
    watch = Watch([LETTERS, alert, replace(alert, id="never", above=4.0)], kept, clock)
    watch.look()
    kept.board.publish(
        *(
            Published(
                id=f"e{n}",
                type="step.failed" if n % 1_000 == 1 else "step.done",
                source="x",
                at=clock.at,
                data={"n": int(n % 1_000 == 1)},
            )
            for n in range(2_500)
        )
    )
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            counting = tasks.create_task(count())
            await watch.catch_up()
            counting.cancel()

    asyncio.run(work())
    assert turns >= 2 * 3
    tallies = kept.alerts.kept().tallies
    assert {(one.heard, len(one.moments)) for one in tallies.values()} == {(2_500, 3)}
    assert not kept.alerts.kept().standings
    # What comes between is not forgotten, and nothing is counted twice.
    assert [event.type for event in Watch([alert], kept, clock).look()] == ["alert.firing"]
    assert kept.alerts.kept().tallies["failed"].moments == [clock.at] * 3


def test_one_process_watches_at_a_time_and_the_next_one_goes_on() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    alert = Alert(id="a", metric=DEAD, above=3.0, clear_at=3.0, clear_for=20 * S)
    said: list[str] = []

    async def work() -> None:
        def measure(letters: float) -> None:
            now = clock.now()
            store.samples.add(Sample(source="serve:1", since=now - 5, at=now, gauges={DEAD: {(): letters}}))

        measure(4)
        async with asyncio.TaskGroup() as tasks:
            both = [tasks.create_task(watch_alerts([alert], store, clock, said.append)) for _ in range(2)]
            await asyncio.sleep(12)
            both[0].cancel()
            await asyncio.sleep(12)
            measure(0)
            await asyncio.sleep(70)
            store.alerts.kept = fail  # type: ignore[method-assign]  # a disk without room
            await asyncio.sleep(20)
            del store.alerts.kept
            measure(4)
            await asyncio.sleep(12)
            both[1].cancel()

    def fail() -> Any:
        raise StoreError("the disk is full")

    clock.run(work)
    told = [event.type for _, event in store.board.newest(10)]
    assert told == ["alert.firing", "alert.resolved", "alert.firing"]
    assert said == ["alerts are not looked at: the disk is full"]


def test_alerts_are_tried_on_samples_that_somebody_has_written() -> None:
    samples, events = read_samples(
        b'{"at": 1700000000000, "series": {"mplp_dead_letters{route=\'a\'}": 4}}\n'
        b'{"at": "2023-11-14T22:13:25Z", "event": {"type": "step.failed", "data": {"n": 1}}}\n'
        b'\n{"at": "2023-11-14T22:13:30Z", "event": {"type": "step.failed", "data": {"n": 2}}}\n'
        b'{"at": 1700000060000, "series": {"mplp_step_duration_seconds": [1, 2], "mplp_dead_letters{route=\'a\'}": 0}}'
    )
    begin, end = samples[0].at, samples[-1].at
    made = rehearse([LETTERS, FAILED], samples, events, begin, end)
    assert [(event.type, event.source, (event.at - begin) // S) for event in made.events] == [
        ("alert.firing", "mplp/alerts/letters", 5),
        ("alert.firing", "mplp/alerts/failed", 10),
        ("alert.resolved", "mplp/alerts/failed", 25),
    ]
    assert (made.looks, made.values["failed"]) == (13, {(): 0.0})
    with pytest.raises(ValueError, match="20,000 are the most"):
        rehearse([LETTERS], samples, events, begin - 86_400 * 2 * S, end)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: "),
        ('{"at": "yesterday"}', "is not a time"),
        ('{"at": 1, "series": {"mplp_dead": 1}}', "there is no metric `mplp_dead`"),
        ('{"at": 1, "series": {"mplp_dead_letters{": 1}}', "does not name a metric"),
        ('{"at": 1, "series": {"mplp_dead_letters": [1]}}', "takes a number"),
        ('{"at": 1, "series": {"mplp_step_duration_seconds": 1}}', "takes a list of seconds"),
        ('{"at": 1, "event": {}}', "`type` is missing"),
        ('{"at": 9, "series": {"mplp_dead_letters": 1}}\n{"at": 8}', "line 2: it is older"),
    ],
)
def test_a_line_that_is_no_sample_is_named(line: str, said: str) -> None:
    with pytest.raises(ValueError, match="line") as refused:
        read_samples(line.encode())
    assert said in str(refused.value)
