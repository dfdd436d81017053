"""Reserved interfaces on the screen: how they stand, and what became of an activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.theme import Theme

if TYPE_CHECKING:
    from mplp_cli.modules.activation import ActivationResult, InterfaceNow

_STYLES = {"active": "ok", "inert": "dim", "success": "ok", "failed": "bad", "skipped": "warn"}


def interfaces_table(interfaces: Sequence[InterfaceNow], theme: Theme, width: int) -> Screen:
    """`mplp interfaces list`."""
    rows = [
        (
            Line(f"{one.module}.{one.interface}", "strong"),
            Line(one.status, _STYLES[one.status]),
            Line(one.capability or "-", "dim"),
            Line(", ".join(one.agents)) if one.agents else Line("none" if one.bound else "not bound", "dim"),
        )
        for one in interfaces
    ]
    return grid(("INTERFACE", "STATUS", "CAPABILITY", "AGENTS"), rows, theme=theme, width=width)


def activation_table(result: ActivationResult, theme: Theme, width: int) -> Screen:
    """`mplp interfaces activate` and `deactivate`."""
    rows = []
    for one in result.module_results or ():
        off = one.deactivated_interfaces
        names = ", ".join(one.activated_interfaces or off or ())
        if off is not None:
            said = Line(f"inert: {names}" if names else "was inert")
        else:
            said = Line(one.error, "bad") if one.error else Line(names or one.reason)
        rows.append((Line(one.module_id, "strong"), Line(one.status, _STYLES[one.status]), said))
    return grid(("MODULE", "", "INTERFACES"), rows, theme=theme, width=width)
