"""Ended runs are taken out whole; nothing else is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest
from msgspec.structs import replace

from mplp_cli.errors import Failure, UnknownRunError
from mplp_cli.protocols import ProtocolObject, Relation
from mplp_cli.store.database import Database
from mplp_cli.store.forgetting import DAY
from mplp_cli.store.layout import database_path, lock_path, log_dir
from mplp_cli.store.pruning import EndedRun, ended_runs, remove_run, stale_results, surplus
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.estimates import Measured, Profile
from mplp_cli.workflow.fold.history import Event, Keep, RunCompleted, RunFailed, StepCompleted, StepDecided
from tests.store.sample import START, asks, new_run, run_id, started, step


def ended(store: SqliteStore, number: int, workflow: str = "release-notes", **more: Any) -> None:
    """Run `number`, completed, with facts, an answered question and output."""
    journal = store.create_run(new_run(number, workflow), [started(number)])
    journal.append([*step(1), asks()], more.get("objects", ()))
    shown = Profile(run=run_id(number), at=START + number, steps={"step-1": Measured(1, 5, 0)})
    answered = StepDecided(START, "review", "approved", "ann")
    journal.append([answered, RunCompleted(at=START + number)], profile=shown)
    journal.close()
    logs = log_dir(more["state"], run_id(number))
    logs.mkdir(parents=True)
    (logs / "a.log").write_text("said")


def rows(state: Path, table: str) -> int:
    db = apsw.Connection(str(database_path(state)))
    count: Any = db.execute(f"SELECT count(*) FROM {table}").get
    db.close()
    return int(count)


@pytest.fixture
def database(durable: SqliteStore, tmp_path: Path) -> Any:
    made = Database(database_path(tmp_path))
    yield made
    made.close()


def test_an_ended_run_goes_with_everything_that_belongs_to_it(
    durable: SqliteStore, database: Database, tmp_path: Path
) -> None:
    ended(durable, 1, state=tmp_path)
    ended(durable, 2, state=tmp_path)
    tables = ("run", "event", "definition", "approval", "profile")
    before = {table: rows(tmp_path, table) for table in tables}
    assert remove_run(database, tmp_path, run_id(1), START)
    assert {table: rows(tmp_path, table) for table in tables} == {t: n // 2 for t, n in before.items()}
    assert not lock_path(tmp_path, run_id(1)).exists()
    assert not log_dir(tmp_path, run_id(1)).parent.exists()
    assert log_dir(tmp_path, run_id(2)).exists()
    assert [run.id for run in durable.runs()] == [run_id(2)]
    with pytest.raises(UnknownRunError):
        durable.own_run(run_id(1), "somebody")


def test_a_run_that_goes_on_waits_or_is_held_stays(
    durable: SqliteStore, database: Database, tmp_path: Path
) -> None:
    interrupted = durable.create_run(new_run(1), [started(1)])
    interrupted.close()
    held = durable.create_run(new_run(2), [started(2)])
    held.append([RunFailed(START, Failure(type="E", message="m"))])
    assert not remove_run(database, tmp_path, run_id(1), START)
    assert not remove_run(database, tmp_path, run_id(2), START)
    assert not remove_run(database, tmp_path, run_id(3), START)
    held.close()
    assert remove_run(database, tmp_path, run_id(2), START)
    assert [run.id for run in durable.runs()] == [run_id(1)]


def test_a_run_that_was_pruned_between_a_look_and_its_lock_is_unknown(
    durable: SqliteStore, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(durable, 1, state=tmp_path)
    known = durable._run(run_id(1))
    assert remove_run(database, tmp_path, run_id(1), START)
    monkeypatch.setattr(durable, "_run", lambda _: known)
    with pytest.raises(UnknownRunError):
        durable.own_run(run_id(1), "somebody")


def test_the_newest_version_of_an_object_stays_and_is_of_no_later_run(
    durable: SqliteStore, database: Database, tmp_path: Path
) -> None:
    versions = [ProtocolObject("Context", "c", n, {"n": n}) for n in (1, 2)]
    other = [ProtocolObject("Plan", "p", 1, {}), ProtocolObject("Plan", "p", 2, {})]
    ended(durable, 1, state=tmp_path, objects=[*versions, other[0]])
    ended(durable, 2, state=tmp_path, objects=[other[1]])
    assert remove_run(database, tmp_path, run_id(1), START)
    kept = database.rows("SELECT kind, version, run FROM object ORDER BY kind, version")
    assert kept == [("Context", 2, 0), ("Plan", 2, 2)]
    assert {(o.kind, o.version) for o in durable.objects()} == {("Context", 2), ("Plan", 2)}


def test_requests_go_with_the_run(durable: SqliteStore, database: Database, tmp_path: Path) -> None:
    ended(durable, 1, state=tmp_path)
    with database.writing() as db:
        db.execute("INSERT INTO control(run, verb, step, \"by\", reason) VALUES(1, 'cancel', '', '', '')")
    assert remove_run(database, tmp_path, run_id(1), START)
    assert database.rows("SELECT count(*) FROM control") == [(0,)]


def test_the_last_that_ended_come_first_and_workflows_are_told_apart(
    durable: SqliteStore, database: Database, tmp_path: Path
) -> None:
    for number, workflow in ((1, "a"), (3, "b"), (2, "a")):
        ended(durable, number, workflow, state=tmp_path)
    assert [run.id for run in ended_runs(database)] == [run_id(3), run_id(2), run_id(1)]
    assert [run.id for run in ended_runs(database, "a")] == [run_id(2), run_id(1)]


def test_what_stays_satisfies_both_limits() -> None:
    runs = [EndedRun(str(days), "w", "completed", START - days * DAY) for days in (0, 1, 2, 40)]

    def gone(**limits: int | None) -> list[str]:
        return [run.id for run in surplus(runs, START, **{"days": None, "keep": None, **limits})]

    assert gone(days=30) == ["40"]
    assert gone(keep=2) == ["2", "40"]
    assert gone(days=30, keep=1) == ["1", "2", "40"]
    assert gone(days=30, keep=10) == ["40"]
    assert gone(keep=0) == ["0", "1", "2", "40"]
    assert gone() == []


# ---- the cache


@pytest.mark.parametrize(
    ("days", "workflow", "stay"),
    [
        (None, None, ["a/s/for-ever", "a/s/old", "b/s/good"]),
        (None, "a", ["a/s/for-ever", "a/s/old", "b/s/expired", "b/s/good"]),
        (1, None, ["a/s/for-ever", "b/s/good"]),
        (0, "b", ["a/s/expired", "a/s/for-ever", "a/s/old"]),
    ],
)
def test_cached_results_go_when_they_have_expired_or_are_too_old(
    durable: SqliteStore, database: Database, days: int | None, workflow: str | None, stay: list[str]
) -> None:
    now = START + 3 * DAY
    entries = {
        "a/s/for-ever": (now - 1, 0), "a/s/old": (START, 0), "a/s/expired": (now - 2, now),
        "b/s/good": (now - 1, now + 1), "b/s/expired": (now - 2, now - 1),
    }  # fmt: skip
    facts: list[Event] = [
        StepCompleted(at=at, step="s", attempt=1, result=1, keep=Keep(key, until))
        for key, (at, until) in entries.items()
    ]
    durable.create_run(new_run(), [started()]).append(facts)
    gone = len(entries) - len(stay)
    assert stale_results(database, now, days=days, workflow_id=workflow, dry_run=True) == gone
    assert len(durable.cached("")) == len(entries)
    assert stale_results(database, now, days=days, workflow_id=workflow) == gone
    assert [one.key for one in durable.cached("")] == stay


# ---- sub-workflows


def child_of(store: SqliteStore, number: int, parent: int, status: str = "completed") -> None:
    """Run `number`, the sub-workflow of a step of run `parent`."""
    new = replace(new_run(number, "sub"), relation=Relation(kind="child", run=run_id(parent), step="call"))
    journal = store.create_run(new, [started(number)])
    if status == "completed":
        journal.append([RunCompleted(at=START + number)])
    journal.close()


def test_a_sub_workflow_goes_with_the_run_that_it_belongs_to(
    durable: SqliteStore, database: Database, tmp_path: Path
) -> None:
    ended(durable, 1, state=tmp_path)
    child_of(durable, 2, 1)
    child_of(durable, 3, 2)
    assert [run.id for run in ended_runs(database)] == [run_id(1)]
    assert remove_run(database, tmp_path, run_id(1), START)
    assert durable.runs() == []
    assert rows(tmp_path, "relation") == 0
    assert not lock_path(tmp_path, run_id(3)).exists()


def test_a_run_stays_while_one_of_its_sub_workflows_has_not_ended(
    durable: SqliteStore, database: Database, tmp_path: Path
) -> None:
    ended(durable, 1, state=tmp_path)
    child_of(durable, 2, 1, status="running")
    assert not remove_run(database, tmp_path, run_id(1), START)
    assert len(durable.runs()) == 2


def test_a_sub_workflow_whose_run_is_gone_counts_by_itself(
    durable: SqliteStore, database: Database, tmp_path: Path
) -> None:
    child_of(durable, 2, 1)
    assert [run.id for run in ended_runs(database)] == [run_id(2)]
