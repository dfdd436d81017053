"""The tests of crashes are tested: an engine that breaks a promise is found out, ours is not."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from mplp_cli.errors import LostOwnershipError
from mplp_cli.protocols import NewRun
from mplp_cli.store.journal import SqliteJournal
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.history import Event, RunStarted, StepStarted
from tests.crash.mutants import MUTANTS, breaches, small_plan, undisturbed
from tests.virtual import VirtualClock

RUN = "00000001-0000-4000-8000-000000000000"


def test_the_engine_breaks_no_promise_at_any_commit() -> None:
    assert breaches(small_plan(), undisturbed(small_plan())) == set()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small_plan()
    wanted = undisturbed(plan)
    MUTANTS[name].mutate(monkeypatch)
    assert MUTANTS[name].shows in breaches(plan, wanted)


# ---- two owners ----------------------------------------------------------------------------------


def writes_of_a_stale_owner(state: Path) -> list[Event]:
    """What an owner that was taken over could still write."""
    clock = VirtualClock()
    old, new = SqliteStore(state, clock), SqliteStore(state, clock)
    try:
        started = RunStarted(0, RUN, "w", {}, {}, "/", 1)
        run = NewRun(
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
        stale = old.create_run(run, [started])
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
