"""The durable store: runs, histories, objects, questions and requests in one SQLite file."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from mplp_cli.errors import ConcurrencyLimitError, RunBusyError
from mplp_cli.protocols import (
    Alerts,
    ApprovalRecord,
    Board,
    CachedResult,
    Clock,
    Communication,
    Control,
    Definition,
    Deliveries,
    NewRun,
    Place,
    ProtocolObject,
    RunRecord,
    Samples,
    Switchboard,
    is_made_by,
)
from mplp_cli.store import schema
from mplp_cli.store.alerts import SqliteAlerts
from mplp_cli.store.answers import (
    VERBS,
    already_answered,
    another_question,
    answer_request,
    run_exists,
    run_has_ended,
    unknown_run,
)
from mplp_cli.store.board import SqliteBoard, add_events, event_rows
from mplp_cli.store.database import UNREADABLE, Connect, Database, connect, corrupt, translated
from mplp_cli.store.deliveries import SqliteDeliveries
from mplp_cli.store.journal import (
    SqliteJournal,
    add_objects,
    definition_row,
    encoded,
    only_row,
    packed,
    pages,
)
from mplp_cli.store.layout import database_path, lock_path, size_of
from mplp_cli.store.listing import records, sifted
from mplp_cli.store.locks import RunLock, busy, holder_of, process_name, seize, take
from mplp_cli.store.profiles import profiles
from mplp_cli.store.projections import ENDED
from mplp_cli.store.samples import SqliteSamples
from mplp_cli.store.shares import SqliteShares
from mplp_cli.store.switchboard import SqliteSwitchboard, add_communications
from mplp_cli.store.turns import SqliteTurns
from mplp_cli.workflow.estimates import Profile
from mplp_cli.workflow.fold.answers import NOTHING, Given
from mplp_cli.workflow.fold.history import Event
from mplp_cli.workflow.values import RunId, StepId

_OBJECTS_AT_ONCE: Final = 1_000

_body = msgspec.json.Decoder(dict[str, Any]).decode
_included = msgspec.msgpack.Decoder(dict[str, bytes]).decode
_json = msgspec.json.Decoder().decode
_approvers = msgspec.json.Decoder(list[str]).decode


class SqliteStore:
    """The `Store` of `protocols`, in a state directory. One connection; for one thread."""

    def __init__(self, state_dir: Path, clock: Clock, connect: Connect = connect) -> None:
        """Open the store, made if the directory has none. StoreError if it cannot be used."""
        self._state_dir = state_dir
        self._clock = clock
        self._database = Database(database_path(state_dir), connect)
        self._journals: list[SqliteJournal] = []
        self.board: Board = SqliteBoard(self._database)
        self.deliveries: Deliveries = SqliteDeliveries(self._database, state_dir, clock)
        self.switchboard: Switchboard = SqliteSwitchboard(self._database)
        self.turns = SqliteTurns(self._database, state_dir, clock)
        self.shares = SqliteShares(self._database, state_dir, clock)
        self.samples: Samples = SqliteSamples(self._database)
        self.alerts: Alerts = SqliteAlerts(self._database, state_dir, clock)

    # ---- owning a run ----

    def create_run(self, run: NewRun, events: Sequence[Event]) -> SqliteJournal:
        def begin(db: apsw.Connection) -> SqliteJournal:
            if db.execute("SELECT 1 FROM run WHERE id = ?", (run.id,)).fetchone():
                raise run_exists(run.id)
            row = (run.id, run.workflow_id, run.name, owner, run.created_at)
            (key,) = only_row(db.execute(schema.ADD_RUN, row))
            db.execute(schema.ADD_DEFINITION, (key, *definition_row(run)))
            if (made_for := run.relation) is not None:
                db.execute(schema.ADD_RELATION, (key, made_for.kind, made_for.run, made_for.step))
            if (cause := run.cause) is not None:
                db.execute(schema.ADD_CAUSE, (key, cause.by, cause.event))
            journal = SqliteJournal(self._database, self.shares, lock, run.id, key)
            journal.begin(db, events)
            add_events(db, event_rows(run.told))
            if run.turn is not None:
                self.turns.enter(db, run.id, run.turn)
            return journal

        owner = process_name()
        try:
            lock = self._lock(run.id, owner)
        except RunBusyError:
            if self._database.rows("SELECT 1 FROM run WHERE id = ?", (run.id,)):
                raise run_exists(run.id) from None
            raise  # another process is about to create it
        try:
            return self._owned([lock], begin)
        except ConcurrencyLimitError:
            with translated(self._database.path):
                lock_path(self._state_dir, run.id).unlink(missing_ok=True)
            raise

    def own_run(self, run_id: RunId, by: str, *, take_over: bool = False) -> SqliteJournal:
        def own(db: apsw.Connection) -> SqliteJournal:
            if take_over:  # in here, where nobody else takes it over
                held.append(self._lock(run_id, by, seizes=True))
            journal = SqliteJournal(self._database, self.shares, held[0], run_id, key)
            journal.own(db, by)
            if not held[0].is_current():
                raise busy(run_id, holder_of(held[0].path))
            return journal

        key, _ = self._run(run_id)
        held = [] if take_over else [self._lock(run_id, by)]
        return self._owned(held, own)

    def _lock(self, run_id: RunId, by: str, *, seizes: bool = False) -> RunLock:
        path, now = lock_path(self._state_dir, run_id), self._clock.now()
        with translated(path):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            return seize(path, by, now) if seizes else take(path, run_id, by, now)

    def _owned(self, held: list[RunLock], write: Callable[[apsw.Connection], SqliteJournal]) -> SqliteJournal:
        try:
            with self._database.writing() as db:
                journal = write(db)
        except BaseException:
            for lock in held:
                lock.release()
            raise
        self._journals = [*(j for j in self._journals if not j.closed), journal]
        return journal

    # ---- runs ----

    def find_runs(self, name: str) -> list[RunRecord]:
        # No id goes on with the last character there is.
        begins = " WHERE id >= ?1 AND id < ?1 || char(0x10ffff)"
        found = self._records(begins, (name.lower(),)) if name else []
        return found or self._records(" WHERE workflow_id = ?1", (name,))

    def runs(
        self,
        *,
        workflow_id: str | None = None,
        status: str | None = None,
        limit: int = 100,
        children: bool = True,
        child_of: RunId | None = None,
    ) -> list[RunRecord]:
        if child_of is not None:
            return self._records(" WHERE kind = 'child' AND other = ?1", (child_of,))
        where = (
            " WHERE (?1 IS NULL OR workflow_id = ?1) AND (?2 IS NULL OR status = ?2)"
            " AND (?4 OR kind IS NOT 'child')"
        )
        return self._records(where, (workflow_id, status, limit, children), " LIMIT ?3")

    def sift_runs(
        self,
        behind: Place | None,
        limit: int,
        *,
        workflow_id: str | None = None,
        statuses: Sequence[str] = (),
    ) -> tuple[list[RunRecord], Place | None]:
        return sifted(self._database, self._state_dir, behind, limit, workflow_id, statuses)

    def _records(self, where: str, bindings: Sequence[Any], limit: str = "") -> list[RunRecord]:
        rows = self._database.rows(schema.RUNS + where + schema.NEWEST + limit, bindings)
        return records(self._database, self._state_dir, rows)

    def _run(self, run_id: RunId) -> tuple[int, str]:
        """Key and status of a run. UnknownRunError."""
        rows = self._database.rows("SELECT key, status FROM run WHERE id = ?", (run_id,))
        if not rows:
            raise unknown_run(run_id)
        return rows[0][0], rows[0][1]

    def definition(self, run_id: RunId) -> Definition:
        key, _ = self._run(run_id)
        rows = self._database.rows(schema.DEFINITION, (key,))
        if not rows:
            raise corrupt(self._database.path, f"run {run_id} has no definition")
        source, source_name, source_dir, cwd, plan, packed = rows[0]
        try:
            source = zlib.decompress(source)
            included = _included(zlib.decompress(packed)) if packed else {}
        except (zlib.error, TypeError, msgspec.MsgspecError) as error:
            raise corrupt(self._database.path, f"the definition of run {run_id}: {error}") from error
        return Definition(
            source=source,
            source_name=source_name,
            source_dir=source_dir,
            cwd=cwd,
            plan=plan,
            included=included,
        )

    def history(self, run_id: RunId, after: int = -1) -> Iterator[tuple[int, Event]]:
        key, _ = self._run(run_id)
        return (pair for first, page in pages(self._database, key, after) for pair in enumerate(page, first))

    # ---- requests and questions ----

    def request(self, run_id: RunId, control: Control) -> None:
        with self._database.writing() as db:
            row = db.execute("SELECT key, status FROM run WHERE id = ?", (run_id,)).fetchone()
            if row is None:
                raise unknown_run(run_id)
            key, status = row
            if status in ENDED:
                raise run_has_ended(run_id, status)
            _leave(db, key, control)
        self._database.requests += 1

    def approvals(
        self, *, run_id: RunId | None = None, state: str | None = "pending"
    ) -> list[ApprovalRecord]:
        where = " WHERE (?1 IS NULL OR r.id = ?1) AND (?2 IS NULL OR a.state = ?2)"
        query = schema.APPROVALS + where + " ORDER BY a.asked_at, a.run, a.seq"
        return [self._approval(row) for row in self._database.rows(query, (run_id, state))]

    def decide(
        self,
        run_id: RunId,
        step: StepId,
        decision: str,
        by: str,
        reason: str,
        at: int,
        given: Given = NOTHING,
    ) -> ApprovalRecord:
        verb = VERBS[decision]
        answered = schema.APPROVALS + " WHERE a.run = ?1 AND a.step = ?2 ORDER BY a.seq DESC LIMIT 1"
        with self._database.writing() as db:
            row = db.execute("SELECT key FROM run WHERE id = ?", (run_id,)).fetchone()
            if row is None:
                raise unknown_run(run_id)
            (key,) = row
            db.execute(schema.SETTLE, (key, step, decision, by, reason, at, packed(given.inputs)))
            first = db.changes() == 1
            last = db.execute(answered, (key, step)).fetchone()
            record = None if last is None else self._approval(last)
            if record is None or not first:
                raise already_answered(run_id, step, record)
            if given.digest not in ("", record.digest):
                raise another_question(run_id, record)
            _leave(db, key, answer_request(verb, record))
        self._database.requests += 1
        return record

    def _approval(self, row: Sequence[Any]) -> ApprovalRecord:
        fields = dict(zip(ApprovalRecord.__struct_fields__, row, strict=True))
        try:
            fields["approvers"] = _approvers(fields["approvers"])
            for name in ("form", "inputs"):
                fields[name] = _body(fields[name]) if fields[name] else {}
        except UNREADABLE as error:
            raise corrupt(self._database.path, f"a question of run {fields['run']}: {error}") from error
        return ApprovalRecord(**fields)

    # ---- objects ----

    def objects(self, kind: str | None = None) -> Iterator[ProtocolObject]:
        last = ("", "")
        while True:
            rows = self._database.rows(schema.OBJECTS, (*last, kind, _OBJECTS_AT_ONCE))
            for of_kind, name, version, body in rows:
                yield ProtocolObject(
                    of_kind, name, version, _object(self._database.path, of_kind, name, body)
                )
            if len(rows) < _OBJECTS_AT_ONCE:
                return
            last = rows[-1][:2]

    def newer(self, kind: str, identifier: str, version: int) -> ProtocolObject | None:
        rows = self._database.rows(schema.NEWER, (kind, identifier, version))
        path = self._database.path
        found = [ProtocolObject(kind, identifier, n, _object(path, kind, identifier, b)) for n, b in rows]
        return found[0] if found else None

    def object_versions(self, kind: str, identifier: str) -> list[ProtocolObject]:
        path = self._database.path
        return [
            ProtocolObject(kind, identifier, version, _object(path, kind, identifier, body))
            for version, body in self._database.rows(schema.OBJECT_VERSIONS, (kind, identifier))
        ]

    def versions(self, run_id: RunId) -> Iterator[ProtocolObject]:
        rows = self._database.rows(schema.VERSIONS, (f'"run:{run_id}"'.encode(),))
        for (kind, name), group in groupby(rows, key=itemgetter(0, 1)):
            path = self._database.path
            found = [ProtocolObject(kind, name, row[2], _object(path, kind, name, row[3])) for row in group]
            if is_made_by(found, run_id):
                yield from found

    def record(self, objects: Sequence[ProtocolObject], said: Sequence[Communication] = ()) -> None:
        bodies = encoded("", [o.body for o in objects])
        with self._database.writing() as db:
            # No run has the key 0.
            add_objects(db, 0, objects, bodies)
            add_communications(db, said)

    # ---- the cache ----

    def cached(self, begins: str) -> list[CachedResult]:
        found = []
        for key, step, run, at, until, result in self._database.rows(schema.CACHED, (begins,)):
            with suppress(*UNREADABLE):
                value = _json(result)
                found.append(CachedResult(key=key, step=step, run=run, at=at, until=until, result=value))
        return found

    # ---- what runs have shown ----

    def profiles(self, workflow_id: str, limit: int) -> Iterator[Profile]:
        return profiles(self._database, workflow_id, limit)

    # ---- the store itself ----

    def check(self) -> dict[str, Any]:
        db, path = self._database, self._database.path
        findings = [row[0] for row in db.rows("PRAGMA quick_check(5)")]
        if findings != ["ok"]:
            raise corrupt(path, "; ".join(findings))
        with translated(path):
            sizes = {name: size_of(Path(f"{path}{end}")) for name, end in (("size", ""), ("walSize", "-wal"))}
            disk = os.statvfs(path.parent)
        return {
            "path": str(path),
            "sqlite": apsw.sqlite_lib_version(),
            "journalMode": db.rows("PRAGMA journal_mode")[0][0],
            "synchronous": db.rows("PRAGMA synchronous")[0][0],
            "format": db.rows("PRAGMA user_version")[0][0],
            "integrity": "ok",
            **dict(zip(schema.COUNTED, db.rows(schema.COUNTS)[0], strict=True)),
            **sizes,
            "freeDisk": disk.f_bavail * disk.f_frsize,
        }

    def close(self) -> None:
        for journal in self._journals:
            journal.close()
        self._journals.clear()
        self._database.close()


def _leave(db: apsw.Connection, key: int, control: Control) -> None:
    db.execute(
        schema.ADD_CONTROL,
        (key, control.verb, control.step, control.by, control.reason, packed(control.data)),
    )


def _object(path: Path, kind: str, name: str, body: bytes) -> dict[str, Any]:
    try:
        return _body(body)
    except UNREADABLE as error:
        raise corrupt(path, f"{kind} {name}: {error}") from error
