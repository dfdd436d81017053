"""What the API does with published events: takes them in, lists them, and tells how far their readers are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import UNSET

from mplp_cli.clock import rfc3339
from mplp_cli.events.letters import drop, replay
from mplp_cli.observe.metering import events_of_rule
from mplp_cli.protocols import Board, Deliveries, Delivery
from mplp_cli.serving.answers import Answer
from mplp_cli.serving.incoming import events_of
from mplp_cli.serving.operations import Call
from mplp_cli.workflow.published import Published, cloud_event, matches


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
    told = _last(board, asked) if asked.after is UNSET else _after(board, asked)
    # Whoever asks comes back with a number that no power cut may give to another event.
    await call.parts.bus.sync()
    return Answer(200, told)


def _after(board: Board, asked: Any) -> dict[str, Any]:
    found, after = [], asked.after
    # Of the board at most this much is looked at: where few events are of the type, a page may be empty.
    for _ in range(20):
        read = board.following(after)
        for number, event in read:
            after = number
            if asked.type is UNSET or matches(asked.type, event.type):
                found.append(numbered(number, event))
                if len(found) == asked.limit:
                    return {"events": found, "next": after}
        if not read:
            break
    return {"events": found, "next": after}


def _last(board: Board, asked: Any) -> dict[str, Any]:
    read = board.newest(asked.limit if asked.type is UNSET else 20_000)
    fitting = [pair for pair in read if asked.type is UNSET or matches(asked.type, pair[1].type)]
    shown = fitting[-asked.limit :]
    return {"events": [numbered(*pair) for pair in shown], "next": read[-1][0] if read else 0}


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
