"""Taking ended runs out of a store, each with everything that belongs to it.

Objects belong to the project, not to the run that wrote them: the newest version of each stays, and what the
run wrote before that goes with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from mplp_cli.errors import RunBusyError
from mplp_cli.store import schema
from mplp_cli.store.database import Database, translated
from mplp_cli.store.forgetting import DAY, forget_run
from mplp_cli.store.layout import lock_path, log_dir
from mplp_cli.store.locks import RunLock, take
from mplp_cli.store.projections import ENDED
from mplp_cli.store.schema import COUNT_STALE, DROP_STALE
from mplp_cli.workflow.values import RunId

_OF_A_RUN: Final = ("event", "definition", "control", "approval", "relation", "profile", "cause")
_SUPERSEDED: Final = (
    "DELETE FROM object WHERE run = ?1 AND EXISTS (SELECT 1 FROM object newer"
    " WHERE newer.kind = object.kind AND newer.id = object.id AND newer.version > object.version)"
)


class EndedRun(Struct, frozen=True):
    """A run that may be taken out. `ended_at` is ms since the epoch."""

    id: RunId
    workflow_id: str
    status: str
    ended_at: int


def ended_runs(database: Database, workflow_id: str | None = None) -> list[EndedRun]:
    """The runs that have ended, the last first; of one workflow, or of all.

    The run of a sub-workflow goes with the run that it belongs to; alone it counts when that one is gone.
    """
    rows = database.rows(
        "SELECT id, workflow_id, status, coalesce(ended_at, created_at) FROM run"
        " WHERE NOT EXISTS (SELECT 1 FROM relation JOIN run above ON above.id = relation.other"
        " WHERE relation.run = run.key AND relation.kind = 'child')"
        " AND status IN ('completed', 'failed', 'cancelled') AND (?1 IS NULL OR workflow_id = ?1)"
        " ORDER BY coalesce(ended_at, created_at) DESC, key DESC",
        (workflow_id,),
    )
    return [EndedRun(*row) for row in rows]


def surplus(runs: Sequence[EndedRun], now: int, *, days: int | None, keep: int | None) -> list[EndedRun]:
    """Those that ended more than `days` days ago, and those beyond the first `keep`. `runs`: the last first."""
    return [
        run
        for number, run in enumerate(runs)
        if (keep is not None and number >= keep) or (days is not None and run.ended_at < now - days * DAY)
    ]


def remove_run(database: Database, state_dir: Path, run_id: RunId, now: int) -> bool:
    """Remove an ended run for good, after the runs of its sub-workflows.

    False if a process holds it or one of them, or it goes on or is gone by now.
    """
    path = lock_path(state_dir, run_id)
    with translated(path):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = take(path, run_id, "mplp runs prune", now)
        except RunBusyError:
            return False
    try:
        children = _children(database, run_id)
        if children is None or not all(remove_run(database, state_dir, child, now) for child in children):
            return False
        if not _delete(database, run_id, lock):
            return False
        # The rows go first: a crash here leaves files of a run that nobody knows, which `mplp doctor` finds.
        with translated(path):
            folder = log_dir(state_dir, run_id).parent
            if folder.exists():
                shutil.rmtree(folder)
            path.unlink(missing_ok=True)
        return True
    finally:
        lock.release()


def stale_results(
    database: Database, now: int, *, days: int | None, workflow_id: str | None = None, dry_run: bool = False
) -> int:
    """Remove cached results that have expired, or were stored more than `days` days ago; how many.

    With `dry_run` they are only counted.
    """
    limits = (now, 0 if days is None else now - days * DAY, workflow_id)
    if dry_run:
        return int(database.rows(COUNT_STALE, limits)[0][0])
    with database.writing() as db:
        db.execute(DROP_STALE, limits)
        return db.changes()


def _children(database: Database, run_id: RunId) -> list[RunId] | None:
    """The runs of the sub-workflows of an ended run; None if it has not ended, or is gone."""
    found = database.rows("SELECT status FROM run WHERE id = ?", (run_id,))
    if not found or found[0][0] not in ENDED:
        return None
    query = (
        "SELECT run.id FROM relation JOIN run ON run.key = relation.run WHERE other = ? AND kind = 'child'"
    )
    return [row[0] for row in database.rows(query, (run_id,))]


def _delete(database: Database, run_id: RunId, lock: RunLock) -> bool:
    with database.writing() as db:
        if not lock.is_current():
            return False
        row = db.execute("SELECT key, status FROM run WHERE id = ?", (run_id,)).fetchone()
        if row is None or row[1] not in ENDED:
            return False
        (key, _) = row
        for table in _OF_A_RUN:
            db.execute(f"DELETE FROM {table} WHERE run = ?", (key,))  # noqa: S608 - a name of ours
        db.execute(_SUPERSEDED, (key,))
        # Keys are used again; an object that stays must not seem to be of a later run.
        db.execute("UPDATE object SET run = 0 WHERE run = ?", (key,))
        for statement in (schema.LEAVE_TURN, schema.DROP_SHARE, schema.DROP_ALLOCATIONS):
            db.execute(statement, (run_id,))
        forget_run(db, run_id)
        db.execute("DELETE FROM run WHERE key = ?", (key,))
    return True
