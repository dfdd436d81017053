"""The upkeep of a store that loses nothing: its log written back, its statistics, places that nobody can claim."""

from __future__ import annotations

from pathlib import Path

from mplp_cli.store.database import Database, translated
from mplp_cli.store.schema import ENDED_TURNS


def log_size(database: Database) -> int:
    """Bytes of the write-ahead log."""
    path = Path(f"{database.path}-wal")
    with translated(path):
        return path.stat().st_size if path.exists() else 0


def write_back(database: Database) -> int:
    """Write the log back into the database as far as nobody reads it, and make it as short as that allows; its bytes
    afterwards."""
    # Anybody who is writing goes first, and keeps the log as it is.
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    database.rows("PRAGMA optimize")
    return log_size(database)


def lost_places(database: Database) -> int:
    """Places under concurrency keys whose runs have ended or are gone."""
    return int(database.rows(f"SELECT count(*) FROM turn WHERE {ENDED_TURNS}")[0][0])  # noqa: S608 - a condition of ours


def free_places(database: Database) -> int:
    """Free those; how many there were."""
    with database.writing() as db:
        db.execute(f"DELETE FROM turn WHERE {ENDED_TURNS}")  # noqa: S608 - a condition of ours
        return db.changes()
