"""Who holds what of the pool of resources: a row for each run, and one for each allocation by hand.

A share is enlarged in a small transaction of its own that looks at everybody else's, and made smaller in the
transaction of the facts that end attempts. Whether somebody drives a run is told by its lock alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from mplp_cli.errors import AllocationNotFoundError
from mplp_cli.protocols import Clock
from mplp_cli.store import schema
from mplp_cli.store.database import UNREADABLE, Database, corrupt, translated
from mplp_cli.store.layout import lock_path
from mplp_cli.store.locks import is_held
from mplp_cli.workflow.resources import Allocation, Demand, Pool, Share, allotted, fits
from mplp_cli.workflow.values import RunId

_encode: Final = msgspec.json.Encoder().encode
_share: Final = msgspec.json.Decoder(Share).decode
_allocation: Final = msgspec.json.Decoder(Allocation).decode

#: A row: the run, empty for an allocation, and what it holds as JSON.
_Row = tuple[str, bytes]
_Fence = Callable[[apsw.Connection], None]


class SqliteShares:
    """The `Shares` of `protocols`, in the tables `share` and `allocation`."""

    def __init__(self, database: Database, state_dir: Path, clock: Clock) -> None:
        self._database = database
        self._state_dir = state_dir
        self._clock = clock
        #: How often this store itself has written; SQLite reports the writes of others only.
        self._writes = 0
        #: What each run has seen of the others, and when.
        self._looks: dict[RunId, tuple[tuple[int, ...], list[_Row]]] = {}
        #: What raises LostOwnershipError in a transaction if the run is not this process's any more.
        self._fences: dict[RunId, _Fence] = {}

    # ---- the contract ----

    def others(self, run: RunId) -> Sequence[Share] | None:
        change = self._change()
        seen, rows = self._looks.get(run, (None, None))
        if seen == change:
            return None
        found: list[Any] = self._database.rows(schema.SHARES, (run,))
        self._looks[run] = change, found
        return None if found == rows else self._decoded(found)

    def reap(self, end: Callable[[RunId], None]) -> None:
        for share in self._every():
            if share.rest(self._clock.now()) == share or self._is_driven(share.run):
                continue
            if share.has_place:
                end(share.run)
            with self._database.passing() as db:
                if not self._is_driven(share.run):  # nobody has taken it up meanwhile
                    self.leave(db, share.run, ended=False)

    def take(self, pool: Pool, share: Share) -> Sequence[Share] | None:
        with self._database.passing() as db:
            if (fence := self._fences.get(share.run)) is not None:
                fence(db)
            rows: list[Any] = db.execute(schema.SHARES, (share.run,)).fetchall()
            others = self._decoded(rows)
            self._drop_empty(db, rows, others)
            if fits(pool, share, others, self._clock.now(), self._own(db, share.run)):
                self.put(db, share)
                return None
            self._looks[share.run] = self._change(), rows
            return others

    def all(self) -> Sequence[Share]:
        now = self._clock.now()
        found = [share.at(now) if self._is_driven(share.run) else share.rest(now) for share in self._every()]
        return [share for share in found if not share.is_empty]

    def allocations(self) -> Sequence[Allocation]:
        found = [self._allocation(body) for (body,) in self._database.rows(schema.ALLOCATIONS)]
        return sorted(found, key=lambda one: (one.at, one.id))

    def allocate(self, pool: Pool, demand: Demand, allocation: str, by: str, now: int) -> Allocation:
        with self._database.writing() as db:
            there: list[Any] = db.execute(schema.ALLOCATION, (allocation,)).fetchall()
            if there:
                return self._allocation(there[0][0])
            others = self._decoded(db.execute(schema.SHARES, ("",)).fetchall())
            made = allotted(pool, demand, others, identifier=allocation, by=by, now=now)
            db.execute(schema.ALLOCATE, (allocation, by, _encode(made)))
        self._writes += 1
        return made

    def release(self, allocation: str, attempt: str = "") -> Allocation:
        with self._database.writing() as db:
            there: list[Any] = db.execute(schema.ALLOCATION, (allocation,)).fetchall()
            if not there or there[0][1] not in ("", attempt):
                raise AllocationNotFoundError(allocation)
            if attempt:
                db.execute(schema.RELEASE, (allocation, attempt))
            else:
                db.execute(schema.DROP_ALLOCATION, (allocation,))
        self._writes += 1
        return self._allocation(there[0][0])

    # ---- for journals ----

    def enter(self, run: RunId, fence: _Fence) -> None:
        """A journal has the run."""
        self._fences[run] = fence
        self._looks.pop(run, None)

    def exit(self, run: RunId, fence: _Fence) -> None:
        """A journal has given the run up."""
        if self._fences.get(run) == fence:
            del self._fences[run]
            self._looks.pop(run, None)

    def put(self, db: apsw.Connection, share: Share) -> None:
        """What a run holds from the transaction at hand on; a run that holds nothing has no row."""
        share = share.at(self._clock.now())
        if share.is_empty:
            db.execute(schema.DROP_SHARE, (share.run,))
        else:
            db.execute(schema.SET_SHARE, (share.run, _encode(share)))
        self._writes += 1

    def leave(self, db: apsw.Connection, run: RunId, *, ended: bool) -> None:
        """Nobody drives the run from the transaction at hand on."""
        if (share := self._own(db, run)) is not None:
            self.put(db, share.rest(self._clock.now()))
        if ended:
            db.execute(schema.DROP_ALLOCATIONS, (run,))
            self._writes += db.changes() > 0

    # ---- the rest ----

    def _drop_empty(self, db: apsw.Connection, rows: list[Any], others: Sequence[Share]) -> None:
        """Runs that have ended leave a row behind until what they had spent of rates is back."""
        if len(rows) > len(others):
            left = {share.run for share in others}
            for run in [run for run, _ in rows if run and run not in left]:
                db.execute(schema.DROP_SHARE, (run,))

    def _change(self) -> tuple[int, ...]:
        return self._writes, *self._database.change()

    def _own(self, db: apsw.Connection, run: RunId) -> Share | None:
        found: list[Any] = db.execute(schema.SHARE, (run,)).fetchall()
        return self._decode(found[0][0]) if found else None

    def _every(self) -> list[Share]:
        """The shares of all runs, whoever drives them."""
        rows = self._database.rows("SELECT body FROM share ORDER BY run")
        return [self._decode(body) for (body,) in rows]

    def _decoded(self, rows: Iterable[Any]) -> list[Share]:
        now = self._clock.now()
        found = (self._decode(body).at(now) if run else self._allocation(body).share for run, body in rows)
        return [share for share in found if not share.is_empty]

    def _decode(self, body: bytes) -> Share:
        try:
            return _share(body)
        except UNREADABLE as error:
            raise corrupt(self._database.path, f"what a run holds of the pool: {error}") from error

    def _allocation(self, body: bytes) -> Allocation:
        try:
            return _allocation(body)
        except UNREADABLE as error:
            raise corrupt(self._database.path, f"what is held by hand: {error}") from error

    def _is_driven(self, run: RunId) -> bool:
        path = lock_path(self._state_dir, run)
        with translated(path):
            return is_held(path)
