"""Places under a concurrency key: first come, first served, and never one too many, whatever dies when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from mplp_cli.errors import ConcurrencyLimitError, Failure
from mplp_cli.protocols import Control
from mplp_cli.store.journal import SqliteJournal
from mplp_cli.store.layout import database_path, lock_path
from mplp_cli.store.memory import MemoryStore
from mplp_cli.store.pruning import remove_run
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.fold.history import (
    Event,
    RunAdmitted,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunResumed,
    RunWaiting,
    Turn,
)
from tests.store.sample import START, FixedClock, new_run, run_id, started

PROD = Turn("prod")
ENDS: Sequence[Event] = (
    RunCompleted(START),
    RunCancelled(START),
    RunFailed(START, Failure(type="X", message="x")),
)


def create(store: SqliteStore, number: int, turn: Turn = PROD, workflow: str = "deploy") -> SqliteJournal:
    """A new run that needs a place; this process owns it."""
    new = replace(new_run(number, workflow), turn=turn)
    return store.create_run(new, [replace(started(number), turn=turn)])


def position(store: SqliteStore, number: int, turn: Turn = PROD) -> int:
    """Where a run stands after it has asked for its place."""
    return store.turns.take(run_id(number), turn).position


def admit(store: SqliteStore, number: int, turn: Turn = PROD) -> SqliteJournal:
    """A run that has its place and has begun."""
    journal = create(store, number, turn)
    assert position(store, number, turn) == 0
    journal.append([RunAdmitted(START)])
    return journal


def rows(store: SqliteStore, tmp_path: Path) -> list[tuple[str, int]]:
    """The table: id and whether it has a place."""
    db = apsw.Connection(str(database_path(tmp_path)))
    found = db.execute("SELECT run, held FROM turn ORDER BY seq").fetchall()
    db.close()
    return [(str(run), int(str(held))) for run, held in found]


def test_runs_get_their_places_in_the_order_in_which_they_came(durable: SqliteStore) -> None:
    journals = [create(durable, number) for number in range(1, 5)]
    assert [position(durable, number) for number in range(1, 5)] == [0, 1, 2, 3]
    assert [position(durable, number) for number in (4, 3, 2)] == [3, 2, 1]
    journals[0].append([RunAdmitted(START), RunCompleted(START)])
    assert [position(durable, number) for number in (4, 3, 2)] == [3, 2, 0]
    assert [position(durable, number) for number in (4, 3)] == [2, 1]


def test_as_many_runs_as_the_key_has_places_go_on_at_once(durable: SqliteStore) -> None:
    three = Turn("prod", 3)
    journals = [create(durable, number, three) for number in range(1, 6)]
    assert [position(durable, number, three) for number in range(1, 6)] == [0, 0, 0, 1, 2]
    journals[1].append([RunAdmitted(START), RunCompleted(START)])
    assert [position(durable, number, three) for number in (5, 4)] == [2, 0]
    assert len(durable.turns.take(run_id(5), three).holders) == 3


def test_other_keys_and_other_workflows_are_nobodys_business(durable: SqliteStore) -> None:
    create(durable, 1)
    create(durable, 2, Turn("test"))
    create(durable, 3, workflow="other")
    assert position(durable, 2, Turn("test")) == position(durable, 3) == 0


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_a_place_is_given_up_in_the_commit_that_ends_the_run(
    durable: SqliteStore, tmp_path: Path, end: Event
) -> None:
    journal = admit(durable, 1)
    create(durable, 2)
    journal.append([end])
    assert rows(durable, tmp_path) == [(run_id(2), 0)]
    assert position(durable, 2) == 0


@pytest.mark.parametrize(
    "dies",
    [lambda journal: None, lambda journal: journal.append([RunAdmitted(START)])],
    ids=["before it begins", "running"],
)
def test_a_run_whose_process_is_gone_loses_its_place_to_the_next(
    durable: SqliteStore, tmp_path: Path, dies: Callable[[SqliteJournal], None]
) -> None:
    journal = create(durable, 1)
    dies(journal)
    create(durable, 2)
    assert position(durable, 2) == 1
    journal.close()
    assert rows(durable, tmp_path)[0] == (run_id(1), 1)  # nobody has looked yet
    assert durable.turns.take(run_id(2), PROD).freed == [run_id(1)]
    assert rows(durable, tmp_path) == [(run_id(2), 1)]


def test_a_run_that_lost_its_place_takes_its_turn_again_behind_the_others(durable: SqliteStore) -> None:
    admit(durable, 1).close()
    second = admit(durable, 2)
    create(durable, 3)
    taken = durable.own_run(run_id(1), "ann")
    assert position(durable, 1) == 2
    second.append([RunCompleted(START)])
    assert (position(durable, 1), position(durable, 3)) == (2, 0)
    taken.close()


def test_a_run_that_is_taken_up_before_anybody_asked_keeps_its_place(durable: SqliteStore) -> None:
    admit(durable, 1).close()
    durable.own_run(run_id(1), "ann")
    create(durable, 2)
    assert (position(durable, 2), position(durable, 1)) == (1, 0)


def test_a_run_whose_process_is_gone_keeps_nobody_waiting(durable: SqliteStore) -> None:
    first = admit(durable, 1)
    create(durable, 2).close()
    create(durable, 3)
    assert position(durable, 3) == 1  # the second is not before it
    first.append([RunCompleted(START)])
    assert position(durable, 3) == 0


def test_a_run_that_waits_for_a_person_keeps_its_place_without_a_process(durable: SqliteStore) -> None:
    journal = admit(durable, 1)
    journal.append([RunWaiting(START)])
    journal.close()
    create(durable, 2)
    assert position(durable, 2) == 1
    taken = durable.own_run(run_id(1), "ann")
    assert position(durable, 1) == 0
    taken.append([RunResumed(START, "ann")])
    taken.close()  # it dies
    assert position(durable, 2) == 0


def test_a_failed_run_that_dies_between_its_place_and_its_first_fact_leaks_nothing(
    durable: SqliteStore, tmp_path: Path
) -> None:
    admit(durable, 1).append([ENDS[2]])
    durable.close()
    store = SqliteStore(tmp_path, FixedClock())
    store.own_run(run_id(1), "ann")
    assert position(store, 1) == 0
    store.close()  # its process is gone, and the list still says failed
    store = SqliteStore(tmp_path, FixedClock())
    create(store, 2)
    assert position(store, 2) == 0
    store.close()


def test_a_refused_run_leaves_no_trace(durable: SqliteStore, tmp_path: Path) -> None:
    strict = Turn("prod", 2, "fail")
    admit(durable, 1, strict)
    admit(durable, 2, strict)
    with pytest.raises(ConcurrencyLimitError) as refused:
        create(durable, 3, strict)
    assert refused.value.exit_code == 75
    assert refused.value.details == {
        "workflowId": "deploy",
        "key": "prod",
        "max": 2,
        "holders": [run_id(1), run_id(2)],
        "queued": [],
    }
    assert run_id(1) in refused.value.message
    assert "at most 2 runs of deploy at once" in refused.value.message
    assert [run.id for run in durable.runs()] == [run_id(2), run_id(1)]
    assert not lock_path(tmp_path, run_id(3)).exists()
    assert len(rows(durable, tmp_path)) == 2


def test_a_place_of_the_dead_is_no_reason_to_refuse(durable: SqliteStore) -> None:
    strict = Turn("prod", 1, "fail")
    admit(durable, 1, strict).close()
    create(durable, 2, strict)
    assert position(durable, 2, strict) == 0


def test_a_failed_run_that_finds_no_place_when_it_is_taken_up_is_refused_too(durable: SqliteStore) -> None:
    strict = Turn("prod", 1, "fail")
    failed = admit(durable, 1, strict)
    failed.append([ENDS[2]])
    failed.close()
    admit(durable, 2, strict)
    durable.own_run(run_id(1), "ann")
    with pytest.raises(ConcurrencyLimitError):
        position(durable, 1, strict)


def test_as_many_of_the_oldest_are_asked_to_end_as_the_new_run_needs(durable: SqliteStore) -> None:
    newest = Turn("prod", 2, "cancel")
    journals = [admit(durable, 1, newest), admit(durable, 2, newest)]
    journals.append(create(durable, 3, newest))
    [asked] = journals[0].controls()
    assert (asked.verb, asked.by) == ("cancel", f"run {run_id(3)[:8]}")
    assert asked.reason == f"run {run_id(3)} takes its place under `prod`"
    assert journals[1].controls() == []
    journals.append(create(durable, 4, newest))
    assert journals[0].controls() == []  # it was asked before
    assert [control.by for control in journals[1].controls()] == [f"run {run_id(4)[:8]}"]
    create(durable, 5, newest)
    assert len(journals[2].controls()) == 1  # it has not begun, and need not
    assert [position(durable, number, newest) for number in (3, 4, 5)] == [1, 2, 3]


def test_a_parked_run_that_was_asked_to_end_is_named_to_those_who_wait(durable: SqliteStore) -> None:
    newest = Turn("prod", 1, "cancel")
    journal = admit(durable, 1, newest)
    journal.append([RunWaiting(START)])
    create(durable, 2, newest)
    assert durable.turns.take(run_id(2), newest).ending == []  # its process sees to it
    journal.close()
    assert durable.turns.take(run_id(2), newest).ending == [run_id(1)]


def test_looking_at_the_queue_changes_nothing(durable: SqliteStore, tmp_path: Path) -> None:
    admit(durable, 1).close()
    create(durable, 2)
    create(durable, 3, Turn("test"))
    before = rows(durable, tmp_path)
    standings = durable.turns.standings()
    assert {run: standing.position for run, standing in standings.items()} == {run_id(2): 0, run_id(3): 0}
    assert durable.turns.standings(run_id(1)) == {}
    assert rows(durable, tmp_path) == before


def test_all_who_stand_under_a_key_are_told_as_each_of_them(durable: SqliteStore) -> None:
    turn = Turn("prod", 2)
    held = [admit(durable, number, turn) for number in (1, 2)]
    held[0].append([RunWaiting(START)])
    held[0].close()
    durable.request(run_id(1), Control(seq=0, verb="cancel"))
    queued = [create(durable, number, turn) for number in range(3, 7)]
    queued[1].close()  # its process is gone, and its claim with it
    create(durable, 7, Turn("test"))
    standings = durable.turns.standings()
    assert [standings[run_id(number)].position for number in (1, 2, 3, 5, 6, 7)] == [0, 0, 1, 2, 3, 0]
    assert standings[run_id(6)].ending == [run_id(1)]
    assert [one.run for one in standings[run_id(6)].holders] == [run_id(1), run_id(2)]
    assert len(standings) == 6
    for run, standing in standings.items():
        assert durable.turns.standings(run) == {run: standing}


def test_a_run_that_is_deleted_leaves_no_place_behind(durable: SqliteStore, tmp_path: Path) -> None:
    journal = admit(durable, 1)
    db = apsw.Connection(str(database_path(tmp_path)))
    db.execute("UPDATE run SET status = 'completed'")
    db.close()
    journal.close()
    assert remove_run(durable._database, tmp_path, run_id(1), START)
    assert rows(durable, tmp_path) == []


def test_an_ephemeral_run_has_no_others() -> None:
    store = MemoryStore(FixedClock())
    for number in (1, 2):
        store.create_run(replace(new_run(number), turn=PROD), [replace(started(number), turn=PROD)])
        assert store.turns.take(run_id(number), PROD).position == 0
    assert store.turns.standings() == {}
