"""What was measured, on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.theme import Theme
from mplp_cli.workflow.amounts import amount_text
from mplp_cli.workflow.values import duration_text


def metrics_table(document: Mapping[str, Any], theme: Theme, width: int) -> Screen:
    """`mplp metrics`: the durations, and below them everything else."""
    durations, numbers = [], []
    for metric in document["metrics"]:
        for one in metric["series"]:
            labels = Line(" ".join(f"{name}={value}" for name, value in one["labels"].items()))
            if metric["type"] == "histogram":
                times = [Line(_seconds(one[name])) for name in ("p50", "p95", "p99")]
                durations.append((Line(metric["name"]), Line(f"{one['count']:,}"), *times, labels))
            else:
                value = Line(_value(one["value"], metric["unit"]))
                numbers.append((Line(metric["name"]), value, Line(_rate(one.get("rate"))), labels))
    lines: list[Line] = []
    tables: Sequence[tuple[tuple[str, ...], Any]] = (
        (("DURATION", "COUNT", "P50", "P95", "P99", ""), durations),
        (("METRIC", "VALUE", "PER SECOND", ""), numbers),
    )
    for titles, rows in tables:
        if rows:
            if lines:
                lines.append(Line())
            right = tuple(range(1, len(titles) - 1))
            lines += grid(titles, rows, theme=theme, width=width, right=right)
    return Screen(lines)


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else duration_text(round(seconds * 1000, 1 if seconds < 0.1 else 0))


def _value(number: float, unit: str | None) -> str:
    if unit == "B":
        return amount_text("memory", int(number))
    if unit == "USD":
        return f"{number:.4f}"
    return f"{int(number):,}" if number == int(number) else f"{number:.4g}"


def _rate(number: float | None) -> str:
    return "" if number is None else f"{number:,.3g}" if number < 1_000 else f"{number:,.0f}"
