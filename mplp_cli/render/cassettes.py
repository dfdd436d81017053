"""Cassettes on the screen: what was asked and answered, and what two of them differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.theme import Theme
from mplp_cli.render.view import short_json
from mplp_cli.workflow.values import duration_text

#: Change -> what stands before it, and its style.
_CHANGES = {"new": ("+", "ok"), "gone": ("-", "bad"), "changed": ("~", "warn"), "answered": ("=", "warn")}
_SAID = {
    "new": "is new",
    "gone": "is gone",
    "changed": "is asked differently",
    "answered": "answers differently",
}
_SHOWN = 60


def cassette_table(entries: Sequence[Mapping[str, Any]], theme: Theme, width: int) -> Screen:
    """`mplp cassette show`."""
    rows = [
        (
            Line(str(entry["n"]), "dim"),
            Line(entry["agent"], "strong"),
            Line(entry["step"]),
            Line(duration_text(entry.get("durationMs", 0)), "dim"),
            _outcome(entry),
            Line(_asked(entry["request"]), "dim"),
        )
        for entry in entries
    ]
    return grid(("N", "AGENT", "STEP", "TOOK", "ANSWER", "ASKED"), rows, theme=theme, width=width)


def cassette_changes(changes: Sequence[Mapping[str, Any]]) -> list[Line]:
    """`mplp cassette diff`."""
    lines = []
    for change in changes:
        mark, style = _CHANGES[change["change"]]
        number = change["new"] if change["new"] is not None else change["old"]
        line = Line(f"{mark} ", style).add(f"{number} ").add(change["agent"], "strong")
        lines.append(line.add(f" ({change['step']}) {_SAID[change['change']]}"))
        lines += [
            Line(f"    {one['path']}: ").add(f"{one['recorded']} -> {one['now']}", "dim")
            for one in change["differences"]
        ]
    return lines


def _outcome(entry: Mapping[str, Any]) -> Line:
    if error := entry.get("error"):
        return Line(error["code"], "bad")
    return Line(short_json(entry["response"].get("output"), _SHOWN), "ok")


def _asked(request: Mapping[str, Any]) -> str:
    said = request.get("prompt", request.get("input", request.get("operation", "")))
    return said if isinstance(said, str) else short_json(said, _SHOWN)
