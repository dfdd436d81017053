"""Looking over a store that can be opened: its lists against the histories, and what belongs to nobody.

Reads only. What may be mended says how (`mend`); `mending` does it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from mplp_cli.errors import MplpError, RunStateError
from mplp_cli.store.alerts import unreadable_alerts
from mplp_cli.store.board import unreadable_events
from mplp_cli.store.database import UNREADABLE, Database, corrupt, translated
from mplp_cli.store.deliveries import OF_NO_EVENT
from mplp_cli.store.journal import pages
from mplp_cli.store.leftovers import leftover_runs
from mplp_cli.store.profiles import unreadable_profiles
from mplp_cli.store.projections import ENDED, Asked, Entered, Settled, Told, project
from mplp_cli.store.samples import unreadable_samples
from mplp_cli.store.schema import COUNTED, COUNTS, ENDED_TURNS
from mplp_cli.workflow.fold.history import Event
from mplp_cli.workflow.resources import Allocation, Share
from mplp_cli.workflow.values import RunId

Severity = Literal["problem", "warning", "notice"]
_OF_A_RUN: Final = ("event", "definition", "control", "approval", "relation", "profile", "cause")


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be (`problem`), or that somebody should know."""

    code: str
    severity: Severity
    message: str
    hint: str = ""
    run: RunId = ""
    #: What `--repair` does about it; empty if it cannot be mended safely.
    mend: str = ""
    mended: bool = False


class Row(Struct, frozen=True):
    """A run as the list has it."""

    key: int
    id: RunId
    workflow_id: str
    status: str
    ended_at: int | None


class Question(Struct):
    """A row of the list of questions, as the history tells it."""

    id: str
    step: str
    attempt: int
    message: str
    approvers: list[str]
    asked_at: int
    form: dict[str, Any]
    state: str = "pending"
    by: str = ""
    reason: str = ""
    decided_at: int = 0
    inputs: dict[str, Any] = {}


class Projected(Struct):
    """What the lists should say of a run."""

    status: str = "pending"
    ended_at: int | None = None
    questions: dict[int, Question] = {}


def check_integrity(database: Database) -> None:
    """StoreError if SQLite finds damage."""
    found = [str(row[0]) for row in database.rows("PRAGMA integrity_check(10)")]
    if found != ["ok"]:
        raise corrupt(database.path, "; ".join(found))


def inspect(database: Database, state_dir: Path, now: int) -> Iterator[Finding]:
    """Everything that is found. StoreError if the store cannot be read on."""
    yield from _orphans(database)
    yield from _left_children(database)
    for row in run_rows(database):
        yield from _run(database, row)
    yield from _places(database)
    yield from _shares(database)
    yield from _left_out(database)
    yield from _events(database)
    yield from _leftovers(database, state_dir, now)


def run_rows(database: Database) -> list[Row]:
    """All runs, the oldest first."""
    return [
        Row(*r) for r in database.rows("SELECT key, id, workflow_id, status, ended_at FROM run ORDER BY key")
    ]


def _orphans(database: Database) -> Iterator[Finding]:
    for table in _OF_A_RUN:
        count = database.rows(f"SELECT count(*) FROM {table} WHERE run NOT IN (SELECT key FROM run)")[0][0]  # noqa: S608 - a name of ours
        if count:
            yield Finding(
                code="rows-of-no-run",
                severity="problem",
                message=f"{count:,} rows of table {table} belong to no run",
                mend="deletes them",
            )


def _places(database: Database) -> Iterator[Finding]:
    """Places under concurrency keys of runs that have ended or are not there."""
    count = database.rows(f"SELECT count(*) FROM turn WHERE {ENDED_TURNS}")[0][0]  # noqa: S608 - a condition of ours
    if count:
        yield Finding(
            code="stale-place",
            severity="problem",
            message=f"{count:,} places under concurrency keys are those of runs that have ended",
            mend="deletes them",
        )


def _shares(database: Database) -> Iterator[Finding]:
    """What is held of the pool for nobody, or cannot be read."""
    if count := len(stale_shares(database)):
        yield Finding(
            code="stale-share",
            severity="problem",
            message=f"{count:,} shares of the pool of resources are those of runs that have ended, or cannot be read",
            mend="deletes them",
        )


def stale_shares(database: Database) -> list[tuple[str, str]]:
    """Table and id of what nobody will give back. What has been spent of a rate comes back by itself."""
    over = "(SELECT id FROM run WHERE status NOT IN ('completed', 'failed', 'cancelled'))"
    rows = database.rows(
        f"SELECT 'share', run, body, run NOT IN {over} FROM share UNION ALL"  # noqa: S608 - a condition of ours
        f" SELECT 'allocation', id, body, \"by\" LIKE 'run:%' AND substr(\"by\", 5) NOT IN {over} FROM allocation"
    )
    found = []
    for table, name, body, ended in rows:
        kind: type[Share | Allocation] = Share if table == "share" else Allocation
        try:
            read = msgspec.json.decode(body, type=kind)
        except UNREADABLE:
            found.append((table, name))
        else:
            if ended and not (isinstance(read, Share) and not read.has_place):
                found.append((table, name))
    return found


def _left_children(database: Database) -> Iterator[Finding]:
    """Runs of sub-workflows that nobody will take on."""
    rows = database.rows(
        "SELECT run.id, run.status, above.id, above.status FROM relation"
        " JOIN run ON run.key = relation.run JOIN run above ON above.id = relation.other"
        " WHERE relation.kind = 'child' AND above.status IN ('completed', 'cancelled')"
        " AND run.status NOT IN ('completed', 'failed', 'cancelled')"
    )
    for child, status, parent, ended in rows:
        yield Finding(
            code="left-child",
            severity="warning",
            message=f"run {child} is {status}, but run {parent}, which it belongs to, is {ended}",
            hint=f"`mplp cancel {child[:8]}` ends it",
            run=child,
        )


# ---- one run -----------------------------------------------------------------------------------


def _run(database: Database, row: Row) -> Iterator[Finding]:
    try:
        with _one_moment(database):
            status, ended_at = database.rows("SELECT status, ended_at FROM run WHERE key = ?", (row.key,))[0]
            told = projected(row.id, facts_of(database, row.key))
            there = question_rows(database, row.key)
            requests = database.rows("SELECT count(*) FROM control WHERE run = ?", (row.key,))[0][0]
            _check_definition(database, row)
    except IndexError:  # pruned since
        return
    except MplpError as error:
        if error.details.get("cause") == "newer":
            yield Finding(
                code="newer",
                severity="warning",
                message=f"run {row.id}: {error.message}",
                hint="upgrade mplp",
            )
            return
        yield Finding(
            code="history",
            severity="problem",
            message=f"run {row.id}: {error.message}",
            hint="restore a copy of the store, or delete the run with `mplp runs prune` once it has ended",
            run=row.id,
        )
        return
    if wrong := _disagreement(status, ended_at, there, told):
        yield Finding(
            code="projection",
            severity="problem",
            message=f"run {row.id}: {wrong}",
            run=row.id,
            mend="writes the lists anew from the history",
        )
    elif requests and status in ENDED:
        yield Finding(
            code="stale-request",
            severity="warning",
            message=f"run {row.id} has ended, and {requests:,} requests to it are left",
            run=row.id,
            mend="deletes them",
        )


@contextmanager
def _one_moment(database: Database) -> Iterator[None]:
    """Several queries see the same store."""
    with translated(database.path):
        db = database.connection()
        db.execute("BEGIN")
        try:
            yield
        finally:
            db.execute("ROLLBACK")


def facts_of(database: Database, key: int) -> list[Event]:
    """The history of a run. StoreError if it is damaged."""
    return [fact for _, page in pages(database, key, -1) for fact in page]


def projected(run: RunId, facts: Sequence[Event]) -> Projected:
    """What the lists should say. RunStateError if the history goes on after its end."""
    after = project(run, "pending", 0, facts)
    told = Projected()
    for change in after.changes if after is not None else ():
        match change:
            case Entered(status, ended_at):
                told.status, told.ended_at = status, ended_at
            case Asked(seq, step, attempt, approval, at):
                told.questions[seq] = Question(
                    approval.id, step, attempt, approval.message, list(approval.approvers), at, approval.form
                )
            case Told():
                pass  # published events are told to everybody, and belong to no run
            case Settled(of, state, at, by, reason, inputs):
                for asked in told.questions.values():
                    if asked.state == "pending" and of in (None, asked.step):
                        asked.state, asked.by, asked.reason, asked.decided_at = state, by, reason, at
                        asked.inputs = inputs
    return told


def question_rows(database: Database, key: int) -> dict[int, tuple[str, str]]:
    """Number of the fact -> step and state, of the questions in the list."""
    rows = database.rows("SELECT seq, step, state FROM approval WHERE run = ?", (key,))
    return {seq: (step, state) for seq, step, state in rows}


def answered_outside(there: str, told: str) -> bool:
    """Whether the list may be ahead of the history: an answer is stored before the run takes it up, or stays
    when the run no longer asks."""
    return there in ("approved", "rejected") and told in ("pending", "withdrawn")


def _disagreement(
    status: str, ended_at: int | None, there: dict[int, tuple[str, str]], told: Projected
) -> str:
    if status != told.status:
        return f"the list says {status}, its history says {told.status}"
    if ended_at != told.ended_at:
        return "the list has another end than its history"
    for seq in sorted({*there, *told.questions}):
        asked, row = told.questions.get(seq), there.get(seq)
        if asked is None or row is None:
            return f"the question of fact {seq} is {'in the list' if row else 'in its history'} only"
        step, state = row
        if step != asked.step or not (state == asked.state or answered_outside(state, asked.state)):
            return f"the list says that the question of {step!r} is {state}, its history says {asked.state}"
    return ""


def _check_definition(database: Database, row: Row) -> None:
    rows = database.rows("SELECT source, plan FROM definition WHERE run = ?", (row.key,))
    try:
        source, plan = rows[0]
        zlib.decompress(source)
        msgspec.json.decode(plan)
    except (IndexError, zlib.error, TypeError, msgspec.MsgspecError) as error:
        raise RunStateError(f"its definition is lost or damaged ({error})") from error


# ---- what everything goes on without -----------------------------------------------------------------


def _left_out(database: Database) -> Iterator[Finding]:
    """Rows that cannot be read, and count as not there."""
    for code, count, says, mend in (
        (
            "cached-result",
            len(unreadable_results(database)),
            "{:,} results in the cache cannot be read; they count as not there",
            "deletes them",
        ),
        (
            "profile",
            len(unreadable_profiles(database)),
            "what {:,} runs have shown of their steps cannot be read; they teach nothing",
            "deletes it",
        ),
        (
            "sample",
            sum(len(rows) for rows in unreadable_samples(database)),
            "{:,} rows of what was measured cannot be read; they are left out",
            "deletes them",
        ),
        (
            "alert",
            len(unreadable_alerts(database)),
            "{:,} rows of alerts and their silences cannot be read; they count as not there",
            "deletes them: such alerts begin anew, and such silences are over",
        ),
    ):
        if count:
            yield Finding(code=code, severity="warning", message=says.format(count), mend=mend)


def unreadable_results(database: Database) -> list[str]:
    """Keys of cached results that are damaged."""
    found = []
    for key, result in database.rows("SELECT key, result FROM cached"):
        try:
            msgspec.json.decode(result)
        except UNREADABLE:
            found.append(key)
    return found


# ---- published events ----------------------------------------------------------------------------


def _events(database: Database) -> Iterator[Finding]:
    if count := len(unreadable_events(database)):
        yield Finding(
            code="event",
            severity="problem",
            message=f"{count:,} published events cannot be read; nobody hears of any event after them",
            mend="deletes them",
        )
    if count := database.rows(f"SELECT count(*) FROM delivery WHERE {OF_NO_EVENT}")[0][0]:  # noqa: S608 - a condition of ours
        yield Finding(
            code="stale-delivery",
            severity="problem",
            message=f"{count:,} deliveries that are not over are of events that are gone",
            mend="deletes them",
        )


# ---- files -------------------------------------------------------------------------------------


def _leftovers(database: Database, state_dir: Path, now: int) -> Iterator[Finding]:
    for name in leftover_runs(database, state_dir, now):
        yield Finding(
            code="leftover",
            severity="warning",
            message=f"there are files of run {name}, which the store does not know",
            run=name,
            mend="deletes them",
        )


def counts_of(database: Database) -> dict[str, Any]:
    """How much there is."""
    return dict(zip(COUNTED, database.rows(COUNTS)[0], strict=True))
