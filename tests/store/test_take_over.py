"""Taking a run from its owner by force: over every store, and with the lock files of the durable one."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from mplp_cli.errors import LostOwnershipError, RunBusyError
from mplp_cli.protocols import Control, Store
from mplp_cli.store import listing, locks
from mplp_cli.store.journal import SqliteJournal
from mplp_cli.store.layout import lock_path
from mplp_cli.store.pruning import remove_run
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.fold.history import Event, RunCompleted
from tests.store.sample import START, FixedClock, new_run, run_id, started, step

TAKEN = r"took run .* over; nothing more was written"


def facts(store: Store) -> list[Event]:
    return [fact for _, fact in store.history(run_id(1))]


# ---- over every store


def test_a_run_is_taken_over_while_its_owner_lives(store: Store) -> None:
    stale = store.create_run(new_run(), [started()])
    with pytest.raises(RunBusyError):
        store.own_run(run_id(1), "bob")
    fresh = store.own_run(run_id(1), "bob", take_over=True)
    [record] = store.runs()
    assert (record.epoch, record.owner, record.owned) == (2, "bob", True)
    for _ in range(2):
        with pytest.raises(LostOwnershipError, match=TAKEN):
            stale.append(step(1))
    fresh.append(step(2))
    assert facts(store) == [started(), *step(2)]


def test_an_owner_that_was_taken_over_learns_it_when_it_looks_for_requests(store: Store) -> None:
    stale = store.create_run(new_run(), [started()])
    assert stale.controls() == []
    store.request(run_id(1), Control(seq=0, verb="cancel", by="ann"))
    store.own_run(run_id(1), "bob", take_over=True)
    with pytest.raises(LostOwnershipError, match=TAKEN):
        stale.controls()


def test_an_owner_that_was_taken_over_gives_nothing_free(store: Store) -> None:
    stale = store.create_run(new_run(), [started()])
    fresh = store.own_run(run_id(1), "bob", take_over=True)
    stale.close()
    assert store.runs()[0].owned
    with pytest.raises(RunBusyError):
        store.own_run(run_id(1), "eve")
    fresh.close()
    assert not store.runs()[0].owned
    store.own_run(run_id(1), "eve").append(step(1))


def test_a_run_that_nobody_holds_is_taken_over_too(store: Store) -> None:
    store.create_run(new_run(), [started()]).close()
    store.own_run(run_id(1), "bob", take_over=True).append(step(1))
    assert store.runs()[0].owned


def test_of_those_that_take_over_the_last_one_owns_it(store: Store) -> None:
    store.create_run(new_run(), [started()])
    owners = [store.own_run(run_id(1), f"owner {n}", take_over=True) for n in range(4)]
    for stale in owners[:-1]:
        with pytest.raises(LostOwnershipError):
            stale.append(step(1))
        stale.close()
    owners[-1].append(step(2))
    assert store.runs()[0].owned


# ---- the lock files


def test_the_new_owner_is_the_one_that_is_named(durable: SqliteStore, tmp_path: Path) -> None:
    stale = durable.create_run(new_run(), [started()])
    other = SqliteStore(tmp_path, FixedClock())
    other.own_run(run_id(1), "4242@here", take_over=True)
    with pytest.raises(LostOwnershipError, match=f"^process 4242@here {TAKEN}"):
        stale.controls()
    other.close()


def test_whoever_had_its_lock_replaced_before_it_owned_the_run_is_refused(
    durable: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable.create_run(new_run(), [started()]).close()
    path, own = lock_path(tmp_path, run_id(1)), SqliteJournal.own

    def late(self: SqliteJournal, db: apsw.Connection, by: str) -> None:
        taken.append(locks.seize(path, "bob", START))
        own(self, db, by)

    taken: list[locks.RunLock] = []
    monkeypatch.setattr(SqliteJournal, "own", late)
    with pytest.raises(RunBusyError, match="holds run"):
        durable.own_run(run_id(1), "ann")
    assert durable.runs()[0].epoch == 1, "nothing was written"
    taken[0].release()


def test_a_lock_on_a_file_that_was_replaced_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first = locks.take(path, run_id(1), "ann", START)
    second = locks.seize(path, "bob", START)
    assert (first.is_current(), second.is_current()) == (False, True)
    first.release()
    assert locks.is_held(path)
    with pytest.raises(RunBusyError):
        locks.take(path, run_id(1), "eve", START)
    second.release()
    assert not second.is_current()
    assert [file.name for file in tmp_path.iterdir()] == ["x.lock"]


def test_what_a_lost_process_left_of_a_take_over_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    (tmp_path / "x.lock.new").write_text("left")
    lock = locks.seize(path, "bob", START)
    assert lock.is_current()
    holder = locks.holder_of(path)
    assert holder is not None
    assert holder.by == "bob"
    lock.release()


def test_a_run_that_is_taken_over_while_it_is_pruned_stays(
    durable: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = durable.create_run(new_run(), [started()])
    journal.append([RunCompleted(at=START, outputs=None)])
    journal.close()
    path = lock_path(tmp_path, run_id(1))
    taken: list[locks.RunLock] = []
    current = locks.RunLock.is_current

    def late(self: locks.RunLock) -> bool:
        if not taken:
            taken.append(locks.seize(path, "bob", START))
        return current(self)

    monkeypatch.setattr(locks.RunLock, "is_current", late)
    assert not remove_run(durable._database, tmp_path, run_id(1), START)
    assert durable.runs()[0].owned
    taken[0].release()


def test_a_run_that_ends_between_two_looks_was_not_interrupted(
    durable: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = durable.create_run(new_run(), [started()])
    other = SqliteStore(tmp_path, FixedClock())

    def ends(path: Path) -> bool:
        if not journal.closed:
            journal.append([RunCompleted(at=START, outputs=None)])
            journal.close()
        return locks.is_held(path)

    monkeypatch.setattr(listing, "is_held", ends)
    [record] = other.find_runs(run_id(1))
    assert (record.status, record.owned) == ("completed", False)
    other.close()
