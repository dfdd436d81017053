"""A short look at a store: whether it is whole, whether it takes a commit, and how much of its log waits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import apsw
from msgspec import Struct

from mplp_cli.errors import StoreError
from mplp_cli.protocols import Clock
from mplp_cli.store import schema
from mplp_cli.store.database import Database, corrupt, translated, writer_of

#: Steps of SQLite between two looks at the clock.
_STEPS = 10_000


class Probed(Struct, frozen=True, kw_only=True):
    """What was found. `busy`: for so many seconds nobody could write but this process (0: not known); None: a commit
    was made. `waiting` are the bytes of the log that are not in the store proper yet."""

    details: dict[str, Any]
    waiting: int
    busy: int | None = None


def probe(database: Database, clock: Clock, seconds: float, *, whole: bool = True) -> Probed:
    """Look for `seconds` at most. `whole`: at every page, too, as far as the time reaches. StoreError if the store is
    damaged, or takes no commit."""
    begun = clock.monotonic()
    took, busy = _commit(database, clock, seconds / 3)
    [(size,)] = database.rows("PRAGMA page_size")
    [(_, log, merged)] = database.rows("PRAGMA wal_checkpoint(NOOP)")
    details: dict[str, Any] = {} if took is None else {"commitMs": took}
    if whole:
        details |= _pages(database, clock, begun + seconds)
    for name, end in (("size", ""), ("walSize", "-wal")):
        details[name] = _size(Path(f"{database.path}{end}"))
    for name, pragma in (
        ("format", "user_version"),
        ("journalMode", "journal_mode"),
        ("synchronous", "synchronous"),
    ):
        [(details[name],)] = database.rows(f"PRAGMA {pragma}")
    details |= {"sqlite": apsw.sqlite_lib_version(), "path": str(database.path)}
    return Probed(details=details, waiting=max(log - merged, 0) * size, busy=busy)


def _commit(database: Database, clock: Clock, patience: float) -> tuple[float | None, int | None]:
    """Milliseconds that a durable commit took which changes nothing; or the process that has been writing all the
    time. StoreError if there can be no commit."""
    db = database.connection()
    with translated(database.path):
        db.set_busy_timeout(round(patience * 1000))
    begun = clock.monotonic()
    try:
        with database.writing() as writing:
            # It writes the page that has the number, as any commit writes pages.
            writing.pragma("user_version", writing.pragma("user_version"))
    except StoreError as error:
        if error.details.get("cause") != "busy":
            raise
        return None, writer_of(database.path) or 0
    return round((clock.monotonic() - begun) * 1000, 1), None


def _pages(database: Database, clock: Clock, until: float) -> dict[str, Any]:
    """Whether every page is sound, and how much is stored. What takes longer is left out, and said so."""
    db = database.connection()
    with translated(database.path):
        db.set_progress_handler(lambda: clock.monotonic() > until, _STEPS)
        try:
            findings = [str(row[0]) for row in db.execute("PRAGMA quick_check(5)").fetchall()]
            if findings != ["ok"]:
                raise corrupt(database.path, "; ".join(findings))
            counts = db.execute(schema.COUNTS).fetchall()[0]
        except apsw.InterruptError:
            return {"integrity": "not looked at to the end; `mplp doctor` does"}
        finally:
            db.set_progress_handler(None)
    return {"integrity": "ok", **dict(zip(schema.COUNTED, counts, strict=True))}


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - the file is not opened
    except OSError:
        return 0
