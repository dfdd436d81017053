"""How far readers have come on the board, and what became of events on routes: the `Deliveries` of `protocols`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from mplp_cli.protocols import Board, Clock, Delivery
from mplp_cli.store.board import add_events, event_rows
from mplp_cli.store.database import Database, translated
from mplp_cli.store.layout import deliverer_path
from mplp_cli.store.locks import RunLock, try_to_take
from mplp_cli.workflow.published import Published

_READERS: Final = "SELECT name, event FROM reader ORDER BY name"
_MOVE_READER: Final = (
    "INSERT INTO reader(name, event) VALUES(?, ?)"
    " ON CONFLICT(name) DO UPDATE SET event ="
    # A clock that was wrong for a while is set back, and what it has said of schedules with it.
    " CASE WHEN name GLOB 'schedule:*' THEN excluded.event ELSE max(event, excluded.event) END"
)
_SETTLE_DELIVERY: Final = (
    "INSERT OR REPLACE INTO delivery(route, event, state, tries, at, due, took, error)"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
)
_DELIVERIES: Final = "SELECT route, event, state, tries, at, due, took, error FROM delivery"
#: In the order of routes: nothing is sorted.
_COUNT_DELIVERIES: Final = (
    "SELECT route, sum(state = 'delivered'), sum(state = 'retrying'), sum(state = 'dead'), sum(state = 'dropped')"
    " FROM delivery GROUP BY route"
)
_COUNT_LEFT: Final = (
    "SELECT route, state, count(*) FROM delivery WHERE state IN ('retrying', 'dead') GROUP BY state, route"
)

#: Deliveries to be made again, or dead letters, without an event.
OF_NO_EVENT: Final = "state IN ('retrying', 'dead') AND event NOT IN (SELECT seq FROM emitted)"
_STATES: Final = ("delivered", "retrying", "dead", "dropped")


class SqliteDeliveries:
    """In the tables `reader` and `delivery`."""

    def __init__(self, database: Database, state_dir: Path, clock: Clock) -> None:
        self._database = database
        self._path = deliverer_path(state_dir)
        self._clock = clock

    def readers(self) -> dict[str, int]:
        rows: list[Any] = self._database.rows(_READERS)
        return dict(rows)

    def settle(
        self,
        readers: Mapping[str, int],
        deliveries: Sequence[Delivery] = (),
        events: Sequence[Published] = (),
        *,
        durable: bool = True,
    ) -> None:
        published = event_rows(events)
        if not readers and not deliveries and not published:
            return
        with self._database.writing() if durable else self._database.passing() as db:
            if deliveries:
                db.executemany(
                    _SETTLE_DELIVERY,
                    [(d.route, d.event, d.state, d.tries, d.at, d.due, d.took, d.error) for d in deliveries],
                )
            if readers:
                db.executemany(_MOVE_READER, readers.items())
            if published:
                add_events(db, published)

    def of(
        self,
        route: str | None = None,
        *,
        state: str | None = None,
        event: int | None = None,
        after: int = 0,
        limit: int = 1_000,
    ) -> list[Delivery]:
        wanted = {"route": route, "state": state, "event": event}
        given = {column: value for column, value in wanted.items() if value is not None}
        where = " AND ".join(["event > ?", *(f"{column} = ?" for column in given)])
        if state in ("retrying", "dead"):
            # As a word of the query: only so is the index of such deliveries used.
            where += f" AND state = '{state}'"
        query = f"{_DELIVERIES} WHERE {where} ORDER BY event, route LIMIT ?"
        rows: list[Any] = self._database.rows(query, (after, *given.values(), limit))
        return [_delivery(row) for row in rows]

    def counts(self) -> dict[str, dict[str, int]]:
        rows = self._database.rows(_COUNT_DELIVERIES)
        return {
            route: {state: count for state, count in zip(_STATES, counts, strict=True) if count}
            for route, *counts in rows
        }

    def left(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for route, state, count in self._database.rows(_COUNT_LEFT):
            found.setdefault(route, {})[state] = count
        return found

    def own(self) -> AbstractContextManager[None] | None:
        with translated(self._path):
            lock = try_to_take(self._path, "mplp events", self._clock.now())
        return None if lock is None else _held(lock)


@contextmanager
def _held(lock: RunLock) -> Iterator[None]:
    try:
        yield
    finally:
        lock.release()


def _delivery(row: tuple[Any, ...]) -> Delivery:
    return Delivery(**dict(zip(Delivery.__struct_fields__, row, strict=True)))


class MemoryDeliveries:
    """In dictionaries."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._readers: dict[str, int] = {}
        #: By event and route.
        self._deliveries: dict[tuple[int, str], Delivery] = {}
        self._is_owned = False

    def readers(self) -> dict[str, int]:
        return dict(sorted(self._readers.items()))

    def settle(
        self,
        readers: Mapping[str, int],
        deliveries: Sequence[Delivery] = (),
        events: Sequence[Published] = (),
        *,
        durable: bool = True,  # noqa: ARG002 - nothing outlasts the process
    ) -> None:
        for delivery in deliveries:
            self._deliveries[delivery.event, delivery.route] = delivery
        for reader, number in readers.items():
            back = reader.startswith("schedule:")
            self._readers[reader] = number if back else max(number, self._readers.get(reader, number))
        self._board.publish(*events)

    def of(
        self,
        route: str | None = None,
        *,
        state: str | None = None,
        event: int | None = None,
        after: int = 0,
        limit: int = 1_000,
    ) -> list[Delivery]:
        found = (
            one
            for _, one in sorted(self._deliveries.items(), key=lambda item: item[0])
            if one.event > after
            and route in (None, one.route)
            and state in (None, one.state)
            and event in (None, one.event)
        )
        return list(found)[:limit]

    def counts(self) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        for one in self._deliveries.values():
            of_route = counts.setdefault(one.route, {})
            of_route[one.state] = of_route.get(one.state, 0) + 1
        return counts

    def left(self) -> dict[str, dict[str, int]]:
        kept = {
            route: {state: count for state, count in states.items() if state in ("retrying", "dead")}
            for route, states in self.counts().items()
        }
        return {route: states for route, states in kept.items() if states}

    def own(self) -> AbstractContextManager[None] | None:
        if self._is_owned:
            return None
        self._is_owned = True
        return self._owned()

    @contextmanager
    def _owned(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._is_owned = False
