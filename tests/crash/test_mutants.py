"""The tests of crashes are tested: an engine that breaks a promise is found out, ours is not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import apsw
import pytest

from mplp_cli.errors import LostOwnershipError
from mplp_cli.protocols import NewRun
from mplp_cli.store import journal as journal_module
from mplp_cli.store.database import Database
from mplp_cli.store.inspection import inspect
from mplp_cli.store.journal import SqliteJournal
from mplp_cli.store.projections import project
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.history import Event, RunStarted, StepStarted
from tests.bench_of_runs import Died
from tests.crash.mutants import MUTANTS, breaches, small_plan, undisturbed
from tests.virtual import VirtualClock

RUN = "00000001-0000-4000-8000-000000000000"


def new_run() -> NewRun:
    return NewRun(
        id=RUN,
        workflow_id="w",
        name="W",
        source=b"",
        source_name="w",
        source_dir="/",
        cwd="/",
        plan=b"{}",
        created_at=0,
    )


def test_the_engine_breaks_no_promise_at_any_commit() -> None:
    assert breaches(small_plan(), undisturbed(small_plan())) == set()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small_plan()
    wanted = undisturbed(plan)
    MUTANTS[name].mutate(monkeypatch)
    assert MUTANTS[name].shows in breaches(plan, wanted)


# ---- what lists tell -----------------------------------------------------------------------------

#: A run that asks a person and completes, commit by commit.
LIFE: list[list[Event]] = [
    [h.StepStarted(1, "a", 1)],
    [h.StepWaiting(2, "a", 1, approval=h.Approval("c", "Go on?")), h.RunWaiting(2)],
    [h.RunResumed(3, "mplp"), h.StepDecided(3, "a", "approved", "ann")],
    [h.StepStarted(4, "a", 2), h.StepCompleted(5, "a", 2, None), h.RunCompleted(5)],
]


def dying(commit: int, *, after: bool) -> Callable[[str], apsw.Connection]:
    """Connections of a process that dies at that commit: just before it, or just after it."""
    left = commit

    class Dying(apsw.Connection):
        def execute(self, statements: str, *args: Any, **more: Any) -> apsw.Cursor:
            nonlocal left
            left -= statements == "COMMIT"
            if statements != "COMMIT" or left != 0:
                return super().execute(statements, *args, **more)
            if after:
                super().execute(statements)
            raise Died

    return Dying


def lies_of_lists(folder: Path) -> set[str]:
    """What lists say and histories do not, when the process of a run dies at any commit."""
    said: set[str] = set()
    deaths = 0
    for number, after in product(range(1, 12), (False, True)):
        state = folder / f"{number}-{after}"
        state.mkdir(mode=0o700)
        store = None
        try:
            store = SqliteStore(state, VirtualClock(), connect=dying(number, after=after))
            journal = store.create_run(new_run(), [RunStarted(0, RUN, "w", {}, {}, "/", 1)])
            for facts in LIFE:
                journal.append(facts)
        except Died:
            deaths += 1
        if store is not None:
            store.close()
            with closing(Database(state / "state.db")) as database:
                said |= {finding.message for finding in inspect(database, state, 0)}
    assert len(LIFE) * 2 <= deaths < 22, "every commit of the run is tried"
    return said


def test_a_death_at_any_commit_leaves_lists_that_say_what_the_history_says(tmp_path: Path) -> None:
    assert lies_of_lists(tmp_path) == set()


def test_a_journal_that_stores_facts_and_lists_in_two_transactions_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = SqliteJournal.append
    held: list[Any] = []

    def hold(*args: Any) -> None:
        held.append(project(*args))

    def in_two(self: SqliteJournal, events: list[Event], objects: Any = ()) -> None:
        append(self, events, objects)
        if (after := held.pop()) is not None:
            with self._database.writing() as db:
                journal_module._apply(db, self._run, self._key, after)
            self._status = after.status

    monkeypatch.setattr(journal_module, "project", hold)
    monkeypatch.setattr(SqliteJournal, "append", in_two)
    assert "its history says completed" in " ".join(lies_of_lists(tmp_path))


# ---- two owners ----------------------------------------------------------------------------------


def writes_of_a_stale_owner(state: Path) -> list[Event]:
    """What an owner that was taken over could still write."""
    clock = VirtualClock()
    old, new = SqliteStore(state, clock), SqliteStore(state, clock)
    try:
        started = RunStarted(0, RUN, "w", {}, {}, "/", 1)
        stale = old.create_run(new_run(), [started])
        # As on a file system whose locks are not worth much: the lock goes, the owner does not notice.
        stale._lock.release()
        new.own_run(RUN, by="another")
        with contextlib.suppress(LostOwnershipError):
            stale.append([StepStarted(1, "a", 1)])
        return [fact for _, fact in new.history(RUN)][1:]
    finally:
        old.close()
        new.close()


def test_an_owner_that_was_taken_over_writes_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert writes_of_a_stale_owner(tmp_path) == []


def test_a_journal_without_its_fence_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteJournal, "_fence", lambda self, db: None)
    assert writes_of_a_stale_owner(tmp_path) != []
