"""The list of runs, as SQLite has it: the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from mplp_cli.protocols import Place, Relation, RunRecord
from mplp_cli.store import schema
from mplp_cli.store.database import Database, translated
from mplp_cli.store.layout import lock_path
from mplp_cli.store.locks import is_held
from mplp_cli.workflow.published import Cause

#: Runs that are looked at together.
AT_ONCE: Final = 1_000
_ID, _STATUS, _CREATED_AT = map(RunRecord.__struct_fields__.index, ("id", "status", "created_at"))
#: Before all runs of the list, and behind them: when a run was created, and its key.
_HEAD, _END = (1 << 62, 0), (-1, 0)
_BEHIND: Final = " WHERE (created_at, key) < (?1, ?2)"
_LOOKED_AT: Final = f"SELECT created_at, key, id FROM run{_BEHIND}{schema.NEWEST} LIMIT 1 OFFSET ?3"  # noqa: S608 - statements of ours
_SIFTED: Final = (
    schema.RUNS  # noqa: S608 - statements of ours
    + _BEHIND
    + " AND (created_at, key) >= (?3, ?4) AND kind IS NOT 'child' AND (?5 IS NULL OR workflow_id = ?5)"
    " AND (?6 = '[]' OR status IN (SELECT value FROM json_each(?6)))" + schema.NEWEST + " LIMIT ?7"
)


def records(database: Database, state_dir: Path, rows: Iterable[tuple[Any, ...]]) -> list[RunRecord]:
    """Runs of the list, but those that are gone by now. `rows`: of `schema.RUNS`."""
    return [record for row in rows for record in _current(database, state_dir, row)]


def _current(database: Database, state_dir: Path, row: tuple[Any, ...]) -> Iterator[RunRecord]:
    rows = [row]
    path = lock_path(state_dir, row[_ID])
    with translated(path):
        owned = is_held(path)
    if not owned and row[_STATUS] == "running":
        # Its owner may have ended it between the two looks; then it was not interrupted.
        rows = database.rows(schema.RUNS + " WHERE id = ?", (row[_ID],))
    yield from (_record(row, owned) for row in rows)


def _record(row: Sequence[Any], owned: bool) -> RunRecord:
    *own, kind, other, step, request, by, event = row
    relation = None if kind is None else Relation(kind=kind, run=other, step=step)
    fields = (*own, owned, relation, request, None if by is None else Cause(by=by, event=event))
    return RunRecord(**dict(zip(RunRecord.__struct_fields__, fields, strict=True)))


def sifted(
    database: Database,
    state_dir: Path,
    behind: Place | None,
    limit: int,
    workflow_id: str | None,
    statuses: Sequence[str],
) -> tuple[list[RunRecord], Place | None]:
    """As `Store.sift_runs` says."""
    begin = _HEAD
    if behind is not None:
        # Of one that is gone is only known when it was created: behind it are all that are older.
        known = database.rows("SELECT key FROM run WHERE id = ?", behind[1:])
        begin = behind[0], known[0][0] if known else 0
    last = database.rows(_LOOKED_AT, (*begin, AT_ONCE - 1))
    end = last[0][:2] if last else _END
    wanted = msgspec.json.encode(list(statuses)).decode()
    rows = database.rows(_SIFTED, (*begin, *end, workflow_id, wanted, limit))
    found = records(database, state_dir, rows)
    if len(rows) == limit:
        return found, (rows[-1][_CREATED_AT], rows[-1][_ID])
    return found, (last[0][0], last[0][2]) if last else None
