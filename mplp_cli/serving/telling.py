"""What the API does with published events: takes them in, lists them, and tells how far their readers are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import UNSET

from mplp_cli.clock import rfc3339
from mplp_cli.events.letters import drop, replay
from mplp_cli.observe.metering import events_of_rule
from mplp_cli.protocols import Board, Deliveries, Delivery
from mplp_cli.serving.answers import Answer
from mplp_cli.serving.incoming import events_of
from mplp_cli.serving.operations import Call
from mplp_cli.workflow.published import Published, cloud_event

#: Portions of the board, of 1,000 events each, that one request looks at.
_PORTIONS: Final = 20


async def publish(call: Call) -> Answer:
    """Accepted is what is durable: what is answered here is on the disk."""
    call.parts.check_room()
    events = events_of(call, call.parts.runtime.clock.now())
    numbers = await call.parts.bus.publish(*events) if events else []
    accepted = [
        {"number": number, "source": event.source, "id": event.id}
        for number, event in zip(numbers, events, strict=True)
    ]
    return Answer(202, {"accepted": accepted})


def numbered(number: int, event: Published) -> dict[str, Any]:
    """An event with its number."""
    return {"number": number, "event": cloud_event(event)}


async def list_events(call: Call) -> Answer:
    """Those after a number, or the last."""
    board, asked = call.parts.store.board, call.query
    if asked.after is UNSET:
        last = next((number for number, _ in board.newest(1)), 0)
        found, _ = await _sifted(board, asked, last + 1, back=True)
        found.reverse()
    else:
        found, last = await _sifted(board, asked, asked.after)
    told = [numbered(*pair) for pair in found]
    # Whoever asks comes back with a number that no power cut may give to another event.
    await call.parts.bus.sure(last)
    return Answer(200, {"events": told, "next": last})


async def _sifted(
    board: Board, asked: Any, begin: int, *, back: bool = False
) -> tuple[list[tuple[int, Published]], int]:
    """What is asked for among the events after a number, or before it, and the number that was reached. Between two
    portions others have their turn."""
    wanted = "*" if asked.type is UNSET else asked.type
    found: list[tuple[int, Published]] = []
    # Of the board at most this much is looked at: where few events are of the type, a page may be empty.
    for _ in range(_PORTIONS):
        some, end = board.sift(wanted, begin, asked.limit - len(found), back=back)
        found += some
        if end == begin or len(found) == asked.limit:
            return found, end
        begin = end
        await asyncio.sleep(0)
    return found, begin


async def list_routes(call: Call) -> Answer:
    """How far everybody has come who reads events."""
    parts = call.parts
    last, counts = parts.store.board.last(), parts.store.deliveries.counts()
    totals = parts.store.samples.totals()
    told = [
        {
            "reader": reader,
            "number": number,
            "behind": max(last - number, 0),
            "deliveries": counts.get(reader.removeprefix("route:"), {}),
            "events": events_of_rule(totals, reader.removeprefix("rule:")),
        }
        for reader, number in sorted(parts.store.deliveries.readers().items())
    ]
    return Answer(200, {"last": last, "routes": told})


async def list_letters(call: Call) -> Answer:
    """The events that routes could not deliver."""
    asked = call.query
    route = None if asked.route is UNSET else asked.route
    found = call.parts.store.deliveries.of(route, state="dead", after=asked.after, limit=asked.limit)
    told = [
        {
            "route": one.route,
            "event": one.event,
            "tries": one.tries,
            "at": rfc3339(one.at),
            "error": one.error,
        }
        for one in found
    ]
    return Answer(200, {"letters": told, "next": found[-1].event if len(found) == asked.limit else None})


async def replay_letters(call: Call) -> Answer:
    """Have them delivered again, with all their tries before them."""
    return _changed(call, replay)


async def drop_letters(call: Call) -> Answer:
    """Give them up."""
    return _changed(call, drop)


def _changed(call: Call, act: Callable[[Deliveries, Sequence[Delivery], int], None]) -> Answer:
    parts, asked = call.parts, call.body
    deliveries = parts.store.deliveries
    event = None if asked.event is UNSET else asked.event
    found = deliveries.of(asked.route, state="dead", event=event)
    if found:
        act(deliveries, found, parts.runtime.clock.now())
    return Answer(200, {"changed": len(found)})
