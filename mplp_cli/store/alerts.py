"""How alerts stand, and silences: the `Alerts` of `protocols`, in SQLite and in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from mplp_cli.protocols import AlertsKept, Board, Clock
from mplp_cli.store.board import add_events, event_rows
from mplp_cli.store.database import UNREADABLE, Database, translated
from mplp_cli.store.layout import watcher_path
from mplp_cli.store.locks import is_held, try_to_take

if TYPE_CHECKING:
    from mplp_cli.workflow.alerting import Round, Standing
    from mplp_cli.workflow.alerts import Silence, Tally

_ALL: Final = "SELECT kind, name, body FROM alert ORDER BY kind, name"
_SET: Final = "INSERT OR REPLACE INTO alert(kind, name, body) VALUES(?, ?, ?)"
_DROP: Final = "DELETE FROM alert WHERE kind = ? AND name = ?"

_encode: Final = msgspec.json.Encoder().encode


class SqliteAlerts:
    """In the table `alert`."""

    def __init__(self, database: Database, state_dir: Path, clock: Clock) -> None:
        self._database = database
        self._path = watcher_path(state_dir)
        self._clock = clock

    def kept(self) -> AlertsKept:
        found = AlertsKept()
        for kind, _, body in self._database.rows(_ALL):
            _read(found, kind, body)
        return found

    def settle(self, made: Round, tallies: Sequence[Tally] = ()) -> None:
        events = event_rows(made.events)
        if not (events or made.kept or made.gone or tallies):
            return
        with self._database.writing() if events else self._database.passing() as db:
            db.executemany(_SET, [("standing", _name(one), _encode(one)) for one in made.kept])
            db.executemany(_SET, [("tally", one.alert, _encode(one)) for one in tallies])
            db.executemany(_DROP, [("standing", _name(one)) for one in made.gone])
            if events:
                add_events(db, events)

    def silence(self, silence: Silence) -> None:
        with self._database.writing() as db:
            db.execute(_SET, ("silence", silence.id, _encode(silence)))

    def unsilence(self, *ids: str) -> None:
        with self._database.writing() as db:
            db.executemany(_DROP, [("silence", one) for one in ids])

    def own(self) -> AbstractContextManager[None] | None:
        with translated(self._path):
            lock = try_to_take(self._path, "mplp alerts", self._clock.now())
        return None if lock is None else _held(lock)

    def is_watched(self) -> bool:
        with translated(self._path):
            return is_held(self._path)


@contextmanager
def _held(lock: Any) -> Iterator[None]:
    try:
        yield
    finally:
        lock.release()


def _read(kept: AlertsKept, kind: str, body: bytes) -> bool:
    """Add what a row holds. False if that cannot be told: it is as if it had never been."""
    from mplp_cli.workflow.alerting import Standing
    from mplp_cli.workflow.alerts import Silence, Tally

    try:
        match kind:
            case "standing":
                standing = msgspec.json.decode(body, type=Standing)
                kept.standings[standing.key] = standing
            case "tally":
                tally = msgspec.json.decode(body, type=Tally)
                kept.tallies[tally.alert] = tally
            case "silence":
                silence = msgspec.json.decode(body, type=Silence)
                kept.silences[silence.id] = silence
    except UNREADABLE:
        return False
    return True


def unreadable_alerts(database: Database) -> list[tuple[str, str]]:
    """Kind and name of the rows that are damaged."""
    rows = database.rows(_ALL)
    return [(kind, name) for kind, name, body in rows if not _read(AlertsKept(), kind, body)]


def drop_unreadable_alerts(database: Database) -> None:
    """Remove them. Whoever watches may be writing some of them anew, so it is looked at again which they are."""
    with database.writing() as db:
        db.executemany(_DROP, unreadable_alerts(database))


def _name(one: Standing) -> str:
    return json.dumps(one.key)


class MemoryAlerts:
    """In dictionaries."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._kept = AlertsKept()
        self._is_owned = False

    def kept(self) -> AlertsKept:
        kept = self._kept
        return AlertsKept(dict(kept.standings), dict(kept.tallies), dict(kept.silences))

    def settle(self, made: Round, tallies: Sequence[Tally] = ()) -> None:
        self._board.publish(*made.events)
        self._kept.standings.update({one.key: one for one in made.kept})
        self._kept.tallies.update({one.alert: one for one in tallies})
        for one in made.gone:
            self._kept.standings.pop(one.key, None)

    def silence(self, silence: Silence) -> None:
        self._kept.silences[silence.id] = silence

    def unsilence(self, *ids: str) -> None:
        for one in ids:
            self._kept.silences.pop(one, None)

    def own(self) -> AbstractContextManager[None] | None:
        if self._is_owned:
            return None
        self._is_owned = True
        return self._owned()

    def is_watched(self) -> bool:
        return self._is_owned

    @contextmanager
    def _owned(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._is_owned = False
