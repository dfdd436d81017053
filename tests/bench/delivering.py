"""Published events on their way to targets: how late they are at a steady load, and how many go through at most.

The load is open: a process of its own says by the clock when an event comes, whatever became of those before, and each
is published by a call of its own, durably. Latency is from that moment until a target is handed the event. Where that
process wakes late by itself an event comes when it is awake; where it had to wait for us, when it should have come.

`python -m tests.bench.delivering steady|floor|full|bare COUNT RATE DIR` measures one of them in a fresh process and
prints JSON; `... offer COUNT RATE` is the process with the clock.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import resource
import statistics
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw

from mplp_cli.events.bus import Bus
from mplp_cli.events.contract import LazySender, Outcomes, Sender
from mplp_cli.events.dispatch import Dispatcher
from mplp_cli.events.senders.file import FileSender
from mplp_cli.events.senders.handler import HandlerSender
from mplp_cli.running import collect_less
from mplp_cli.runtime import Runtime
from mplp_cli.workflow.events.routes import FileTarget, HandlerTarget, Match, Route, Routing
from mplp_cli.workflow.published import Published
from tests.bench.measure import Lab, Row

#: Events a second, and for how long.
RATE, SECONDS = 5_000, 20
#: Half of the routes write to a file each, half call a function; an event goes to one of each.
ROUTES = 10
#: Events that are published at a time where it is as fast as it goes.
AT_ONCE = 250
#: Limits: milliseconds of latency, and how much longer than bare inserts of the same rows it takes.
MEAN, P99, RATIO = 1.0, 10.0, 5.0
_MOMENT = struct.Struct("d")
#: A row of the references.
_INSERT = "INSERT INTO emitted(id, type, source, at, data, more) VALUES(?, ?, ?, ?, ?, ?)"
_DATA = json.dumps({"number": 0, "offered": 0.5, "text": "what happened there"}).encode()


def rows(lab: Lab) -> Iterator[Row]:
    """A steady load; then as much as goes through, beside the bare inserts."""
    count = min(lab.sizes.steps * 10, RATE * SECONDS)
    # A disk that others use, too, may stand still for a while: the reference says whether it did.
    turns = min(lab.sizes.pairs, 3)
    steady = [(_measured(lab, "steady", count), _measured(lab, "floor", count)) for _ in range(turns)]
    name = f"events, {RATE:,} a second, {count:,} through {ROUTES} routes"
    for figure, limit in (("mean", MEAN), ("p99", P99)):
        ours, theirs = ([pair[side][figure] * 1e3 for pair in steady] for side in (0, 1))
        yield Row(
            name=f"{name}, {figure}",
            value=statistics.median(ours),
            unit="ms",
            reference=statistics.median(theirs),
            ratio=statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
            limit=limit,
            note=" ".join(f"{a:.2f}|{b:.2f}" for a, b in zip(ours, theirs, strict=True)) + " to bare inserts",
        )
    full = [
        (_measured(lab, "full", count), _measured(lab, "bare", count)) for _ in range(min(lab.sizes.pairs, 3))
    ]
    ours, theirs = (statistics.median(pair[side]["seconds"] for pair in full) for side in (0, 1))
    yield Row(
        name=f"events, {count:,} as fast as they go",
        value=ours / count * 1e6,
        unit="us",
        reference=theirs / count * 1e6,
        ratio=statistics.median(a["seconds"] / b["seconds"] for a, b in full),
        limit=RATIO,
        of_ratio=True,
        note="bare inserts of the same rows",
    )


def _measured(lab: Lab, what: str, count: int) -> dict[str, Any]:
    with lab.fresh() as folder:
        told: dict[str, Any] = lab.python(
            "-m", "tests.bench.delivering", what, str(count), str(RATE), str(folder)
        ).json
    return told


# ---- the process that delivers


class Noted:
    """A sender, and how late it is handed what it is to send."""

    def __init__(self, inner: Sender, late: list[float]) -> None:
        self._send, self.at_most, self._late = inner.send, inner.at_most, late

    def send(self, events: Sequence[tuple[int, Published]]) -> Outcomes | Coroutine[Any, Any, Outcomes]:
        now = time.monotonic()
        self._late += [now - event.data["offered"] for _, event in events]
        return self._send(events)


class LazyNoted(Noted):
    """A lazy one, in the same way."""

    def __init__(self, inner: LazySender, late: list[float]) -> None:
        super().__init__(inner, late)
        self.sync = inner.sync


def routing(folder: Path) -> Routing:
    """Route n gets the events of type `load.n`, of half as many types as there are routes."""
    kinds = ROUTES // 2
    return Routing(
        routes=tuple(
            Route(id=f"{kind}-{n}", match=Match(type=f"load.{n}"), target=target)
            for n in range(kinds)
            for kind, target in (
                ("file", FileTarget(path=str(folder / f"{n}.jsonl"))),
                ("handler", HandlerTarget(handler="count")),
            )
        )
    )


def made(number: int, offered: float) -> Published:
    """An event such as an application publishes."""
    return Published(
        id=f"00000000-0000-4000-8000-{number:012d}",
        type=f"load.{number % (ROUTES // 2)}",
        source=f"bench/{number % 20}",
        at=int(time.time() * 1000),  # noqa: TID251 - a benchmark
        data={"number": number, "offered": offered, "text": "what happened there"},
    )


@asynccontextmanager
async def delivering(folder: str, late: list[float], count: int) -> AsyncIterator[tuple[Bus, Dispatcher]]:
    """A bus and a dispatcher on a real store; checks at the end that nothing is missing."""
    called, near = 0, Path(folder).stat().st_dev

    def hear(event: Published, options: Mapping[str, Any]) -> None:
        nonlocal called
        called += 1

    def sender(route: Route) -> Sender:
        target = route.target
        if isinstance(target, FileTarget):
            return LazyNoted(FileSender(target, near), late)
        return Noted(HandlerSender(HandlerTarget(handler="count"), hear), late)

    with Runtime(state_dir=folder) as runtime:
        store = runtime.store
        bus = Bus(store.board, 0)
        dispatcher = Dispatcher(
            routing(Path(folder)), store, sender, runtime.clock, runtime.ids.fraction, bus.heard
        )
        bus.subscribe(dispatcher.hear, dispatcher.hand_over)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in (dispatcher.work(), bus.listen())]
            yield bus, dispatcher
            assert await dispatcher.drain(60)
            for task in tasks:
                task.cancel()
        assert store.board.last() == count
        assert sum(states["delivered"] for states in store.deliveries.counts().values()) == 2 * count
    assert called == count
    lines = sum(file.read_bytes().count(b"\n") for file in Path(folder).glob("*.jsonl"))
    assert lines == count


async def steady(count: int, rate: int, folder: str) -> dict[str, float]:
    """Latencies under a load that does not wait."""
    late: list[float] = []
    async with delivering(folder, late, count) as (bus, _):
        collect_less()  # as a server does
        began = time.process_time()
        offering = _offering(count, rate)
        assert offering.stdout is not None
        pipe = offering.stdout.fileno()
        os.set_blocking(pipe, False)
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        number, stored = 0, deque[asyncio.Future[list[int]]]()

        def come() -> None:
            nonlocal number
            moments = os.read(pipe, 1 << 13)
            for (offered,) in _MOMENT.iter_unpack(moments):
                stored.append(bus.publish(made(number, offered)))
                number += 1
            while stored and stored[0].done():
                assert stored.popleft().result()
            if not moments:
                asyncio.get_running_loop().remove_reader(pipe)
                over.set_result(None)

        asyncio.get_running_loop().add_reader(pipe, come)
        await over
        for done in stored:
            assert await done
        offering.wait()
        used = time.process_time() - began
    assert number == count
    return {
        **_summary(late),
        "stored": count,
        "busy": used / (count / rate),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _offering(count: int, rate: int) -> subprocess.Popen[bytes]:
    """The process with the clock."""
    words = ["-m", "tests.bench.delivering", "offer", str(count), str(rate)]
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE)


def _summary(late: list[float]) -> dict[str, float]:
    late.sort()
    return {"mean": statistics.fmean(late), "p99": late[int(len(late) * 0.99)], "worst": late[-1]}


async def full(count: int, rate: int, folder: str) -> dict[str, float]:
    """Seconds until all are delivered that are published one portion after the other."""
    async with delivering(folder, [], count) as (bus, dispatcher):
        began = time.perf_counter()
        for begin in range(0, count, AT_ONCE):
            moment = time.monotonic()
            await bus.publish(*(made(n, moment) for n in range(begin, min(begin + AT_ONCE, count))))
        assert await dispatcher.drain(600)
        taken = time.perf_counter() - began
    return {"seconds": taken}


def offer(count: int, rate: int) -> None:
    """Say when events come: 8 bytes each, their moment of the monotonic clock."""
    if sys.platform == "linux":
        # PR_SET_TIMERSLACK, in ns: sleeps end on time, else 50 us late, which would be none of the bus's.
        ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)
    begin = time.monotonic() + 0.1
    said = 0
    while said < count:
        rest = begin + said / rate - time.monotonic()
        if rest > 0:
            time.sleep(rest)
        now = time.monotonic()
        due = min(int((now - begin) * rate) + 1, count)
        os.write(1, b"".join(_MOMENT.pack(now if rest > 0 else begin + n / rate) for n in range(said, due)))
        said = due


# ---- the references


def floor(count: int, rate: int, folder: str) -> dict[str, float]:
    """Latencies of the same load where each is a row that SQLite makes durable, and nothing else: what the disk and
    the machine allow at this moment."""
    db, late, number = _bare(folder), list[float](), 0
    with _offering(count, rate) as offering:
        assert offering.stdout is not None
        while moments := os.read(offering.stdout.fileno(), 1 << 13):
            offered = [moment for (moment,) in _MOMENT.iter_unpack(moments)]
            with db:
                db.executemany(_INSERT, map(_row, range(number, number + len(offered))))
            number += len(offered)
            now = time.monotonic()
            late += [now - moment for moment in offered]
    assert number == count
    return _summary(late)


def bare(count: int, folder: str) -> float:
    """Seconds for the same rows, the events durable and in the same portions, by SQLite alone."""
    db = _bare(folder)
    began = time.perf_counter()
    for begin in range(0, count, AT_ONCE):
        numbers = range(begin + 1, min(begin + AT_ONCE, count) + 1)
        db.pragma("synchronous", "FULL")
        with db:
            db.executemany(_INSERT, map(_row, numbers))
        db.pragma("synchronous", "NORMAL")
        with db:
            db.executemany(
                "INSERT INTO delivery VALUES(?, ?, 'delivered', 1, ?, 0, 0, '')",
                ((f"{kind}-{n % 5}", n, n) for n in numbers for kind in ("file", "handler")),
            )
    return time.perf_counter() - began


def _bare(folder: str) -> apsw.Connection:
    """A connection to an empty store."""
    with Runtime(state_dir=folder) as runtime:
        assert runtime.store.board.last() == 0
    db = apsw.Connection(str(next(Path(folder).rglob("state.db"))))
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "FULL")
    return db


def _row(n: int) -> tuple[str, str, str, int, bytes, bytes]:
    return f"00000000-0000-4000-8000-{n:012d}", f"load.{n % 5}", f"bench/{n % 20}", n, _DATA, b""


def main() -> None:
    """One measurement."""
    what, count, rate, *folder = sys.argv[1:]
    if what == "offer":
        offer(int(count), int(rate))
        return
    if what == "bare":
        told: Mapping[str, float] = {"seconds": bare(int(count), folder[0])}
    elif what == "floor":
        told = floor(int(count), int(rate), folder[0])
    else:
        measure: Callable[..., Any] = {"steady": steady, "full": full}[what]
        told = asyncio.run(measure(int(count), int(rate), folder[0]))
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
