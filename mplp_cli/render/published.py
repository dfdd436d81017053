"""Published events and what became of them, drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import json

from mplp_cli.protocols import Delivery
from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.tables import ago
from mplp_cli.render.theme import Theme
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import Json, duration_text, rfc3339

_STYLES = {"delivered": "ok", "retrying": "warn", "dead": "bad", "dropped": "dim"}


def event_screen(
    document: dict[str, Json], deliveries: Sequence[Delivery], now: int, theme: Theme, width: int
) -> Iterator[Line]:
    """`mplp events show`. `document` is the event as CloudEvents says it."""
    shown = {key: value for key, value in document.items() if key not in ("specversion", "data")}
    wide = max(map(len, shown))
    for key, value in shown.items():
        yield Line(f"{key:<{wide}}  ", "dim").add(
            value if isinstance(value, str) else json.encode(value).decode()
        )
    if document.get("data") is not None:
        yield Line()
        yield from (Line(line) for line in json.format(json.encode(document["data"])).decode().splitlines())
    if deliveries:
        yield Line()
        rows = [_row(one, now) for one in deliveries]
        yield from grid(
            ("ROUTE", "STATE", "TRIES", "LAST", "TOOK", ""), rows, theme=theme, width=width, right=(2, 4)
        )


def deliveries_table(
    deliveries: Sequence[Delivery],
    events: Mapping[int, Published | None],
    now: int,
    theme: Theme,
    width: int,
) -> Screen:
    """`mplp events deliveries`, and the dead letters. `events`: by number, None if one is gone."""
    rows = [
        (
            Line(str(one.event), "dim"),
            Line(event.type if (event := events.get(one.event)) is not None else "(gone)", "strong"),
            *_row(one, now),
        )
        for one in deliveries
    ]
    heads = ("EVENT", "TYPE", "ROUTE", "STATE", "TRIES", "LAST", "TOOK", "")
    return grid(heads, rows, theme=theme, width=width, right=(0, 4, 6))


def _row(one: Delivery, now: int) -> tuple[Line, ...]:
    due = f"next in {duration_text(one.due - now)}" if one.state == "retrying" and one.due > now else ""
    return (
        Line(one.route),
        Line(one.state, _STYLES[one.state]),
        Line(str(one.tries), "dim"),
        Line(ago(now - one.at), "dim"),
        Line(duration_text(one.took), "dim"),
        Line(", ".join(filter(None, (due, one.error))), "dim"),
    )


def delivery_object(one: Delivery) -> dict[str, Any]:
    """One delivery, for machines."""
    return {
        "route": one.route,
        "event": one.event,
        "state": one.state,
        "tries": one.tries,
        "at": rfc3339(one.at),
        "due": rfc3339(one.due) if one.due else None,
        "tookMs": one.took,
        "error": one.error or None,
    }
