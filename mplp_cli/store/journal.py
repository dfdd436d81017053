"""The history of one run in SQLite: a row a fact, a transaction a batch, fenced by the run's epoch."""

from __future__ import annotations

import gc
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, repeat
from pathlib import Path
from typing import Any, Final, assert_never

import apsw
import msgspec

from mplp_cli.errors import LostOwnershipError, MplpError, StoreError
from mplp_cli.protocols import Communication, Control, Definition, NewRun, ProtocolObject
from mplp_cli.store import schema
from mplp_cli.store.answers import object_conflict, unknown_run
from mplp_cli.store.board import add_event, add_events, event_rows
from mplp_cli.store.database import UNREADABLE, Database, corrupt, translated
from mplp_cli.store.locks import RunLock
from mplp_cli.store.profiles import add_profile
from mplp_cli.store.projections import (
    ENDED,
    UNDRIVEN,
    Asked,
    Entered,
    Kept,
    Projection,
    Settled,
    Taken,
    Told,
    project,
)
from mplp_cli.store.shares import SqliteShares
from mplp_cli.store.switchboard import add_communications
from mplp_cli.workflow.estimates import Profile
from mplp_cli.workflow.fold.history import Event, RunRedefined
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.resources import Share
from mplp_cli.workflow.values import RunId

#: Rows and bytes that a reader holds at once.
_PAGE_ROWS: Final = 16_384
_PAGE_BYTES: Final = 4 << 20

#: An owner as `locks.process_name` names it.
_PROCESS: Final = re.compile(r"\d+@\S+")

_encode = msgspec.json.Encoder().encode
_mapping = msgspec.json.Decoder(dict[str, Any]).decode
_decode = msgspec.json.Decoder(list[Event]).decode


class SqliteJournal:
    """A run's history, held by this process: the `Journal` of `protocols`.

    After a failed `append` the journal is broken for good: what it knows about the history may be
    wrong, so the run has to be owned anew.
    """

    def __init__(self, database: Database, shares: SqliteShares, lock: RunLock, run: RunId, key: int) -> None:
        """The journal of a run that was just locked; `own` or `create` makes it usable."""
        self._database = database
        self._shares = shares
        self._lock = lock
        self._run = run
        self._key = key
        self._epoch = 1
        #: The number of the next fact.
        self._seq = 0
        self._status = "pending"
        #: Why nothing more can be appended.
        self._end: MplpError | None = None
        self._change: tuple[int, int, int] | None = None
        #: The number of the last request that was handed out.
        self._control = -1

    # ---- opening, inside a transaction of the store ----

    def begin(self, db: apsw.Connection, events: Sequence[Event]) -> None:
        """Write the first facts of a run that the transaction creates."""
        self._add(db, encoded(self._run, events), project(self._run, self._status, 0, events))
        self._shares.enter(self._run, self._fence)

    def own(self, db: apsw.Connection, by: str) -> None:
        """Raise the epoch, so that an earlier owner writes nothing more; learn where the history ends."""
        raised = "UPDATE run SET epoch = epoch + 1, owner = ? WHERE key = ? RETURNING epoch, status"
        found: list[Any] = db.execute(raised, (by, self._key)).fetchall()
        if not found:  # it was pruned between a look at it and its lock
            raise unknown_run(self._run)
        self._epoch, self._status = found[0]
        db.execute(schema.DROP_PAUSES, (self._key,))
        following = "SELECT coalesce(max(seq), -1) + 1 FROM event WHERE run = ?"
        (self._seq,) = only_row(db.execute(following, (self._key,)))
        self._shares.enter(self._run, self._fence)

    # ---- the contract ----

    def append(
        self,
        events: Sequence[Event],
        objects: Sequence[ProtocolObject] = (),
        said: Sequence[Communication] = (),
        share: Share | None = None,
        profile: Profile | None = None,
        told: Sequence[Published] = (),
    ) -> None:
        self._write(events, objects, said, share=share, profile=profile, told=told)

    def redefine(self, fact: RunRedefined, definition: Definition) -> None:
        self._write([fact], (), definition=definition)

    def park(
        self,
        events: Sequence[Event],
        objects: Sequence[ProtocolObject] = (),
        said: Sequence[Communication] = (),
        share: Share | None = None,
        told: Sequence[Published] = (),
    ) -> bool:
        return self._write(events, objects, said, unless_asked=True, share=share, told=told)

    def _write(  # noqa: PLR0913 - all that one transaction may hold
        self,
        events: Sequence[Event],
        objects: Sequence[ProtocolObject],
        said: Sequence[Communication] = (),
        *,
        unless_asked: bool = False,
        definition: Definition | None = None,
        share: Share | None = None,
        profile: Profile | None = None,
        told: Sequence[Published] = (),
    ) -> bool:
        self._check_usable()
        if not events and not objects and not told and share is None:
            return True
        after = project(self._run, self._status, self._seq, events)
        facts, versions = encoded(self._run, events), encoded(self._run, [o.body for o in objects])
        published = event_rows(told)
        try:
            with self._database.writing() as db:
                self._fence(db)
                if unless_asked and db.execute(schema.CONTROLS, (self._key, self._control)).fetchall():
                    return False
                if objects:
                    add_objects(db, self._key, objects, versions)
                if said:
                    add_communications(db, said)
                if definition is not None:
                    db.execute(schema.SET_DEFINITION, (*definition_row(definition), self._key))
                if share is not None:
                    self._shares.put(db, share)
                if profile is not None:
                    add_profile(db, self._key, profile)
                self._add(db, facts, after)
                if published:
                    add_events(db, published)
        except MplpError as error:
            self._end = error
            raise
        except BaseException:
            self._end = StoreError(f"a write to run {self._run} was interrupted; its outcome is unknown")
            raise
        return True

    def read(self) -> Iterator[Event]:
        for _, page in pages(self._database, self._key, -1):
            yield from page

    def controls(self) -> list[Control]:
        self._check_usable()
        # Read before the requests: one that comes in between changes it again.
        change = self._database.change()
        if change == self._change:
            return []
        self._check_epoch()
        found = self._database.rows(schema.CONTROLS, (self._key, self._control))
        self._change = change
        if found:
            self._control = found[-1][0]
        return [self._request(row) for row in found]

    def _request(self, row: Sequence[Any]) -> Control:
        seq, verb, step, by, reason, data = row
        try:
            said = _mapping(data) if data else {}
        except UNREADABLE as error:
            raise corrupt(self._database.path, f"a request to run {self._run}: {error}") from error
        return Control(seq=seq, verb=verb, step=step, by=by, reason=reason, data=said)

    @property
    def closed(self) -> bool:
        """Whether the run was given up."""
        return self._lock.released

    def close(self) -> None:
        if self._end is None:
            self._end = LostOwnershipError(f"run {self._run} was given up; nothing more was written")
        self._shares.exit(self._run, self._fence)
        self._lock.release()

    # ---- inside a transaction ----

    def _fence(self, db: apsw.Connection) -> None:
        """The write lock is held from here on, so what is read stays true until the commit."""
        self._compare(db.execute(schema.EPOCH, (self._key,)).fetchall())

    def _compare(self, found: list[Any]) -> None:
        epoch, owner = found[0] if found else (0, "")
        if epoch != self._epoch:
            who = f"process {owner}" if _PROCESS.fullmatch(owner) else "another process"
            raise LostOwnershipError(
                f"{who} took run {self._run} over; nothing more was written",
                hint=f"`mplp attach {self._run[:8]}` follows it",
                details={"runId": self._run, "epoch": self._epoch, "owner": owner},
            )

    def _add(self, db: apsw.Connection, bodies: list[bytes], after: Projection | None) -> None:
        db.executemany(schema.ADD_EVENT, zip(repeat(self._key), count(self._seq), bodies))
        if after is not None:
            _apply(db, self._run, self._key, after)
            if after.status in ENDED:
                db.execute(schema.LEAVE_TURN, (self._run,))
            if after.status in UNDRIVEN:
                self._shares.leave(db, self._run, ended=after.status in ENDED)
            self._status = after.status
        self._seq += len(bodies)

    def _check_usable(self) -> None:
        if self._end is not None:
            raise self._end

    def _check_epoch(self) -> None:
        """An owner that was taken over learns it when it looks for requests, and not only when it writes."""
        try:
            self._compare(self._database.rows(schema.EPOCH, (self._key,)))
        except LostOwnershipError as error:
            self._end = error
            raise


def only_row(cursor: apsw.Cursor) -> tuple[Any, ...]:
    """The row of a statement that yields one. Reading to the end is what finishes the statement."""
    (row,) = cursor.fetchall()
    return row


def packed(mapping: Mapping[str, Any]) -> bytes:
    """A mapping as JSON; nothing for an empty one."""
    return _encode(mapping) if mapping else b""


def encoded(run: RunId, items: Sequence[Any]) -> list[bytes]:
    """JSON of facts or objects. StoreError for a value that JSON cannot hold, before anything is written."""
    try:
        return list(map(_encode, items))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        what = f"a fact of run {run}" if run else "an object"
        raise StoreError(
            f"{what} cannot be written as JSON: {error}",
            hint="A result may hold text, numbers, true, false, null, lists and maps.",
            details={"runId": run, "cause": "encoding"},
        ) from error


def pages(database: Database, key: int, after: int) -> Iterator[tuple[int, list[Event]]]:
    """The history in pages: the number of the first fact, and the facts. StoreError if it is damaged.

    No statement stays open between pages: a reader that dawdles must not hold up the owner's writes.
    """
    while True:
        bodies = _page(database, key, after)
        if not bodies:
            return
        yield after + 1, _decoded(database.path, bodies, after + 1)
        after += len(bodies)


def _page(database: Database, key: int, after: int) -> list[bytes]:
    bodies: list[bytes] = []
    size, due = 0, after + 1
    with translated(database.path):
        cursor = database.connection().execute(schema.HISTORY, (key, after, _PAGE_ROWS))
        try:
            for seq, body in cursor:
                if seq != due:
                    raise corrupt(database.path, f"fact {due} is missing")
                due += 1
                bodies.append(body)
                size += len(body)
                if size >= _PAGE_BYTES:
                    break
        finally:
            cursor.close()
    return bodies


def _decoded(path: Path, bodies: list[bytes], first: int) -> list[Event]:
    """The facts of a page, decoded as one list: a tenth of the calls, and no Python between them."""
    collecting = gc.isenabled()
    # Thousands of new objects, none of them garbage: the collector would look at them again and again.
    gc.disable()
    try:
        events = _decode(b"[" + b",".join(bodies) + b"]")
    except UNREADABLE as error:
        from mplp_cli.store.unreadable import unreadable

        raise unreadable(path, bodies, first, error) from error
    finally:
        if collecting:
            gc.enable()
    if len(events) != len(bodies):
        raise corrupt(path, f"facts {first} to {first + len(bodies) - 1} are not one a row")
    return events


def add_objects(
    db: apsw.Connection, key: int, objects: Sequence[ProtocolObject], bodies: list[bytes]
) -> None:
    """New versions, all or none. StoreError if one of them is there already."""
    rows = ((o.kind, o.id, o.version, body, key) for o, body in zip(objects, bodies, strict=True))
    try:
        db.executemany(schema.ADD_OBJECT, rows)
    except apsw.ConstraintError as error:
        raise object_conflict() from error


def definition_row(new: Definition | NewRun) -> tuple[Any, ...]:
    """A definition as it is stored."""
    files = zlib.compress(msgspec.msgpack.encode(new.included), 1) if new.included else b""
    return zlib.compress(new.source, 1), new.source_name, new.source_dir, new.cwd, new.plan, files


def _apply(db: apsw.Connection, run: RunId, key: int, after: Projection) -> None:
    for change in after.changes:
        match change:
            case Settled(step, state, at, by, reason, inputs):
                db.execute(schema.SETTLE, (key, step, state, by, reason, at, packed(inputs)))
            case Asked(seq, step, attempt, approval, at):
                approvers, form = _encode(approval.approvers), packed(approval.form)
                row = (key, seq, approval.id, step, attempt, approval.message, approvers, at, form)
                db.execute(schema.ADD_APPROVAL, row)
            case Told(event):
                add_event(db, event)
            case Taken(None, kills):
                db.execute(schema.TAKE_ALL, (key, kills))
            case Taken(step):
                db.execute(schema.TAKE_ANSWERS, (key, step))
            case Entered(status, ended_at):
                db.execute(schema.SET_STATUS, (status, ended_at, key))
            case Kept(name, step, at, until, result):
                db.execute(schema.KEEP, (name, step, run, at, until, _encode(result)))
            case _:
                assert_never(change)
