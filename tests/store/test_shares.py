"""Who holds what of the pool: never more than there is, all of it or none, and nothing for the dead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.errors import AllocationNotFoundError, Failure, InsufficientResourcesError, LostOwnershipError
from mplp_cli.protocols import Control, Journal, Shares, Store
from mplp_cli.store.layout import lock_path
from mplp_cli.store.locks import take
from mplp_cli.store.memory import MemoryStore
from mplp_cli.store.pruning import remove_run
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.fold.history import (
    Event,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunPaused,
    RunWaiting,
)
from mplp_cli.workflow.resources import Amounts, Demand, Kind, Pool, Share, Unit, fits, in_use
from tests.store.sample import START, new_run, run_id, started, step
from tests.store.test_sqlite_processes import Start, line, start

__all__ = ["start"]

POOL = Pool(
    {
        "cpu": Kind(name="cpu", units=(Unit("one", 4_000), Unit("two", 2_000))),
        "memory": Kind(name="memory", units=(Unit("ram", 8 << 30),)),
        "calls": Kind(name="calls", units=(Unit("calls", 3_000),), per=60_000),
    }
)
ENDS = (
    RunCompleted(START),
    RunCancelled(START),
    RunFailed(START, Failure(type="X", message="x")),
    RunWaiting(START),
    RunPaused(START),
)


class Hours:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return self.time

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def clock() -> Hours:
    return Hours()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Hours) -> Iterator[Store]:
    made: Store = MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
def durable(tmp_path: Path, clock: Hours) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path, clock)
    yield made
    made.close()


def begun(store: Store, number: int) -> Journal:
    return store.create_run(new_run(number), [started(number)])


def share(number: int, cpu: int = 0, *, unit: str = "one", priority: int = 0, wants: int = 0) -> Share:
    held: Amounts = {"cpu": {unit: cpu}} if cpu else {}
    wanted: Amounts = {"cpu": {unit: wants}} if wants else {}
    return Share(run=run_id(number), priority=priority, since=START + number, held=held, wanted=wanted)


def taken(store: Store, mine: Share) -> bool:
    return store.shares.take(POOL, mine) is None


def held(shares: Shares) -> dict[str, dict[str, int]]:
    return in_use(shares.all(), shares.allocations(), START)


def nobody(run: str) -> None:
    raise AssertionError(f"{run} lives")


# ---- taking ----


def test_a_unit_is_never_oversubscribed_and_a_refusal_names_the_others(store: Store) -> None:
    for number in (1, 2, 3):
        begun(store, number)
    assert taken(store, share(1, 3_000))
    assert store.shares.take(POOL, share(2, 2_000)) == [share(1, 3_000)]
    assert taken(store, share(2, 1_000))
    assert not taken(store, share(3, 1))
    assert taken(store, share(3, 2_000, unit="two"))
    assert held(store.shares) == {"cpu": {"one": 4_000, "two": 2_000}}


def test_all_kinds_are_taken_or_none(store: Store) -> None:
    begun(store, 1)
    begun(store, 2)
    both = {"cpu": {"two": 1_000}, "memory": {"ram": 6 << 30}}
    assert taken(store, Share(run=run_id(1), held=both))
    assert not taken(store, Share(run=run_id(2), since=1, held=both))
    assert held(store.shares) == both


def test_what_a_run_has_already_need_not_fit_into_a_pool_that_shrank(store: Store) -> None:
    begun(store, 1)
    assert taken(store, share(1, 4_000))
    smaller = Pool({"cpu": Kind(name="cpu", units=(Unit("one", 1_000), Unit("two", 2_000)))})
    more = {"cpu": {"one": 4_000, "two": 1_000}}
    assert store.shares.take(smaller, Share(run=run_id(1), since=START + 1, held=more)) is None
    assert store.shares.take(smaller, share(1, 4_001)) == []


def test_what_is_waited_for_is_kept_from_those_behind_and_from_nobody_else(store: Store) -> None:
    for number in (1, 2, 3, 4):
        begun(store, number)
    assert taken(store, share(3, 1_000))
    assert taken(store, share(2, 1_000, wants=3_000))
    assert not taken(store, share(3, 2_000))  # it is younger than the one that waits
    assert taken(store, share(1, 1_000))  # older
    assert taken(store, share(4, 1_000, priority=1))  # of a higher priority
    assert taken(store, share(3, 500))  # giving is always possible


def test_a_want_of_its_own_hinders_nobody(store: Store) -> None:
    begun(store, 1)
    assert taken(store, share(1, 3_000, wants=4_000))
    assert taken(store, share(1, 4_000))


# ---- rates ----


def test_a_rate_comes_back_after_its_time_and_not_with_the_step_or_the_run(
    store: Store, clock: Hours
) -> None:
    first, _ = begun(store, 1), begun(store, 2)
    spent = Share(run=run_id(1), spent=(("calls", "calls", 2_000, START + 60_000),))
    asks = Share(run=run_id(2), since=1, spent=(("calls", "calls", 2_000, START + 119_999),))
    assert taken(store, spent)
    first.append([RunCompleted(START)], share=spent)
    first.close()
    store.shares.reap(nobody)
    clock.time = START + 59_999
    assert store.shares.others(run_id(2)) == [spent]
    assert not taken(store, asks)
    clock.time += 1
    assert store.shares.all() == []
    assert taken(store, asks)


def test_what_ended_runs_have_spent_of_rates_is_forgotten_when_it_is_back(
    durable: SqliteStore, clock: Hours
) -> None:
    for number in range(1, 4):
        journal = begun(durable, number)
        spent = (("calls", "calls", 1, START + 1_000),)
        assert taken(durable, Share(run=run_id(number), spent=spent))
        journal.append([RunCompleted(START)])
        journal.close()
    clock.time = START + 1_000
    begun(durable, 4)
    assert taken(durable, share(4, 1))
    assert [row[0] for row in durable._database.rows("SELECT run FROM share")] == [run_id(4)]


# ---- looking ----


def test_a_look_tells_only_what_has_changed(store: Store) -> None:
    first, second = begun(store, 1), begun(store, 2)
    assert store.shares.others(run_id(2)) == []
    assert store.shares.others(run_id(2)) is None
    assert taken(store, share(1, 1_000))
    assert store.shares.others(run_id(2)) == [share(1, 1_000)]
    first.append(step(1))
    second.append(step(1))
    assert taken(store, share(2, 1_000))  # its own is no news
    assert store.shares.others(run_id(2)) is None
    first.append(step(2), share=share(1))
    assert store.shares.others(run_id(2)) == []
    made = store.shares.allocate(POOL, Demand(amounts=(("cpu", 500),)), "by-hand", "ann", START)
    assert store.shares.others(run_id(2)) == [made.share]
    assert store.shares.others(run_id(1)) == [share(2, 1_000), made.share]


def test_a_refusal_is_a_look(store: Store) -> None:
    begun(store, 1)
    begun(store, 2)
    assert taken(store, share(1, 4_000))
    assert not taken(store, share(2, 1_000))
    assert store.shares.others(run_id(2)) is None


def test_another_connection_sees_what_is_taken_when_it_is(durable: SqliteStore, tmp_path: Path) -> None:
    begun(durable, 1)
    other = SqliteStore(tmp_path, Hours())
    begun(other, 2)
    assert other.shares.others(run_id(2)) == []
    assert taken(durable, share(1, 4_000))
    assert other.shares.others(run_id(2)) == [share(1, 4_000)]
    assert other.shares.others(run_id(2)) is None
    assert not taken(other, share(2, 1))
    other.close()
    assert durable.check()["synchronous"] == 2  # facts wait for the disk as before


# ---- giving back ----


def test_a_share_becomes_smaller_with_the_facts_and_its_row_goes_with_the_last_of_it(store: Store) -> None:
    journal = begun(store, 1)
    assert taken(store, share(1, 4_000))
    journal.append(step(1), share=share(1, 1_000))
    assert held(store.shares) == {"cpu": {"one": 1_000}}
    journal.append([], share=share(1))
    assert store.shares.all() == []


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_a_run_that_nobody_drives_any_more_holds_and_wants_nothing(store: Store, end: Event) -> None:
    journal = begun(store, 1)
    assert taken(store, share(1, 4_000, wants=10))
    assert journal.park([end])
    assert store.shares.all() == []
    assert store.shares.others(run_id(2)) == []


def test_a_parting_that_does_not_take_place_gives_nothing_back(store: Store) -> None:
    journal = begun(store, 1)
    assert taken(store, share(1, 4_000))
    store.request(run_id(1), Control(seq=0, verb="cancel"))
    assert not journal.park([RunWaiting(START)], share=share(1))
    assert held(store.shares) == {"cpu": {"one": 4_000}}


def test_what_a_lost_process_held_is_freed_after_what_it_left_running_is_ended(store: Store) -> None:
    begun(store, 1).close()
    begun(store, 2)
    for mine in (share(1, 4_000), share(2, 2_000, unit="two")):
        assert taken(store, mine)
    assert not taken(store, share(2, 1))
    assert store.shares.all() == [share(2, 2_000, unit="two")]
    ended: list[str] = []
    store.shares.reap(ended.append)
    assert ended == [run_id(1)]
    assert taken(store, share(2, 1))
    store.shares.reap(nobody)


def test_a_process_that_is_killed_gives_back_what_it_held(
    durable: SqliteStore, start: Start, tmp_path: Path
) -> None:
    begun(durable, 2)
    worker = start("hold", 1)
    assert line(worker) == "holds"
    everything = Share(run=run_id(2), since=1, held={"cpu": {"node": 4_000}})
    pool = Pool({"cpu": Kind(name="cpu", units=(Unit("node", 4_000),))})
    durable.shares.reap(nobody)
    assert durable.shares.take(pool, everything) is not None
    worker.kill()
    worker.wait()
    assert durable.shares.take(pool, everything) is not None
    # Somebody takes the run up in this moment: then it is theirs.
    lock = take(lock_path(tmp_path, run_id(1)), run_id(1), "ann", START)
    durable.shares.reap(nobody)
    lock.release()
    durable.shares.reap(lambda run: os.kill(worker.pid, 0) if run != run_id(1) else None)
    assert durable.shares.take(pool, everything) is None


def test_processes_that_compete_never_hold_more_than_there_is(start: Start) -> None:
    workers = [start("compete", number) for number in (1, 2, 3)]
    counted = [int(line(worker)) for worker in workers]
    assert all(2_000 <= most <= 4_000 for most in counted), counted


def test_an_owner_that_was_taken_over_takes_nothing(durable: SqliteStore, tmp_path: Path) -> None:
    begun(durable, 1)
    other = SqliteStore(tmp_path, Hours())
    other.own_run(run_id(1), "ann", take_over=True)
    with pytest.raises(LostOwnershipError, match="took run"):
        durable.shares.take(POOL, share(1, 1))
    assert taken(other, share(1, 1))
    other.close()


def test_a_run_that_is_removed_takes_all_of_its_rows_along(durable: SqliteStore, tmp_path: Path) -> None:
    journal = begun(durable, 1)
    spent = Share(run=run_id(1), spent=(("calls", "calls", 1, START + 60_000),))
    assert taken(durable, spent)
    journal.append([RunCompleted(START)])
    journal.close()
    assert durable.shares.all() == [spent]
    assert remove_run(durable._database, tmp_path, run_id(1), START)
    assert durable.shares.all() == []


# ---- by hand ----


def test_what_is_held_by_hand_stays_until_it_is_released_once(store: Store) -> None:
    begun(store, 1)
    demand = Demand(amounts=(("cpu", 3_000), ("memory", 1 << 30)), strategy="best-fit")
    made = store.shares.allocate(POOL, demand, "a1", "ann", START + 5)
    assert (made.by, made.at, made.strategy) == ("ann", START + 5, "best-fit")
    assert made.parts == (("cpu", "one", 3_000), ("memory", "ram", 1 << 30))
    assert store.shares.allocate(POOL, demand, "a1", "bob", START + 6) == made
    assert store.shares.allocations() == [made]
    assert not taken(store, share(1, 2_000))
    assert store.shares.release("a1") == made
    assert taken(store, share(1, 2_000))
    for unknown in ("a1", "never"):
        with pytest.raises(AllocationNotFoundError, match=f"no allocation `{unknown}`") as refused:
            store.shares.release(unknown)
        assert refused.value.details == {"allocationId": unknown}


def test_what_is_not_there_is_not_held_and_the_refusal_says_how_much_there_is(store: Store) -> None:
    begun(store, 1)
    assert taken(store, share(1, 3_000, wants=500))
    demand = Demand(amounts=(("cpu", 2_500), ("gpu", 1_000), ("memory", 4 << 30)))
    with pytest.raises(InsufficientResourcesError) as refused:
        store.shares.allocate(POOL, demand, "a1", "ann", START + 5)
    assert refused.value.details == {
        "requirements": {"cpu": "2.5", "gpu": "1", "memory": "4GiB"},
        "availability": {"cpu": "2", "gpu": "0", "memory": "8GiB"},
    }
    assert "cpu: asked 2.5, available 2; gpu: asked 1, available 0" in refused.value.message
    assert store.shares.allocations() == []
    assert store.shares.allocate(POOL, Demand(amounts=(("cpu", 500),)), "a1", "ann", START + 5).parts == (
        ("cpu", "one", 500),
    )


def test_what_a_run_has_allocated_goes_with_its_end_and_a_release_may_be_tried_again(store: Store) -> None:
    journal = begun(store, 1)
    one = Demand(amounts=(("cpu", 500),))
    for name in ("a1", "a2"):
        store.shares.allocate(POOL, one, name, f"run:{run_id(1)}", START)
    hand = store.shares.allocate(POOL, one, "hand", "ann", START)
    attempt = f"{run_id(1)}/free"
    gone = store.shares.release("a1", attempt)
    assert store.shares.release("a1", attempt) == gone
    for other in ("", f"{run_id(1)}/other"):
        with pytest.raises(AllocationNotFoundError):
            store.shares.release("a1", other)
    assert [made.id for made in store.shares.allocations()] == ["a2", "hand"]
    journal.append([RunWaiting(START)])
    assert len(store.shares.allocations()) == 2
    journal.append([RunCompleted(START)])
    assert store.shares.allocations() == [hand]
    with pytest.raises(AllocationNotFoundError):
        store.shares.release("a1", attempt)


# ---- the judgement ----

amounts = st.integers(0, 5_000)
shares = st.lists(
    st.tuples(amounts, amounts, st.integers(0, 1), amounts).map(
        lambda t: Share(
            run="x",
            priority=t[2],
            since=t[3],
            held={"cpu": {"one": t[0]}},
            wanted={"cpu": {"one": t[1]}},
        )
    ),
    max_size=4,
)


@given(shares, amounts, amounts)
def test_whatever_others_hold_what_fits_leaves_nobody_with_less(
    others: list[Share], before: int, after: int
) -> None:
    mine = Share(run="me", since=2_500, held={"cpu": {"one": after}})
    had = Share(run="me", since=2_500, held={"cpu": {"one": before}})
    there = sum(other.held["cpu"]["one"] for other in others)
    ahead = [other for other in others if (-other.priority, other.since, other.run) < (0, 2_500, "me")]
    kept = there + sum(other.wanted["cpu"]["one"] for other in ahead)
    assert fits(POOL, mine, others, START, had) == (after <= before or kept + after <= 4_000)
