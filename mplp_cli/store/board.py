"""Published events, in SQLite and in memory: the `Board` of `protocols`."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from mplp_cli.errors import StoreError
from mplp_cli.store import schema
from mplp_cli.store.database import UNREADABLE, Database, corrupt
from mplp_cli.workflow.published import Published

#: Events that are handed out together.
AT_ONCE: Final = 1_000

_encode = msgspec.json.Encoder().encode


class SqliteBoard:
    """Events in the table `emitted`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(self, event: Published) -> None:
        try:
            _encode(event.data)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise StoreError(
                f"the data of the event {event.type} cannot be written as JSON: {error}"
            ) from error
        with self._database.writing() as db:
            add_event(db, event)

    def following(self, after: int) -> list[tuple[int, Published]]:
        return self._read(schema.EMITTED, (after, AT_ONCE))

    def newest(self, limit: int) -> list[tuple[int, Published]]:
        return self._read(schema.LAST_EMITTED, (limit,))

    def last(self) -> int:
        return int(self._database.rows("SELECT coalesce(max(seq), 0) FROM emitted")[0][0])

    def _read(self, query: str, bindings: tuple[int, ...]) -> list[tuple[int, Published]]:
        found = []
        for seq, name, kind, source, at, body in self._database.rows(query, bindings):
            try:
                data = msgspec.json.decode(body)
            except UNREADABLE as error:
                raise corrupt(self._database.path, f"the event {name}: {error}") from error
            found.append((int(seq), Published(id=name, type=kind, source=source, at=at, data=data)))
        return found


def add_event(db: apsw.Connection, event: Published) -> None:
    """Publish an event in the transaction at hand; once for each id."""
    db.execute(schema.ADD_EMITTED, (event.id, event.type, event.source, event.at, _encode(event.data)))


class MemoryBoard:
    """Events in a list."""

    def __init__(self) -> None:
        self._events: dict[str, Published] = {}

    def publish(self, event: Published) -> None:
        self._events.setdefault(event.id, event)

    def following(self, after: int) -> list[tuple[int, Published]]:
        return list(enumerate(self._events.values(), 1))[after : after + AT_ONCE]

    def newest(self, limit: int) -> list[tuple[int, Published]]:
        return list(enumerate(self._events.values(), 1))[-limit:]

    def last(self) -> int:
        return len(self._events)
