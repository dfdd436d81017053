"""Places under concurrency keys: who has one, who waits, and who has lost it with its process.

A row is a run's. It is written in the transaction that creates the run (or when the run is taken up without
one) and goes in the transaction that records the run's end. Whether somebody drives a run is told by its lock
alone: a run that should be driven and is not has no claim, and whoever waits removes its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import apsw
from msgspec import Struct
from msgspec.structs import replace

from mplp_cli.clock import rfc3339
from mplp_cli.errors import ConcurrencyLimitError
from mplp_cli.protocols import Clock, Holding, Standing
from mplp_cli.store import schema
from mplp_cli.store.database import Database, translated
from mplp_cli.store.layout import lock_path
from mplp_cli.store.locks import is_held
from mplp_cli.workflow.fold.history import Turn
from mplp_cli.workflow.values import RunId

#: Statuses of a run that nobody drives and that keeps its place.
_PARKED = frozenset({"waiting", "paused"})


class _Row(Struct, frozen=True):
    """A run that has a place (since `at`) or waits for one, in the order in which they came."""

    run: RunId
    held: bool
    at: int
    #: Its key and status in the list of runs; 0 and empty if it is not there any more.
    number: int
    status: str
    #: Whether somebody asked it to end.
    ending: bool
    #: Whether a process has it.
    owned: bool

    @property
    def lost(self) -> bool:
        """Whether its process is gone, and with it the claim to a place."""
        return not self.owned and not (self.held and self.status in _PARKED)


class SqliteTurns:
    """The `Turns` of `protocols`, in the table `turn`."""

    def __init__(self, database: Database, state_dir: Path, clock: Clock) -> None:
        self._database = database
        self._state_dir = state_dir
        self._clock = clock

    def enter(self, db: apsw.Connection, run_id: RunId, turn: Turn) -> None:
        """Queue a run that the transaction creates; at once its place if there is one for it."""
        self._settle(db, run_id, turn, may_cancel=True)

    def take(self, run_id: RunId, turn: Turn) -> Standing:
        found = self._database.rows(schema.TURN_KEY, (run_id,))
        rows = self._rows(self._database.connection(), found[0]) if found else []
        if not found or (not _has_place(rows, run_id) and _room(rows, run_id, turn.max)):
            with self._database.writing() as db:
                freed = self._settle(db, run_id, turn, may_cancel=False)
                rows = self._rows(db, _all(db, schema.TURN_KEY, (run_id,))[0])
            return _standing(rows, run_id, turn.key, freed)
        return _standing(rows, run_id, turn.key)

    def standings(self, run_id: RunId | None = None) -> dict[RunId, Standing]:
        keys = self._database.rows(schema.TURN_KEYS, (run_id,))
        found = {}
        for place in keys:
            rows = self._rows(self._database.connection(), place)
            claims = [row for row in rows if not row.lost]
            held, queued = _held(claims, place[1]), count(1)
            for row in claims:
                standing = held if row.held else replace(held, position=next(queued))
                if run_id in (None, row.run):
                    found[row.run] = standing
        return found

    # ---- inside a transaction ----

    def _settle(self, db: apsw.Connection, run_id: RunId, turn: Turn, *, may_cancel: bool) -> list[RunId]:
        """Enter the run unless it is there, and give it its place if there is one; the runs that lost theirs."""
        [(workflow_id,)] = _all(db, "SELECT workflow_id FROM run WHERE id = ?", (run_id,))
        rows = self._rows(db, (workflow_id, turn.key))
        lost = [row for row in rows if row.lost and row.run != run_id]
        for row in lost:
            db.execute(schema.LEAVE_TURN, (row.run,))
        rows = [row for row in rows if row not in lost]
        now = self._clock.now()
        is_new = all(row.run != run_id for row in rows)
        room = _room(rows, run_id, turn.max)
        if is_new and not room and turn.on_limit == "fail":
            raise _refusal(rows, workflow_id, turn)
        if is_new:
            db.execute(schema.ADD_TURN, (workflow_id, turn.key, run_id, now))
        if is_new and may_cancel and not room and turn.on_limit == "cancel":
            self._cancel(db, rows, run_id, turn)
        if room and not _has_place(rows, run_id):
            db.execute(schema.GIVE_TURN, (now, run_id))
        return [row.run for row in lost if row.held]

    def _cancel(self, db: apsw.Connection, rows: Sequence[_Row], run_id: RunId, turn: Turn) -> None:
        """Ask the oldest runs to end, as many as must for the new one to have a place."""
        reason = f"run {run_id} takes its place under `{turn.key}`"
        for row in rows[: len(rows) + 1 - turn.max]:
            if not row.ending:
                db.execute(schema.ADD_CONTROL, (row.number, "cancel", "", f"run {run_id[:8]}", reason, b""))
        self._database.requests += 1

    def _rows(self, db: apsw.Connection, place: tuple[Any, ...]) -> list[_Row]:
        with translated(self._database.path):
            return [
                _Row(run, bool(held), at, number, status, bool(ending), is_held(self._lock(run)))
                for run, held, at, number, status, ending in _all(db, schema.TURNS, place)
            ]

    def _lock(self, run: RunId) -> Path:
        return lock_path(self._state_dir, run)


def _all(db: apsw.Connection, query: str, bindings: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return db.execute(query, bindings).fetchall()


def _has_place(rows: Sequence[_Row], run_id: RunId) -> bool:
    return any(row.held for row in rows if row.run == run_id)


def _room(rows: Sequence[_Row], run_id: RunId, most: int) -> bool:
    """Whether there is a place for the run, after those that came before it have got theirs."""
    taken, is_behind = 0, False
    for row in rows:
        if row.run == run_id:
            is_behind = True
        elif not row.lost:
            taken += row.held or not is_behind
    return taken < most


def _standing(rows: Sequence[_Row], run_id: RunId, key: str, freed: Sequence[RunId] = ()) -> Standing:
    position = 0
    if not _has_place(rows, run_id):
        queue = [row.run for row in rows if not row.held and (row.run == run_id or not row.lost)]
        position = 1 + queue.index(run_id)
    return replace(_held(rows, key), position=position, freed=list(freed))


def _held(rows: Sequence[_Row], key: str) -> Standing:
    """How one stands that has its place."""
    return Standing(
        key=key,
        position=0,
        holders=[Holding(row.run, row.at, row.status) for row in rows if row.held and not row.lost],
        ending=[row.run for row in rows if row.ending and not row.owned and not row.lost],
    )


def _refusal(rows: Sequence[_Row], workflow_id: str, turn: Turn) -> ConcurrencyLimitError:
    first = rows[0]
    more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
    has = "has the place" if first.held else "waits for the place"
    limit = f"at most {turn.max} run{'' if turn.max == 1 else 's'} of {workflow_id} at once"
    return ConcurrencyLimitError(
        f"run {first.run} {has} under `{turn.key}` since {rfc3339(first.at)}{more}: {limit}",
        hint=f"wait for it (`mplp status {first.run[:8]}`), or cancel it; `on-limit: queue` would wait",
        details={
            "workflowId": workflow_id,
            "key": turn.key,
            "max": turn.max,
            "holders": [row.run for row in rows if row.held],
            "queued": [row.run for row in rows if not row.held],
        },
    )
