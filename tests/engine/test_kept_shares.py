"""What attempts leave stays with their run for a moment, while its steps wait and nobody else is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.engine.sharing import Sharing
from mplp_cli.protocols import Journal, Shares, Store
from mplp_cli.store.memory import MemoryStore
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.resources import Demand, Kind, Pool, Unit
from tests.store.sample import START, new_run, run_id, started

ALL = 4
POOL = Pool({"slot": Kind(name="slot", units=(Unit("slot", ALL),))})
DEMANDS = {amount: Demand(amounts=(("slot", amount),)) for amount in range(1, ALL + 1)}


class Now:
    def now(self) -> int:
        return START

    def monotonic(self) -> float:
        return 0.0


class Counted:
    """Shares, and how often they were asked for more."""

    def __init__(self, shares: Shares) -> None:
        self._shares, self.taken = shares, 0

    def take(self, *share: Any) -> Any:
        self.taken += 1
        return self._shares.take(*share)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shares, name)


class Runner:
    """One run of a process, and what its driver does about the pool: steps have an amount, and a rank."""

    def __init__(self, store: Store, number: int) -> None:
        self.run = run_id(number)
        self.journal: Journal = store.create_run(new_run(number), [started(number)])
        self.store, self.shares = store, Counted(store.shares)
        since = START + number
        self.sharing = Sharing(
            POOL, self.shares, Now(), self.run, priority=0, since=since, end_lost=lambda _run: None
        )
        self.room = self.sharing.room
        self.amounts: list[int] = []
        self.working: set[int] = set()

    def arrive(self, amount: int) -> None:
        self.amounts.append(amount)
        i = len(self.amounts) - 1
        if self.room.enter(DEMANDS[amount], i):
            self._take(i)

    def finish(self) -> None:
        """The attempt that works longest ends, and those that wait go on."""
        if self.working:
            i = min(self.working)
            self.working.discard(i)
            self.room.stock.give(i)
        self.go_on()

    def go_on(self) -> None:
        while (i := self.room.best()) is not None:
            self.room.leave()
            if not self._take(i):
                return

    def _take(self, i: int) -> bool:
        self.room.take(i, DEMANDS[self.amounts[i]], i)
        if self.sharing.grant():
            self.working.add(i)
            return True
        self.room.stock.undo(i)
        if self.room.enter(DEMANDS[self.amounts[i]], i):
            raise AssertionError("there was no room")
        return False

    def commit(self) -> None:
        share = self.sharing.lessened()
        self.journal.append([], share=share)
        self.sharing.kept(share)

    def look(self) -> None:
        if self.sharing.look():
            self.go_on()

    @property
    def held(self) -> int:
        return sum(self.amounts[i] for i in self.working)

    @property
    def stored(self) -> int:
        own = [share for share in self.store.shares.all() if share.run == self.run]
        return sum(share.held.get("slot", {}).get("slot", 0) for share in own)


@pytest.fixture(params=["memory", "processes"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Store]]:
    """The store as two runs see it: one of this process, or each its own."""
    if request.param == "memory":
        store: Store = MemoryStore(Now())
        yield [store, store]
        return
    each = [SqliteStore(tmp_path, Now()) for _ in range(2)]
    yield [*each]
    for one in each:
        one.close()


def test_the_next_steps_of_a_run_alone_ask_for_nothing_again(stores: list[Store]) -> None:
    run = Runner(stores[0], 1)
    for amount in (4, 1, 2, 3, 1, 3, 2):
        run.arrive(amount)
    for _ in range(6):
        run.finish()
        run.commit()
        assert run.stored >= run.held > 0
    assert run.shares.taken == 1


def test_what_is_kept_and_not_used_is_given_back_after_two_looks(stores: list[Store]) -> None:
    run = Runner(stores[0], 1)
    for amount in (2, 1, 4):
        run.arrive(amount)
    run.finish()
    run.commit()
    assert (run.held, run.stored) == (1, 3)
    assert run.sharing.alert
    run.look()
    run.look()
    assert (run.held, run.stored) == (1, 1)
    assert not run.sharing.alert


def test_a_run_in_which_nothing_waits_keeps_nothing(stores: list[Store]) -> None:
    run = Runner(stores[0], 1)
    for amount in (2, 1):
        run.arrive(amount)
    run.finish()
    run.commit()
    assert (run.held, run.stored) == (1, 1)


def test_another_run_that_shows_itself_gets_what_is_kept_and_never_what_is_held(stores: list[Store]) -> None:
    first = Runner(stores[0], 1)
    for amount in (3, 1, 4):
        first.arrive(amount)
    first.finish()  # one is held, all four are stored, and nobody knows of another run
    first.commit()
    second = Runner(stores[1], 2)
    second.arrive(2)
    assert (second.working, first.stored) == (set(), 4)
    second.look()  # it says what it waits for
    first.look()
    assert (first.held, first.stored) == (1, 1)
    first.sharing.rests = True  # the first wants all, and goes first; it pauses, so the other has its turn
    first.look()
    second.look()
    assert (second.held, second.stored) == (2, 2)
    first.finish()
    first.commit()
    assert (first.held, first.stored) == (0, 0)


WHAT = st.tuples(
    st.integers(0, 1), st.sampled_from(["finish", "finish", "commit", "look"]) | st.integers(1, ALL)
)


@given(st.lists(WHAT, max_size=40))
def test_no_more_is_ever_held_than_is_stored_nor_stored_than_there_is(acts: list[tuple[int, Any]]) -> None:
    store = MemoryStore(Now())
    runs = [Runner(store, number) for number in (1, 2)]
    for number, act in acts:
        if isinstance(act, int):
            runs[number].arrive(act)
        else:
            getattr(runs[number], act)()
        assert all(run.held <= run.stored for run in runs)
        assert sum(run.stored for run in runs) <= ALL
    for _ in range(3 * len(acts) + 3):
        for run in runs:
            run.finish()
            run.commit()
            run.look()
    assert not any(run.room.waits or run.working for run in runs)
    assert store.shares.all() == []
