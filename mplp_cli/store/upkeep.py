"""The upkeep of a store that loses nothing: its log written back, its statistics, what dead runs hold."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import msgspec

from mplp_cli.store.database import BUSY_TIMEOUT, UNREADABLE, Database, corrupt, translated
from mplp_cli.store.layout import lock_path
from mplp_cli.store.locks import is_held
from mplp_cli.store.schema import ENDED_TURNS
from mplp_cli.workflow.resources import Share

#: Milliseconds that writing the log back waits for those who read it: whoever wants to write waits as long.
_PATIENCE: Final = 200
#: Seconds between two looks whether others, or a thread of this process, have ended writing it back.
_PAUSE: Final = 0.01
_TRUNCATE: Final = "PRAGMA wal_checkpoint(TRUNCATE)"
#: What it answers while somebody else writes the log back: SQLite waits for nobody then.
_BESIDE: Final = (1, -1, -1)

_share: Final = msgspec.json.Decoder(Share).decode


def log_size(database: Database) -> int:
    """Bytes of the write-ahead log."""
    path = Path(f"{database.path}-wal")
    with translated(path):
        return path.stat().st_size if path.exists() else 0


def write_back(database: Database) -> int:
    """Write the log back into the database as far as nobody reads it, and make it as short as that allows; its bytes
    afterwards."""
    with translated(database.path):
        db = database.connection()
        db.set_busy_timeout(_PATIENCE)
        try:
            # It says so in its answer, and fails for nobody, if somebody is busy: the log stays as it is.
            until = time.monotonic() + BUSY_TIMEOUT / 1000
            while db.execute(_TRUNCATE).get == _BESIDE and time.monotonic() < until:
                time.sleep(_PAUSE)
        finally:
            db.set_busy_timeout(BUSY_TIMEOUT)
        db.execute("PRAGMA optimize").fetchall()
    return log_size(database)


def lost_places(database: Database) -> int:
    """Places under concurrency keys whose runs have ended or are gone."""
    return int(database.rows(f"SELECT count(*) FROM turn WHERE {ENDED_TURNS}")[0][0])  # noqa: S608 - a condition of ours


def free_places(database: Database) -> int:
    """Free those; how many there were."""
    with database.writing() as db:
        db.execute(f"DELETE FROM turn WHERE {ENDED_TURNS}")  # noqa: S608 - a condition of ours
        return db.changes()


def dead_shares(database: Database, now: int) -> list[Share]:
    """What runs hold of the pool whose process is gone."""
    found = []
    for run, body in database.rows("SELECT run, body FROM share ORDER BY run"):
        try:
            share = _share(body)
        except UNREADABLE as error:
            raise corrupt(database.path, f"what run {run} holds of the pool: {error}") from error
        path = lock_path(database.path.parent, run)
        with translated(path):
            lives = is_held(path)
        if not lives and share.rest(now) != share.at(now):
            found.append(share)
    return found
