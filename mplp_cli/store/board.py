"""Published events, in SQLite and in memory: the `Board` of `protocols`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import apsw
import msgspec

from mplp_cli.errors import StoreError
from mplp_cli.store.database import UNREADABLE, Database, corrupt
from mplp_cli.workflow.published import Published, matches

#: Events that are handed out, or looked at, together.
AT_ONCE: Final = 1_000

_ADD_EMITTED: Final = "INSERT INTO emitted(id, type, source, at, data, more) VALUES(?, ?, ?, ?, ?, ?)"
#: Of one that is there already nothing is added, and no number is used up.
_ADD_IF_NEW: Final = (
    "INSERT INTO emitted(id, type, source, at, data, more) SELECT ?1, ?2, ?3, ?4, ?5, ?6"
    " WHERE NOT EXISTS (SELECT 1 FROM emitted WHERE id = ?1 AND source = ?3)"
)
_EMITTED_AS: Final = "SELECT seq FROM emitted WHERE id = ? AND source = ?"
_EMITTED_ROW: Final = "SELECT seq, id, type, source, at, data, more FROM emitted"
_EMITTED: Final = f"{_EMITTED_ROW} WHERE seq > ? ORDER BY seq LIMIT ?"
_EMITTED_NUMBER: Final = f"{_EMITTED_ROW} WHERE seq = ?"
_EMITTED_ID: Final = f"{_EMITTED_ROW} WHERE id = ? ORDER BY seq"
_LAST_EMITTED: Final = f"SELECT * FROM ({_EMITTED_ROW} ORDER BY seq DESC LIMIT ?) ORDER BY seq"  # noqa: S608 - statements of ours
#: The last one that is looked at, after the number ?1 or before it.
_LOOKED_AT: Final = "SELECT max(seq) FROM (SELECT seq FROM emitted WHERE seq > ?1 ORDER BY seq LIMIT ?2)"
_LOOKED_BACK_AT: Final = (
    "SELECT min(seq) FROM (SELECT seq FROM emitted WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2)"
)
_SIFTED: Final = f"{_EMITTED_ROW} WHERE seq > ?1 AND seq <= ?2 AND type GLOB ?3 ORDER BY seq LIMIT ?4"
_SIFTED_BACK: Final = (
    f"{_EMITTED_ROW} WHERE seq < ?1 AND seq >= ?2 AND type GLOB ?3 ORDER BY seq DESC LIMIT ?4"
)
_LAST_NUMBER: Final = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'emitted'), 0)"

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode
_more: Final = msgspec.json.Decoder(dict[str, Any]).decode

#: Id, type, source, time, data and further attributes, as they are stored.
EventRow = tuple[str, str, str, int, bytes, bytes]


class SqliteBoard:
    """Events in the table `emitted`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(self, *events: Published) -> list[int]:
        rows = event_rows(events)
        if not rows:
            return []
        with self._database.writing() as db:
            before = db.total_changes()
            numbers = add_events(db, rows)
            known = db.total_changes() - before < len(rows)
        if known:
            # Nothing was written for those that are there already, and the disk may not have them yet.
            self._database.sync_now()
        return numbers

    def post(self, *events: Published) -> list[int]:
        rows = event_rows(events)
        with self._database.passing() as db:
            return add_events(db, rows)

    async def sync(self) -> None:
        await self._database.sync()

    def following(self, after: int) -> list[tuple[int, Published]]:
        return self._read(_EMITTED, (after, AT_ONCE))

    def newest(self, limit: int) -> list[tuple[int, Published]]:
        return self._read(_LAST_EMITTED, (limit,))

    def sift(
        self, wanted: str, begin: int, limit: int, *, back: bool = False
    ) -> tuple[list[tuple[int, Published]], int]:
        looked_at, sifted = (_LOOKED_BACK_AT, _SIFTED_BACK) if back else (_LOOKED_AT, _SIFTED)
        end = self._database.rows(looked_at, (begin, AT_ONCE))[0][0]
        if end is None:
            return [], begin
        found = self._read(sifted, (begin, end, _glob(wanted), limit))
        return found, found[-1][0] if len(found) == limit else end

    def find(self, identifier: str) -> list[tuple[int, Published]]:
        return self._read(_EMITTED_ID, (identifier,))

    def numbered(self, number: int) -> Published | None:
        found = self._read(_EMITTED_NUMBER, (number,))
        return found[0][1] if found else None

    def last(self) -> int:
        return int(self._database.rows(_LAST_NUMBER)[0][0])

    def _read(self, query: str, bindings: tuple[int | str, ...]) -> list[tuple[int, Published]]:
        found = []
        for seq, name, kind, source, at, body, further in self._database.rows(query, bindings):
            try:
                data, more = _decode(body), _more(further) if further else {}
            except UNREADABLE as error:
                raise corrupt(self._database.path, f"the event {name}: {error}") from error
            found.append(
                (int(seq), Published(id=name, type=kind, source=source, at=at, data=data, more=more))
            )
        return found


def _glob(wanted: str) -> str:
    """What GLOB calls the types that `matches` says are wanted: there `?` and `[` stand for more than themselves."""
    return wanted.replace("[", "[[]").replace("?", "[?]")


def unreadable_events(database: Database) -> list[int]:
    """Numbers of events that are damaged."""
    found, after = [], 0
    while rows := database.rows(_EMITTED, (after, AT_ONCE)):
        for seq, *_, body, further in rows:
            try:
                _decode(body), _more(further) if further else {}
            except UNREADABLE:
                found.append(seq)
        after = rows[-1][0]
    return found


def event_rows(events: Iterable[Published]) -> list[EventRow]:
    """Events as they are stored. StoreError for data that JSON cannot hold."""
    rows: list[EventRow] = []
    for event in events:
        try:
            data, more = _encode(event.data), _encode(event.more) if event.more else b""
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise StoreError(
                f"the data of the event {event.type} cannot be written as JSON: {error}"
            ) from error
        rows.append((event.id, event.type, event.source, event.at, data, more))
    return rows


def add_events(db: apsw.Connection, rows: Sequence[EventRow]) -> list[int]:
    """Publish events in the transaction at hand, once for each source and id; their numbers."""
    try:
        db.executemany(_ADD_EMITTED, rows)
    except apsw.ConstraintError:
        # Those before the one that is there already have been added.
        db.executemany(_ADD_IF_NEW, rows)
    else:
        # All are new, and nobody else writes now: their numbers follow each other.
        last = db.last_insert_rowid()
        return list(range(last - len(rows) + 1, last + 1))
    return [db.execute(_EMITTED_AS, (row[0], row[2])).get for row in rows]


def add_event(db: apsw.Connection, event: Published) -> None:
    """Publish one event in the transaction at hand."""
    db.execute(_ADD_IF_NEW, *event_rows([event]))


class MemoryBoard:
    """Events in a list."""

    def __init__(self) -> None:
        self._events: list[Published] = []
        #: Id and source -> number.
        self._numbers: dict[tuple[str, str], int] = {}

    def publish(self, *events: Published) -> list[int]:
        return [self._publish(event) for event in events]

    post = publish

    async def sync(self) -> None:
        """There is no disk."""

    def _publish(self, event: Published) -> int:
        number = self._numbers.setdefault((event.id, event.source), len(self._events) + 1)
        if number > len(self._events):
            self._events.append(event)
        return number

    def following(self, after: int) -> list[tuple[int, Published]]:
        return list(enumerate(self._events[after : after + AT_ONCE], after + 1))

    def newest(self, limit: int) -> list[tuple[int, Published]]:
        begin = max(len(self._events) - limit, 0)
        return list(enumerate(self._events[begin:], begin + 1))

    def sift(
        self, wanted: str, begin: int, limit: int, *, back: bool = False
    ) -> tuple[list[tuple[int, Published]], int]:
        there = len(self._events)
        after, before = range(begin + 1, there + 1), range(min(begin - 1, there), 0, -1)
        found, end = [], begin
        for end in (before if back else after)[:AT_ONCE]:
            event = self._events[end - 1]
            if matches(wanted, event.type):
                found.append((end, event))
                if len(found) == limit:
                    break
        return found, end

    def find(self, identifier: str) -> list[tuple[int, Published]]:
        return [(number, event) for number, event in enumerate(self._events, 1) if event.id == identifier]

    def numbered(self, number: int) -> Published | None:
        return self._events[number - 1] if 0 < number <= len(self._events) else None

    def last(self) -> int:
        return len(self._events)
