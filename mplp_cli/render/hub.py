"""The hub on the screen: modules, how they stand, and what went between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mplp_cli.protocols import Communication
from mplp_cli.render.grid import grid, wrapped
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.tables import ago
from mplp_cli.render.theme import Theme
from mplp_cli.render.view import short_id, short_json

if TYPE_CHECKING:
    from mplp_cli.modules.contract import Module
    from mplp_cli.modules.lifecycle import ModuleStatus

_STYLES = {"running": "ok", "stopped": "warn", "error": "bad", "created": "dim", "initialized": "dim"}


def modules_table(modules: Sequence[tuple[Module, ModuleStatus]], theme: Theme, width: int) -> Screen:
    """`mplp modules list`."""
    rows = []
    for module, status in modules:
        blocked = f" (needs {', '.join(status.blocked_by)})" if status.blocked_by else ""
        rows.append(
            (
                Line(module.name, "strong"),
                Line(status.status, _STYLES.get(status.status, "")).add(blocked, "warn"),
                Line(str(len(module.operations))),
                Line(module.summary, "dim"),
            )
        )
    return grid(("MODULE", "STATUS", "OPERATIONS", ""), rows, theme=theme, width=width, right=(2,))


def module_screen(document: Mapping[str, Any], width: int) -> list[Line]:
    """`mplp modules show`."""
    status = document["status"]
    lines = [Line(document["module"], "strong").add(f": {document['summary']}")]
    lines.append(Line("status         ").add(status, _STYLES.get(status, "")))
    facts = {
        "blocked by": ", ".join(document["blockedBy"]),
        "needs": ", ".join(document["needs"]),
        "configuration": ", ".join(f"{k}: {short_json(v, 60)}" for k, v in document["configuration"].items()),
        "operations": " ".join(document["operations"]),
        "reserved": " ".join(document["reserved"].values()),
        "told": ", ".join(f"{s['subscriber']} ({s['type']})" for s in document["subscribers"]),
        "listens to": ", ".join(f"{s['publisher']} ({s['type']})" for s in document["subscribedTo"]),
    }
    for name, text in facts.items():
        parts = wrapped(Line(text), max(width - 15, 20)) if text else []
        lines += [Line(f"{'' if number else name:<15}").add(part.plain) for number, part in enumerate(parts)]
    return lines


def log_table(said: Sequence[Communication], now: int, theme: Theme, width: int) -> Screen:
    """`mplp modules log`."""
    rows = [
        (
            Line(ago(now - line.timestamp), "dim"),
            Line(line.kind, "dim"),
            Line(line.source),
            Line(line.target, "strong"),
            Line(line.type),
            Line(line.error, "bad") if line.error else Line(_carried(line), "dim"),
        )
        for line in said
    ]
    return grid(("WHEN", "", "FROM", "TO", "TYPE", "DATA"), rows, theme=theme, width=width)


def _carried(line: Communication) -> str:
    if line.kind == "call":
        return f"run {short_id(line.run)}" if line.run else ""
    return "" if line.data is None else short_json(line.data, 60)
