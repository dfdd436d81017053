"""Agents on the screen: what there is, how one stands, and why one cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mplp_cli.render.grid import grid, wrapped
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.tables import ago
from mplp_cli.render.theme import Theme
from mplp_cli.render.view import short_json
from mplp_cli.workflow.values import moment_ms

_STYLES = {"active": "ok", "degraded": "warn", "unreachable": "bad"}
#: Columns of the names of facts.
_NAMES = 17


def agents_table(agents: Sequence[Mapping[str, Any]], now: int, theme: Theme, width: int) -> Screen:
    """`mplp agents list` and `mplp agents discover`."""
    rows = [
        (
            Line(agent["id"], "strong"),
            Line(agent["kind"]),
            Line(agent["status"], _STYLES[agent["status"]]),
            Line(_seen(agent, now), "dim"),
            Line(agent["source"] or "registered", "dim"),
            Line(" ".join(agent["capabilities"])),
        )
        for agent in agents
    ]
    return grid(("AGENT", "KIND", "STATUS", "SEEN", "FROM", "CAPABILITIES"), rows, theme=theme, width=width)


def agent_screen(document: Mapping[str, Any], width: int) -> list[Line]:
    """`mplp agents show`."""
    said = document["name"] or document["description"]
    lines = [Line(document["id"], "strong").add(f": {said}" if said else "")]
    lines.append(Line(f"{'status':<{_NAMES}}").add(document["status"], _STYLES[document["status"]]))
    registration = document["registration"]
    facts = {
        "seen": document["lastSeen"] or "",
        "from": document["source"] or f"registered as {registration['id'] if registration else ''}",
        "directory": document["directory"],
    }
    shown = {"id", "name"}
    facts |= {
        key: value if isinstance(value, str) else short_json(value, 2_000)
        for key, value in document["definition"].items()
        if key not in shown
    }
    for name, text in facts.items():
        parts = wrapped(Line(text), max(width - _NAMES, 20)) if text else []
        lines += [
            Line(f"{'' if number else name:<{_NAMES}}").add(part.plain) for number, part in enumerate(parts)
        ]
    return lines


def doctor_screen(agents: Sequence[Mapping[str, Any]], theme: Theme, width: int) -> Screen:
    """`mplp agents doctor`."""
    rows = []
    for agent in agents:
        first = Line("usable", "ok") if agent["usable"] else Line("not usable", "bad")
        said = [(ill["message"], ill["hint"]) for ill in agent["ailments"]]
        if agent["status"] == "unreachable":
            said.append(
                ("it has missed its heartbeats", f"`mplp agents heartbeat {agent['id']}` when it is there")
            )
        lines = [Line(message).add(f" ({hint})", "dim") for message, hint in said] or [Line()]
        for number, line in enumerate(lines):
            if number:
                rows.append((Line(), Line(), Line(), line))
            else:
                rows.append((Line(agent["id"], "strong"), Line(agent["kind"]), first, line))
    return grid(("AGENT", "KIND", "", ""), rows, theme=theme, width=width)


def _seen(agent: Mapping[str, Any], now: int) -> str:
    return ago(now - moment_ms(agent["lastSeen"])) if agent["lastSeen"] else "never"
