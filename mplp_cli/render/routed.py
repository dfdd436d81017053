"""Who reads published events, on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.theme import Theme


def routes_table(readers: Sequence[Mapping[str, Any]], theme: Theme, width: int) -> Screen:
    """`mplp events routes`: a line a reader, with the last failure of a route, and what a rule has not counted."""
    rows = [
        (
            Line(one["kind"], "dim"),
            Line(one["id"], "strong"),
            _count(one["behind"], "warn") if one["behind"] is not None else Line("new", "dim"),
            _count(one.get("retrying"), "warn"),
            _count(one.get("dead"), "bad"),
            Line(one["match"]),
            _target(one, theme),
        )
        for one in readers
    ]
    titles = ("KIND", "ID", "BEHIND", "RETRYING", "DEAD", "EVENTS", "GO TO")
    return grid(titles, rows, theme=theme, width=width, right=(2, 3, 4))


def _count(number: int | None, style: str) -> Line:
    return Line() if number is None else Line(str(number), style if number else "dim")


def _target(one: Mapping[str, Any], theme: Theme) -> Line:
    made = Line(one["target"])
    if "error" in one:
        made.add(f" {theme.glyph('failed')} {one['error']}", "bad")
    lost = [f"{number:,} {state}" for state, number in one.get("events", {}).items() if state != "counted"]
    return made.add(f" {theme.glyph('degraded')} {', '.join(lost)}", "warn") if lost else made
