"""The check of published events: whether everybody who wants them gets them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from mplp_cli.checks.scene import STILL, Scene, counted, process_status
from mplp_cli.observe.health import Finding, Wrong, found
from mplp_cli.store.layout import deliverer_path
from mplp_cli.store.locks import holder_of, is_held, process_name
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.values import duration_text

#: Milliseconds that events may wait where nobody delivers, and where somebody does.
ALONE: Final = 60_000
SLOW: Final = 300_000
#: Events that may wait where somebody delivers.
MOST_BEHIND: Final = 10_000
#: Milliseconds for which an event may be tried again and again.
TRIED: Final = 900_000


class Reader(Struct, frozen=True, kw_only=True):
    """A route or a rule (`route:audit`): how many events wait for it, how many are tried again and lie in the dead
    letters. Ages are those of the oldest such event, in ms."""

    name: str
    behind: int = 0
    waits: int = 0
    retrying: int = 0
    tried: int = 0
    dead: int = 0

    @property
    def id(self) -> str:
        """Its own name."""
        return self.name.partition(":")[2]


def check_events(scene: Scene) -> Finding:
    """Events reach the routes and rules of the project in time, and none lies in the dead letters."""
    settings = scene.settings
    routes = [] if settings.routing is None else [f"route:{one.id}" for one in settings.routing.routes]
    names = [*routes, *(f"rule:{one.id}" for one in settings.correlation_rules)]
    with scene.store() as store:
        if store is None:
            return Finding(healthy=True, details={"state": "no events yet"})
        readers = list(_readers(store, names, scene.clock.now()))
        last = store.board.last()
    process, wrong = _deliverer(scene)
    details: dict[str, Any] = {
        "last": last,
        "delivers": process,
        "readers": {
            one.name: {"behind": one.behind, "retrying": one.retrying, "dead": one.dead} for one in readers
        },
    }
    if oldest := max((one.tried for one in readers), default=0):
        details["oldestRetryingMs"] = oldest
    return found([*wrong, *judge_readers(readers, delivers=process is not None)], details)


def _deliverer(scene: Scene) -> tuple[str | None, list[Wrong]]:
    """The process that delivers, None if there is none; and what is wrong with it."""
    assert scene.place is not None
    path = deliverer_path(scene.place)
    if not is_held(path):
        return None, []
    holder = holder_of(path)
    if holder is None:
        return "another process", []
    if holder.host == os.uname().nodename and (status := process_status(holder.pid)) in STILL:
        said = f"process {holder.pid} has the right to deliver, and is {status}"
        return process_name(holder.pid), [Wrong(said, f"`kill -CONT {holder.pid}` lets it go on; or end it")]
    return f"{holder.pid}@{holder.host}", []


def _readers(store: SqliteStore, names: list[str], now: int) -> Iterator[Reader]:
    """Those that the project declares, and those that have dead letters."""
    known, counts, last = store.deliveries.readers(), store.deliveries.counts(), store.board.last()
    others = [f"route:{route}" for route, states in counts.items() if "dead" in states]
    for name in dict.fromkeys((*names, *others)):
        kind, _, route = name.partition(":")
        states: Mapping[str, int] = counts.get(route, {}) if kind == "route" else {}
        behind = max(last - known.get(name, last), 0) if name in names else 0
        waits = tried = 0
        if behind and (following := store.board.following(known[name])):
            waits = max(now - following[0][1].at, 0)
        if states.get("retrying") and (first := store.deliveries.of(route, state="retrying", limit=1)):
            event = store.board.numbered(first[0].event)
            tried = 0 if event is None else max(now - event.at, 0)
        yield Reader(
            name=name,
            behind=behind,
            waits=waits,
            retrying=states.get("retrying", 0),
            tried=tried,
            dead=states.get("dead", 0),
        )


def judge_readers(readers: list[Reader], *, delivers: bool) -> Iterator[Wrong]:
    """What is wrong with each, as long as somebody delivers, or nobody does."""
    for one in readers:
        kind, route = one.name.partition(":")[0], one.id
        wait = f"{counted(one.behind, 'event')} wait{'s' if one.behind == 1 else ''} for {kind} `{route}`"
        if one.behind and not delivers and one.waits > ALONE:
            yield Wrong(
                f"{wait}, the oldest for {duration_text(one.waits)}, and nobody delivers",
                "`mplp serve` delivers, and so does any `mplp run` of the project",
            )
        elif one.behind and delivers and (one.behind > MOST_BEHIND or one.waits > SLOW):
            yield Wrong(
                f"{wait}, the oldest for {duration_text(one.waits)}",
                "`mplp events routes` shows how far each is, and why one stands still",
            )
        if one.dead:
            yield Wrong(
                f"{counted(one.dead, 'event')} in the dead letters of route `{route}`",
                f"`mplp events dead-letter list {route}` says why, `replay {route} --all` tries again,"
                f" `drop {route} --all` gives up",
            )
        if one.retrying and one.tried > TRIED:
            again = (
                f"is tried again for {duration_text(one.tried)}"
                if one.retrying == 1
                else (f"are tried again, the oldest for {duration_text(one.tried)}")
            )
            yield Wrong(
                f"{counted(one.retrying, 'delivery').replace('deliverys', 'deliveries')} of route `{route}` {again}",
                f"`mplp events deliveries --route {route} --state retrying` says why",
            )
