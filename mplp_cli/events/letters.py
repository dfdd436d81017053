"""Dead letters: events that a target did not take, however often it was tried. They lie until somebody has them
delivered again or drops them, or there are too many of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from mplp_cli.protocols import Deliveries, Delivery
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import derived_uuid

#: Dead letters of a route; beyond, the oldest are dropped.
MOST_DEAD: Final = 10_000
#: How many are dropped between two warnings.
WARN_EVERY: Final = 1_000
REPLAYED: Final = "deadletter.replayed"
DROPPED: Final = "deadletter.dropped"
FULL: Final = "deadletter.full"
#: What people have done to dead letters: whoever delivers hears of it.
CHANGES: Final = frozenset({REPLAYED, DROPPED})
#: Who publishes these events.
SOURCE: Final = "mplp"
_AT_ONCE: Final = 1_000


class Letters(Struct, frozen=True):
    """The numbers of events of one route that are dead letters no more."""

    route: str
    events: tuple[int, ...]


def pages(deliveries: Deliveries, route: str, state: str | None = None, after: int = 0) -> Iterator[Delivery]:
    """All deliveries of a route, or those in a state, by number of the event, read bit by bit."""
    while found := deliveries.of(route, state=state, after=after, limit=_AT_ONCE):
        yield from found
        after = found[-1].event


def replay(deliveries: Deliveries, letters: Sequence[Delivery], now: int) -> None:
    """Have dead letters delivered again, now, with all their tries before them, by whoever delivers."""
    _change(
        deliveries,
        REPLAYED,
        [replace(letter, state="retrying", tries=0, at=now, due=now) for letter in letters],
        now,
    )


def drop(deliveries: Deliveries, letters: Sequence[Delivery], now: int) -> None:
    """Give dead letters up for good; that they were there is still known."""
    _change(deliveries, DROPPED, [replace(letter, state="dropped") for letter in letters], now)


def _change(deliveries: Deliveries, kind: str, changed: Sequence[Delivery], now: int) -> None:
    routes = sorted({letter.route for letter in changed})
    told = [
        _told(kind, route, now, {"events": [one.event for one in changed if one.route == route]})
        for route in routes
    ]
    deliveries.settle({}, changed, told)


def changed_letters(event: Published) -> Letters | None:
    """What such an event tells; None if it is not one of ours."""
    data = event.data
    if event.source != SOURCE or not isinstance(data, dict):
        return None
    route, events = data.get("route"), data.get("events")
    if not isinstance(route, str) or not isinstance(events, list):
        return None
    return Letters(route, tuple(number for number in events if isinstance(number, int)))


def make_room(deliveries: Deliveries, route: str, excess: int, before: int, now: int) -> int:
    """Drop the oldest dead letters of a route, and publish a warning now and then; how many were dropped. `before`: how
    many had been."""
    oldest = deliveries.of(route, state="dead", limit=excess)
    after = before + len(oldest)
    warns = oldest and (before == 0 or before // WARN_EVERY != after // WARN_EVERY)
    warning = [_told(FULL, route, now, {"dropped": after, "kept": MOST_DEAD})] if warns else []
    deliveries.settle({}, [replace(letter, state="dropped") for letter in oldest], warning)
    return len(oldest)


def _told(kind: str, route: str, now: int, data: dict[str, Any]) -> Published:
    name = derived_uuid(kind, route, now, *map(str, data.values()))
    return Published(id=name, type=kind, source=SOURCE, at=now, data={"route": route, **data})
