"""Published events go when they are old and nobody needs them; nothing else goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from mplp_cli.protocols import Delivery
from mplp_cli.store import forgetting
from mplp_cli.store.database import Database
from mplp_cli.store.forgetting import DAY, Forgotten, forget_events
from mplp_cli.store.layout import database_path
from mplp_cli.store.pruning import remove_run
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.fold.history import RunCompleted
from mplp_cli.workflow.published import Published, enriched
from tests.store.sample import START, new_run, run_id, started

NOW = START + 100 * DAY


@pytest.fixture
def database(durable: SqliteStore, tmp_path: object) -> Iterator[Database]:
    made = Database(database_path(durable._state_dir))
    yield made
    made.close()


def publish(store: SqliteStore, *days: int) -> None:
    """An event of so many days ago each."""
    for ago in days:
        at = NOW - ago * DAY
        store.board.publish(Published(id=str(store.board.last() + 1), type="t", source="s", at=at))


def left(store: SqliteStore) -> list[int]:
    return [number for number, _ in store.board.following(0)]


def over(route: str, number: int, state: str = "delivered") -> Delivery:
    return Delivery(route=route, event=number, state=state, tries=1, at=START)  # type: ignore[arg-type] # drawn


def test_old_events_go_with_their_deliveries_and_numbers_go_on(
    durable: SqliteStore, database: Database
) -> None:
    publish(durable, 40, 31, 29, 0)
    durable.deliveries.settle({"route:a": 4}, [over("a", number) for number in range(1, 5)])
    assert forget_events(database, NOW, days=30, dry_run=True) == Forgotten(2)
    assert forget_events(database, NOW, days=30) == Forgotten(2)
    assert left(durable) == [3, 4]
    assert [one.event for one in durable.deliveries.of()] == [3, 4]
    assert forget_events(database, NOW, days=0) == Forgotten(1)  # the last one is of this moment
    assert forget_events(database, NOW + 1, days=0) == Forgotten(1)
    assert (left(durable), durable.board.last()) == ([], 4)
    publish(durable, 0)
    assert left(durable) == [5]


def test_what_a_reader_has_not_dealt_with_stays_until_the_reader_is_forgotten(
    durable: SqliteStore, database: Database
) -> None:
    publish(durable, *[40] * 5)
    durable.deliveries.settle({"route:slow": 2, "rule:quick": 5, "trigger:w/cron": NOW})
    assert forget_events(database, NOW, days=30) == Forgotten(2, "route:slow", 2)
    dry = forget_events(database, NOW, days=30, but=["route:slow"], dry_run=True)
    assert (dry, left(durable)) == (Forgotten(3), [3, 4, 5])
    assert forget_events(database, NOW, days=30, but=["route:slow"]) == Forgotten(3)
    assert durable.deliveries.readers() == {"rule:quick": 5, "trigger:w/cron": NOW}


def test_what_is_to_be_delivered_again_and_dead_letters_stay(
    durable: SqliteStore, database: Database
) -> None:
    publish(durable, *[40] * 4)
    states = ("delivered", "retrying", "dead", "dropped")
    durable.deliveries.settle({"route:a": 4}, [over("a", n, state) for n, state in enumerate(states, 1)])
    assert forget_events(database, NOW, days=30) == Forgotten(2)
    assert left(durable) == [2, 3]
    assert [(one.event, one.state) for one in durable.deliveries.of()] == [(2, "retrying"), (3, "dead")]


def test_what_happened_or_came_since_a_run_began_that_goes_on_stays(
    durable: SqliteStore, database: Database
) -> None:
    publish(durable, 90, 60, 40)
    late = Published(id="late", type="t", source="s", at=NOW - 90 * DAY)
    durable.board.publish(enriched(late, NOW - 50 * DAY))
    run = replace(new_run(), created_at=NOW - 70 * DAY)
    journal = durable.create_run(run, [started()])
    assert forget_events(database, NOW, days=30) == Forgotten(1)
    assert left(durable) == [2, 3, 4]
    journal.append([RunCompleted(at=NOW)])
    journal.close()
    assert forget_events(database, NOW, days=45) == Forgotten(2)
    assert left(durable) == [3]


def test_the_readers_of_a_run_that_has_ended_hold_nothing_up_and_go_with_it(
    durable: SqliteStore, database: Database
) -> None:
    publish(durable, 40, 40)
    goes_on, ended = durable.create_run(new_run(1), [started()]), durable.create_run(new_run(2), [started(2)])
    mine = [f"run:{run_id(number)}/route:x" for number in (1, 2)]
    kept = [over(f"run:{run_id(number)}/x", 2, "dead") for number in (1, 2)]
    durable.deliveries.settle(dict.fromkeys(mine, 1), kept)
    ended.append([RunCompleted(at=NOW)])
    ended.close()
    assert remove_run(database, durable._state_dir, run_id(2), NOW)
    assert durable.deliveries.readers() == {mine[0]: 1}
    assert durable.deliveries.of() == kept[:1]
    goes_on.append([RunCompleted(at=NOW)])
    forget_events(database, NOW, days=30)
    assert durable.deliveries.readers() == {}


def test_many_events_go_in_several_transactions(
    durable: SqliteStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_AT_ONCE", 3)
    publish(durable, *[40] * 10, 0)
    durable.deliveries.settle({}, [over("a", number) for number in range(1, 12)])
    assert forget_events(database, NOW, days=30) == Forgotten(10)
    assert left(durable) == [11]
    assert [one.event for one in durable.deliveries.of()] == [11]
    assert forget_events(database, NOW, days=10**9) == Forgotten(0)
