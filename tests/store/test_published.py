"""The board of published events, and who has come how far with it: the contract, over both stores."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.errors import StoreError
from mplp_cli.protocols import Control, Delivery, Store
from mplp_cli.store.memory import MemoryStore
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.fold.history import StepEmitted
from mplp_cli.workflow.published import Cause, Published, matches
from tests.store.sample import START, FixedClock, asks, new_run, run_id, started


def event(name: str, source: str = "ci", /, **more: Any) -> Published:
    return Published(id=name, type="build.done", source=source, at=START, data={"of": name}, more=more)


def ids(found: list[tuple[int, Published]]) -> list[str]:
    return [one.id for _, one in found]


# ---- the board


def test_events_are_numbered_in_the_order_in_which_they_are_published(store: Store) -> None:
    assert store.board.publish() == []
    assert store.board.publish(event("a"), event("b")) == [1, 2]
    assert store.board.publish(event("c")) == [3]
    assert store.board.last() == 3
    assert store.board.following(1) == [(2, event("b")), (3, event("c"))]


def test_an_event_that_was_published_before_keeps_its_number_and_takes_none(store: Store) -> None:
    store.board.publish(event("a"), event("b"))
    again = [event("b", n=1), event("c"), event("c"), event("a")]
    assert store.board.publish(*again) == [2, 3, 3, 1]
    assert store.board.publish(event("d")) == [4]
    assert store.board.following(0) == [(n, event(name)) for n, name in enumerate("abcd", 1)]


def test_the_same_id_of_another_source_is_another_event(store: Store) -> None:
    assert store.board.publish(event("a"), event("b"), event("a", "deploy")) == [1, 2, 3]
    assert store.board.find("a") == [(1, event("a")), (3, event("a", "deploy"))]
    assert store.board.find("nobody") == []
    assert store.board.numbered(3) == event("a", "deploy")
    assert store.board.numbered(4) is store.board.numbered(0) is None


# ---- those of a type


def of_types(*types: str) -> list[Published]:
    return [Published(id=f"{n}", type=name, source="s", at=n) for n, name in enumerate(types, 1)]


def numbers(found: tuple[list[tuple[int, Published]], int]) -> tuple[list[int], int]:
    return [number for number, _ in found[0]], found[1]


def test_events_of_a_type_are_sifted_out_forwards_and_backwards(store: Store) -> None:
    board = store.board
    assert board.sift("*", 0, 5) == ([], 0)
    assert board.sift("*", 1, 5, back=True) == ([], 1)
    board.publish(*of_types("a.one", "b", "a.two", "A.one", "a.one"))
    assert board.sift("b", 0, 5) == ([(2, of_types("", "b")[1])], 5)
    assert numbers(board.sift("a.*", 0, 5)) == ([1, 3, 5], 5)
    assert numbers(board.sift("a.*", 0, 2)) == ([1, 3], 3)
    assert numbers(board.sift("a.*", 3, 2)) == ([5], 5)
    assert numbers(board.sift("a.*", 5, 2)) == ([], 5)
    assert numbers(board.sift("a.*", 1 << 53, 2)) == ([], 1 << 53)
    assert numbers(board.sift("a.one", 6, 5, back=True)) == ([5, 1], 1)
    assert numbers(board.sift("a.one", 6, 1, back=True)) == ([5], 5)
    assert numbers(board.sift("*.one", 5, 2, back=True)) == ([4, 1], 1)
    assert numbers(board.sift("nothing", 1 << 53, 2, back=True)) == ([], 1)


def test_a_thousand_events_are_sifted_at_a_time(store: Store) -> None:
    store.board.publish(*of_types(*["often"] * 1_500, "rare", *["often"] * 1_000))
    assert numbers(store.board.sift("rare", 0, 5)) == ([], 1_000)
    assert numbers(store.board.sift("rare", 1_000, 5)) == ([1_501], 2_000)
    assert numbers(store.board.sift("rare", 2_502, 5, back=True)) == ([], 1_502)
    assert numbers(store.board.sift("rare", 1_502, 5, back=True)) == ([1_501], 502)
    assert numbers(store.board.sift("often", 600, 900)) == ([*range(601, 1_501)], 1_500)


def test_events_that_are_gone_are_not_counted_among_those_that_are_sifted(durable: SqliteStore) -> None:
    durable.board.publish(*of_types(*["often"] * 3_000, "rare"))
    with durable._database.writing() as db:
        db.execute("DELETE FROM emitted WHERE seq BETWEEN 3 AND 2100")
    assert numbers(durable.board.sift("rare", 0, 5)) == ([3_001], 3_001)
    assert numbers(durable.board.sift("rare", 3_001, 5, back=True)) == ([], 1)


@given(
    st.lists(st.text("aA?[]-^.*", min_size=1, max_size=4), min_size=1, max_size=20),
    st.text("aA?[]-^.*", min_size=1, max_size=5),
)
def test_a_type_means_the_same_to_every_board(types: list[str], wanted: str) -> None:
    expected = [n for n, name in enumerate(types, 1) if matches(wanted, name)]
    with tempfile.TemporaryDirectory() as directory:
        for made in (MemoryStore(FixedClock()), SqliteStore(Path(directory), FixedClock())):
            made.board.publish(*of_types(*types))
            assert numbers(made.board.sift(wanted, 0, 99)) == (expected, len(types))
            assert numbers(made.board.sift(wanted, 99, 99, back=True)) == (expected[::-1], 1)
            made.close()


def test_further_attributes_and_any_json_come_back_as_they_were(store: Store) -> None:
    told = Published(
        id="é\u2028", type="t", source="s", at=0, data=[None, 1.5, {"ü": []}], more={"subject": "x", "n": 1}
    )
    store.board.publish(told, event("empty"))
    assert store.board.newest(2) == [(1, told), (2, event("empty"))]


def test_what_is_posted_is_there_at_once_and_published_once(store: Store) -> None:
    assert store.board.post() == []
    assert store.board.post(event("a"), event("b")) == [1, 2]
    assert store.board.publish(event("b"), event("c")) == [2, 3]
    assert store.board.post(event("c")) == [3]
    assert ids(store.board.following(0)) == ["a", "b", "c"]
    asyncio.run(store.board.sync())


def test_what_is_posted_is_kept_by_the_disk_when_a_sync_is_over(
    durable: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(os.fstat(file).st_ino))
    durable.board.post(event("a"))
    assert not synced
    asyncio.run(durable.board.sync())
    assert synced == [(tmp_path / "state.db-wal").stat().st_ino]
    assert durable.check()["synchronous"] == 2  # and others wait for the disk as before


def test_what_json_cannot_hold_is_refused_and_nothing_of_its_batch_is_published(store: Store) -> None:
    if not isinstance(store, SqliteStore):
        pytest.skip("nothing is encoded in memory")
    for wrong in (event("x", n=object()), msgspec.structs.replace(event("x"), data={"n": object()})):
        with pytest.raises(StoreError, match=r"build\.done"):
            store.board.publish(event("a"), wrong)
    assert store.board.last() == 0


def test_an_event_in_a_fact_is_written_as_it_always_was(store: Store) -> None:
    plain = Published(id="a", type="t", source="s", at=1)
    assert msgspec.json.encode(plain) == b'{"id":"a","type":"t","source":"s","at":1,"data":null}'
    assert msgspec.json.decode(msgspec.json.encode(event("a", n=1)), type=Published) == event("a", n=1)


# ---- what a journal tells


def test_what_a_journal_tells_is_on_the_board_with_its_facts(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    journal.append([StepEmitted(START, "e", 1, event("step"))], told=[event("told")])
    journal.append([], told=[event("alone"), event("told")])
    assert ids(store.board.following(0)) == ["step", "told", "alone"]


def test_a_run_that_is_not_parked_tells_nothing(store: Store) -> None:
    journal = store.create_run(new_run(), [started()])
    store.request(run_id(1), Control(seq=0, verb="pause"))
    assert not journal.park([asks()], told=[event("parked")])
    assert store.board.last() == 0
    journal.controls()
    assert journal.park([asks()], told=[event("parked")])
    assert ids(store.board.newest(5)) == ["parked"]


def test_facts_that_are_refused_tell_nothing(durable: SqliteStore) -> None:
    journal = durable.create_run(new_run(), [started()])
    with pytest.raises(StoreError):
        journal.append([asks()], told=[event("good"), event("bad", n=object())])
    assert durable.board.last() == 0
    other = durable.own_run(run_id(1), "other", take_over=True)
    with pytest.raises(Exception, match="took run"):
        journal.append([asks()], told=[event("late")])
    assert durable.board.last() == 0
    other.append([asks()], told=[event("good")])
    assert ids(durable.board.following(0)) == ["good"]


def test_what_started_a_run_is_kept_with_it(store: Store) -> None:
    cause = Cause(by="trigger:nightly", event="tick-1")
    store.create_run(msgspec.structs.replace(new_run(), cause=cause), [started()])
    store.create_run(new_run(2), [started(2)])
    assert [(run.id, run.cause) for run in store.runs()] == [(run_id(2), None), (run_id(1), cause)]
    assert store.find_runs(run_id(1))[0].cause == cause


# ---- readers and deliveries


def delivery(
    route: str, number: int, state: Literal["delivered", "retrying", "dead", "dropped"] = "delivered"
) -> Delivery:
    failed = state in ("retrying", "dead")
    return Delivery(
        route=route,
        event=number,
        state=state,
        tries=2,
        at=START,
        due=START + 5 if state == "retrying" else 0,
        took=3,
        error="TimeoutError: it took too long" if failed else "",
    )


@pytest.mark.parametrize("durable_", [True, False])
def test_readers_deliveries_and_events_are_settled_together(store: Store, durable_: bool) -> None:
    kept = store.deliveries
    kept.settle({})
    assert (kept.readers(), kept.of(), kept.counts()) == ({}, [], {})
    done = [delivery("route:a", 1), delivery("route:b", 1, "retrying")]
    kept.settle({"route:b": 0, "route:a": 1}, done, [event("dead-letter")], durable=durable_)
    assert kept.readers() == {"route:a": 1, "route:b": 0}
    assert kept.of() == done
    assert ids(store.board.following(0)) == ["dead-letter"]
    kept.settle({"route:b": 1}, [delivery("route:b", 1, "dead")], durable=durable_)
    assert kept.of("route:b") == [delivery("route:b", 1, "dead")]
    assert kept.counts() == {"route:a": {"delivered": 1}, "route:b": {"dead": 1}}


def test_a_reader_never_goes_back(store: Store) -> None:
    store.deliveries.settle({"route:a": 5, "rule:b": 7})
    store.deliveries.settle({"route:a": 3, "rule:b": 9})
    assert store.deliveries.readers() == {"route:a": 5, "rule:b": 9}


def test_nothing_is_settled_if_an_event_cannot_be_written(durable: SqliteStore) -> None:
    with pytest.raises(StoreError):
        durable.deliveries.settle({"route:a": 1}, [delivery("route:a", 1)], [event("x", n=object())])
    assert (durable.deliveries.readers(), durable.deliveries.of()) == ({}, [])


def test_deliveries_are_found_by_route_state_and_event_in_the_order_of_events(store: Store) -> None:
    states: tuple[Any, ...] = ("delivered", "retrying", "dead", "dropped")
    every = [
        delivery(route, n, states[(n * n + ord(route)) % 5 % 4])
        for n in range(1, 30)
        for route in ("a", "b", "c")
    ]
    store.deliveries.settle({}, every[::-1])
    for route in (None, "a", "nobody"):
        for state in (None, *states):
            for number in (None, 7):
                for after in (0, 6, 20):
                    expected = [
                        one
                        for one in every
                        if route in (None, one.route)
                        and state in (None, one.state)
                        and number in (None, one.event)
                        and one.event > after
                    ]
                    found = store.deliveries.of(route, state=state, event=number, after=after, limit=10)
                    assert found == expected[:10]
    counted = store.deliveries.counts()
    assert {(r, s): n for r, of in counted.items() for s, n in of.items()} == {
        (r, s): n
        for r in "abc"
        for s in states
        if (n := sum((one.route, one.state) == (r, s) for one in every))
    }


def test_one_at_a_time_has_the_right_to_deliver(store: Store) -> None:
    first = store.deliveries.own()
    assert first is not None
    assert store.deliveries.own() is None
    with first:
        assert store.deliveries.own() is None
    second = store.deliveries.own()
    assert second is not None
    with pytest.raises(KeyError), second:
        raise KeyError
    third = store.deliveries.own()
    assert third is not None
    with third:
        pass


OWNER = """
import sys
from pathlib import Path
from mplp_cli.store.sqlite import SqliteStore
from tests.store.sample import FixedClock
held = SqliteStore(Path(sys.argv[1]), FixedClock()).deliveries.own()
print(held is not None, flush=True)
sys.stdin.read()
"""


def test_the_right_to_deliver_goes_with_its_process(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, FixedClock())
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert store.deliveries.own() is None
        other.kill()
        other.wait()
    held = store.deliveries.own()
    assert held is not None
    with held:
        pass
    store.close()
