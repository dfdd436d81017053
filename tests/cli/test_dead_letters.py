"""What became of events on routes, and what people do about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.clock import SystemClock
from mplp_cli.events.letters import REPLAYED
from mplp_cli.protocols import Delivery
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.published import Published
from tests.conftest import Ended

Mplp = Callable[..., Ended]


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """Six events; the route `pager` could not deliver three of them, nor `audit` one."""
    (tmp_path / "state").mkdir()
    store = SqliteStore(tmp_path / "state", SystemClock())
    now = SystemClock().now()
    store.board.publish(
        *(Published(id=f"e{n}", type="disk.full", source="host", at=now, data={"n": n}) for n in range(1, 7))
    )
    dead = {("pager", 2), ("pager", 4), ("pager", 5), ("audit", 4)}
    store.deliveries.settle(
        {"route:pager": 6, "route:audit": 6},
        [
            Delivery(
                route=route,
                event=number,
                state="dead" if (route, number) in dead else "delivered",
                tries=4 if (route, number) in dead else 1,
                at=now,
                error="ConnectError: [bold]nobody[/] there" if (route, number) in dead else "",
            )
            for route in ("pager", "audit")
            for number in range(1, 7)
        ],
    )
    return store


def places(found: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(one["route"], one["event"]) for one in found]


def test_deliveries_are_listed_by_route_event_and_state(mplp: Mplp, store: SqliteStore) -> None:
    listed = mplp("events", "deliveries", "--limit", "3", "-o", "json").document["deliveries"]
    assert places(listed) == [("pager", 5), ("audit", 6), ("pager", 6)]
    assert listed[0] | {"at": ""} == {
        "route": "pager",
        "event": 5,
        "state": "dead",
        "tries": 4,
        "at": "",
        "due": None,
        "tookMs": 0,
        "error": "ConnectError: [bold]nobody[/] there",
        "id": "e5",
        "type": "disk.full",
        "source": "host",
    }
    listed = mplp("events", "deliveries", "--event", "e4", "--state", "dead", "-o", "json").document
    assert places(listed["deliveries"]) == [("audit", 4), ("pager", 4)]
    text = mplp("events", "deliveries", "--route", "audit").out
    assert text.count("audit") == 6
    assert "disk.full" in text
    assert mplp("events", "deliveries", "--event", "nothing").code == 2


def test_dead_letters_are_shown_replayed_and_dropped(mplp: Mplp, store: SqliteStore) -> None:
    listed = mplp("events", "dead-letter")
    assert listed.code == 0
    assert "ConnectError: [bold]nobody[/] there" in listed.out
    assert len(listed.out.splitlines()) == 5
    assert mplp("events", "dead-letter", "show", "pager", "4", "-o", "json").document["event"]["id"] == "e4"
    assert '"n": 2' in mplp("events", "dead-letter", "show", "pager", "e2").out

    assert (
        mplp("events", "dead-letter", "replay", "pager", "2", "e5").out
        == "2 dead letters to be delivered again\n"
    )
    [first, second] = store.deliveries.of("pager", state="retrying")
    assert (first.event, second.event, first.tries) == (2, 5, 0)
    assert first.due <= SystemClock().now()
    [told] = [one for _, one in store.board.newest(9) if one.type == REPLAYED]
    assert told.data == {"route": "pager", "events": [2, 5]}

    dropped = mplp("events", "dead-letter", "drop", "--all", "-o", "json").document["dropped"]
    assert places(dropped) == [("audit", 4), ("pager", 4)]
    assert store.deliveries.of(state="dead") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("replay", "pager"), "is not said"),
        (("drop", "pager", "3"), "is no dead letter of the route 'pager'"),
        (("drop", "pager", "2", "--all"), "name events, or say --all"),
        (("show", "pager", "e99"), "there is no event 'e99'"),
    ],
)
def test_what_is_no_dead_letter_is_told_and_nothing_changes(
    mplp: Mplp, store: SqliteStore, words: tuple[str, ...], says: str
) -> None:
    ended = mplp("events", "dead-letter", *words)
    assert ended.code == 2
    assert says in ended.err
    assert len(store.deliveries.of(state="dead")) == 4


def test_without_anything_stored_there_are_none(mplp: Mplp, tmp_path: Path) -> None:
    assert mplp("events", "dead-letter", "-o", "json").document == {"deadLetters": []}
    assert mplp("events", "deliveries").err == "there are none\n"
    assert mplp("events", "dead-letter", "replay", "--all").code == 2
    assert not (tmp_path / "state").exists()
