"""Mending what `inspection` found, as far as nothing can be lost by it: lists are made again from histories."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from mplp_cli.errors import RunBusyError
from mplp_cli.store.alerts import drop_unreadable_alerts
from mplp_cli.store.board import unreadable_events
from mplp_cli.store.database import Database, translated
from mplp_cli.store.deliveries import OF_NO_EVENT
from mplp_cli.store.inspection import (
    Finding,
    Question,
    answered_outside,
    facts_of,
    projected,
    question_rows,
    stale_shares,
    unreadable_results,
)
from mplp_cli.store.journal import packed
from mplp_cli.store.layout import lock_path
from mplp_cli.store.locks import take
from mplp_cli.store.profiles import unreadable_profiles
from mplp_cli.store.samples import drop_unreadable_samples, unreadable_samples
from mplp_cli.store.schema import ENDED_TURNS

_GUARD: Final = "run_status_is_final"
_OF_A_RUN: Final = ("event", "definition", "control", "approval", "relation", "profile", "cause")

_ADD: Final = (
    "INSERT INTO approval(run, seq, id, step, attempt, message, approvers, asked_at, form,"
    ' state, "by", reason, decided_at, data) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'
)


def mend(database: Database, state_dir: Path, finding: Finding, now: int) -> bool:
    """Mend one finding. False if a process holds the run. StoreError if the store refuses."""
    match finding.code:
        case "rows-of-no-run":
            with database.writing() as db:
                for table in _OF_A_RUN:
                    db.execute(f"DELETE FROM {table} WHERE run NOT IN (SELECT key FROM run)")  # noqa: S608 - a name of ours
            return True
        case "stale-place":
            with database.writing() as db:
                db.execute(f"DELETE FROM turn WHERE {ENDED_TURNS}")  # noqa: S608 - a condition of ours
            return True
        case "stale-share":
            stale = stale_shares(database)
            with database.writing() as db:
                for table, name in stale:
                    column = "run" if table == "share" else "id"
                    db.execute(f"DELETE FROM {table} WHERE {column} = ?", (name,))  # noqa: S608 - names of ours
            return True
        case "cached-result" | "profile" | "sample" | "alert" | "event":
            _delete_unreadable(database, finding.code)
            return True
        case "stale-delivery":
            with database.writing() as db:
                db.execute(f"DELETE FROM delivery WHERE {OF_NO_EVENT}")  # noqa: S608 - a condition of ours
            return True
        case "projection":
            return held(state_dir, finding.run, now, lambda: _project_again(database, finding.run))
        case "stale-request":
            return held(state_dir, finding.run, now, lambda: _forget_requests(database, finding.run))
        case "leftover":
            return held(state_dir, finding.run, now, lambda: _clear(database, state_dir, finding.run))
    return False


def _delete_unreadable(database: Database, code: str) -> None:
    match code:
        case "cached-result":
            lost = [(key,) for key in unreadable_results(database)]
            with database.writing() as db:
                db.executemany("DELETE FROM cached WHERE key = ?", lost)
        case "profile":
            damaged = [(key,) for key in unreadable_profiles(database)]
            with database.writing() as db:
                db.executemany("DELETE FROM profile WHERE run = ?", damaged)
        case "sample":
            rows = unreadable_samples(database)
            with database.writing() as db:
                drop_unreadable_samples(db, *rows)
        case "alert":
            drop_unreadable_alerts(database)
        case "event":
            unreadable = [(number,) for number in unreadable_events(database)]
            with database.writing() as db:
                db.executemany("DELETE FROM emitted WHERE seq = ?", unreadable)


def held(state_dir: Path, run: str, now: int, do: Callable[[], None]) -> bool:
    """Do something while nobody can own the run; False if a process does."""
    path = lock_path(state_dir, run)
    with translated(path):
        try:
            lock = take(path, run, "mplp doctor", now)
        except RunBusyError:
            return False
    try:
        do()
    finally:
        lock.release()
    return True


def _project_again(database: Database, run: str) -> None:
    with database.writing() as db:
        key: Any = db.execute("SELECT key FROM run WHERE id = ?", (run,)).get
        if key is None:
            return
        told = projected(run, facts_of(database, key))
        # The guard keeps programs from changing a final status; here the history itself says another one.
        guard: Any = db.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (_GUARD,)).get
        if guard is not None:
            db.execute(f"DROP TRIGGER {_GUARD}")
        db.execute("UPDATE run SET status = ?, ended_at = ? WHERE key = ?", (told.status, told.ended_at, key))
        if guard is not None:
            db.execute(guard)
        there = question_rows(database, key)
        _questions_again(db, key, there, told.questions)


def _questions_again(
    db: apsw.Connection, key: int, there: dict[int, tuple[str, str]], told: dict[int, Question]
) -> None:
    """The list of questions as the history tells it; an answer that is stored already stays."""
    stays = {
        seq
        for seq, (step, state) in there.items()
        if (asked := told.get(seq)) is not None
        and step == asked.step
        and (state == asked.state or answered_outside(state, asked.state))
    }
    for seq in there.keys() - stays:
        db.execute("DELETE FROM approval WHERE run = ? AND seq = ?", (key, seq))
    for seq in sorted(told.keys() - stays):
        fields = msgspec.structs.asdict(told[seq])
        fields["approvers"] = msgspec.json.encode(told[seq].approvers)
        fields["form"], fields["inputs"] = packed(told[seq].form), packed(told[seq].inputs)
        db.execute(_ADD, (key, seq, *fields.values()))


def _forget_requests(database: Database, run: str) -> None:
    with database.writing() as db:
        db.execute(
            "DELETE FROM control WHERE run = (SELECT key FROM run WHERE id = ?"
            " AND status IN ('completed', 'failed', 'cancelled'))",
            (run,),
        )


def _clear(database: Database, state_dir: Path, run: str) -> None:
    path = lock_path(state_dir, run)
    if database.rows("SELECT 1 FROM run WHERE id = ?", (run,)):
        return  # it is known by now
    with translated(path):
        folder = path.with_suffix("")
        if folder.is_dir():
            shutil.rmtree(folder)
        path.unlink(missing_ok=True)
