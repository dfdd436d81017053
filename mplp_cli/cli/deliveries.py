"""`mplp events deliveries`, and what it shares with `mplp events dead-letter`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols import Delivery, Store


class State(StrEnum):
    """What can have become of an event on a route."""

    delivered = "delivered"
    retrying = "retrying"
    dead = "dead"
    dropped = "dropped"


def deliveries(
    route: Annotated[
        str | None,
        typer.Option("--route", "-r", metavar="ROUTE", help="Only of this route.", show_default=False),
    ] = None,
    event: Annotated[
        str | None,
        typer.Option(
            "--event", "-e", metavar="EVENT", help="Only of this event: its id or number.", show_default=False
        ),
    ] = None,
    state: Annotated[
        State | None, typer.Option("--state", "-s", help="Only in this state.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="At most so many.")] = 20,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List what became of events on routes, those of the last events, in their order.

    delivered: the target has it. retrying: it is tried again. dead: all tries have failed; it is in the dead letters.
    dropped: it was taken out of them.

    Examples:

      mplp events deliveries

      mplp events deliveries --route audit --state retrying --output json
    """
    from mplp_cli.cli.showing import stored
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    store = stored(runtime)
    found = [] if store is None else found_deliveries(store, route, event, state, limit)
    tell(store, found, "deliveries", output, runtime.clock.now(), no_color=no_color)


def found_deliveries(
    store: Store, route: str | None, event: str | None, state: str | None, limit: int
) -> list[Delivery]:
    """The last `limit` of these, by number. UsageError for an event that is not there."""
    if event is not None:
        of = [store.deliveries.of(route, state=state, event=number) for number in _numbers(store, event)]
        return [one for found in of for one in found][-limit:]
    last = store.board.last()
    span = limit
    while True:  # further and further back: most often the last are near
        found = store.deliveries.of(route, state=state, after=max(last - span, 0), limit=1 << 31)
        if len(found) >= limit or span >= last:
            return found[-limit:]
        span *= 8


def _numbers(store: Store, event: str) -> list[int]:
    from mplp_cli.cli.event import found_events
    from mplp_cli.errors import UsageError

    numbers = [number for number, _ in found_events(store, event, None)]
    if not numbers and event.isascii() and event.isdigit() and len(event) < 19:
        return [int(event)]  # the event may be gone, and what became of it still be known
    if not numbers:
        raise UsageError(f"there is no event {event!r}", hint="`mplp events list` shows the last ones")
    return numbers


def tell(
    store: Store | None, found: list[Delivery], what: str, output: TextOrJson, now: int, *, no_color: bool
) -> None:
    """Print deliveries, with the events that they are of."""
    from mplp_cli.cli.showing import note, show

    events = {one.event: store.board.numbered(one.event) for one in found} if store is not None else {}
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document
        from mplp_cli.render.published import delivery_object

        documents: list[dict[str, Any]] = []
        for one in found:
            event = events[one.event]
            known = {} if event is None else {"id": event.id, "type": event.type, "source": event.source}
            documents.append(delivery_object(one) | known)
        write_document({what: documents})
    elif found:
        from mplp_cli.render.published import deliveries_table

        show(lambda theme, width: deliveries_table(found, events, now, theme, width), no_color=no_color)
    else:
        note("there are none")
