"""How well the pool was used over a time, as a table and as a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.theme import Theme
from mplp_cli.resources.usage import Busy
from mplp_cli.resources.utilization import number_of
from mplp_cli.workflow.amounts import amount_text
from mplp_cli.workflow.resources import Pool


def busy_document(pool: Pool, busy: Mapping[str, Busy]) -> dict[str, Any]:
    """By kind: `{total, held, peak, utilization, used}`. `held` is a mean; `used` is one too, null if not measured."""
    return {
        name: {
            "total": number_of(name, pool.kinds[name].capacity),
            "held": number_of(name, round(of.held)),
            "peak": number_of(name, of.peak),
            "utilization": round(min(of.held / pool.kinds[name].capacity, 1), 4),
            "used": None if of.used is None else number_of(name, round(of.used)),
        }
        for name, of in busy.items()
    }


def busy_table(pool: Pool, busy: Mapping[str, Busy], theme: Theme, width: int) -> Screen:
    """A line a kind."""
    rows = [
        (
            Line(name, "strong"),
            Line(amount_text(name, pool.kinds[name].capacity)),
            Line(_text(name, round(of.held))),
            Line(f"{min(of.held / pool.kinds[name].capacity, 1):.1%}"),
            Line(_text(name, of.peak)),
            Line("" if of.used is None else _text(name, round(of.used)), "dim"),
        )
        for name, of in busy.items()
    ]
    titles = ("KIND", "TOTAL", "HELD", "ON AVERAGE", "AT MOST", "USED")
    return grid(titles, rows, theme=theme, width=width, right=(1, 2, 3, 4, 5))


def _text(kind: str, amount: int) -> str:
    return amount_text(kind, amount) if amount else "0"
