"""Taking published events out of a store that nobody needs any more, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
from msgspec import Struct

from mplp_cli.store.database import Database
from mplp_cli.workflow.values import rfc3339

DAY: Final = 86_400_000
#: Events that one transaction looks at: others must not wait for long.
_AT_ONCE: Final = 10_000
_OLDEST: Final = "SELECT min(created_at) FROM run WHERE status NOT IN ('completed', 'failed', 'cancelled')"
#: Readers of runs (`run:ID/...`) that have ended, or are gone.
_OF_ENDED_RUNS: Final = (
    "name LIKE 'run:%' AND substr(name, 5, instr(name, '/') - 5) NOT IN"
    " (SELECT id FROM run WHERE status NOT IN ('completed', 'failed', 'cancelled'))"
)
#: What is after ?1 and up to ?2, happened and was taken in before ?3 (as text: ?4), and is to be delivered no more.
_NEEDED_BY_NOBODY: Final = (
    " FROM emitted WHERE seq > ?1 AND seq <= ?2 AND at < ?3"
    " AND (more = x'' OR coalesce(json_extract(CAST(more AS TEXT), '$.recordedtime'), '') < ?4)"
    " AND seq NOT IN (SELECT event FROM delivery WHERE state IN ('retrying', 'dead'))"
)
_OVER: Final = (
    "DELETE FROM delivery WHERE route = ?3 AND event > ?1 AND event <= ?2 AND state IN ('delivered', 'dropped')"
    " AND event NOT IN (SELECT seq FROM emitted WHERE seq > ?1 AND seq <= ?2)"
)


class Forgotten(Struct, frozen=True):
    """How many events are gone, and the reader that others are kept for, with the number it has come to."""

    events: int = 0
    reader: str = ""
    number: int = 0


def forget_events(
    database: Database,
    now: int,
    *,
    days: int,
    but: Sequence[str] = (),
    spare: int = 0,
    dry_run: bool = False,
) -> Forgotten:
    """Remove events of more than `days` days ago that every reader has dealt with.

    Those stay that are to be delivered again or are dead letters, those since the oldest run began that has not ended,
    and those of the last `spare` ms: rules read so far back. Readers of ended runs, and those named in `but`, are
    forgotten first. With `dry_run` events are only counted.
    """
    if not dry_run:
        _forget_readers(database, but)
    begun = database.rows(_OLDEST)[0][0]
    limit = max(now - max(days * DAY, spare), 0)
    limit = limit if begun is None else min(limit, begun)
    (first, last), *_ = database.rows("SELECT coalesce(min(seq), 1) - 1, coalesce(max(seq), 0) FROM emitted")
    slowest = database.rows(
        f"SELECT name, event FROM reader WHERE NOT ({_OF_ENDED_RUNS}) ORDER BY event, name"  # noqa: S608 - a condition of ours
    )
    reader, reached = next(((name, event) for name, event in slowest if name not in but), ("", last))
    gone = 0
    for begin in range(first, min(last, reached), _AT_ONCE):
        bounds = (begin, min(begin + _AT_ONCE, last, reached), limit, rfc3339(limit))
        if dry_run:
            gone += database.rows(f"SELECT count(*){_NEEDED_BY_NOBODY}", bounds)[0][0]
        else:
            gone += _remove(database, bounds)
    if not database.rows(f"SELECT 1{_NEEDED_BY_NOBODY} LIMIT 1", (reached, last, limit, rfc3339(limit))):
        return Forgotten(gone)
    return Forgotten(gone, reader, reached)


def _remove(database: Database, bounds: tuple[int, int, int, str]) -> int:
    with database.writing() as db:
        db.execute(f"DELETE{_NEEDED_BY_NOBODY}", bounds)
        gone = db.changes()
        routes: list[Any] = db.execute("SELECT route FROM delivery GROUP BY route").fetchall() if gone else []
        for (route,) in routes:
            db.execute(_OVER, (*bounds[:2], route))
    return gone


def _forget_readers(database: Database, names: Sequence[str]) -> None:
    with database.writing() as db:
        db.execute(f"DELETE FROM reader WHERE {_OF_ENDED_RUNS}")  # noqa: S608 - a condition of ours
        db.executemany("DELETE FROM reader WHERE name = ?", [(name,) for name in names])


def forget_run(db: apsw.Connection, run_id: str) -> None:
    """Remove, in the transaction at hand, what the routes of a run have left."""
    for table, column in (("reader", "name"), ("delivery", "route")):
        # Between `run:ID/` and the next text that does not begin so.
        db.execute(
            f"DELETE FROM {table} WHERE {column} >= ? AND {column} < ?",  # noqa: S608 - names of ours
            (f"run:{run_id}/", f"run:{run_id}0"),
        )
