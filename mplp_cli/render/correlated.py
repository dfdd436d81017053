"""Aggregated and correlated events, on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.theme import Theme
from mplp_cli.workflow.events.rules import AggregatedEvent, EventCorrelation
from mplp_cli.workflow.values import duration_text, rfc3339

#: Ids of events that are shown of one correlation.
_SHOWN = 3


def aggregates_table(groups: Sequence[AggregatedEvent], theme: Theme, width: int) -> Screen:
    """`mplp events aggregate`: a line for each key of each window."""
    windowed = any(one.start is not None for one in groups)
    summed = any(one.summary is not None for one in groups)
    keyed = any(one.key for one in groups)
    rows = [
        (
            *(
                [Line(_time(one.start)), Line(duration_text((one.end or 0) - (one.start or 0)), "dim")]
                if windowed
                else []
            ),
            *([Line(one.key, "strong")] if keyed else []),
            Line(str(one.count)),
            *([] if windowed else [Line(_time(one.first), "dim"), Line(_time(one.last), "dim")]),
            *(_numbers(one) if summed else []),
        )
        for one in groups
    ]
    titles = (
        *(("WINDOW", "") if windowed else ()),
        *(("KEY",) if keyed else ()),
        "EVENTS",
        *(() if windowed else ("FIRST", "LAST")),
        *(("SUM", "MEAN", "MIN", "P50", "P95", "P99", "MAX") if summed else ()),
    )
    numbers = {"EVENTS", "SUM", "MEAN", "MIN", "P50", "P95", "P99", "MAX"}
    right = tuple(n for n, title in enumerate(titles) if title in numbers)
    return grid(titles, rows, theme=theme, width=width, right=right)


def _numbers(group: AggregatedEvent) -> list[Line]:
    s = group.summary
    shown = () if s is None else (s.sum, s.mean, s.min, s.p50, s.p95, s.p99, s.max)
    return [Line(f"{number:.6g}") for number in shown] or [Line()] * 7


def _time(at: int | None) -> str:
    return "" if at is None else rfc3339(at).replace(".000Z", "Z")


def correlations_table(found: Sequence[EventCorrelation], theme: Theme, width: int) -> Screen:
    """`mplp events correlate`: a line for each, by time."""
    rows = []
    for one in found:
        pattern, anomaly, performance = (insight.data for insight in one.insights)
        ids = ", ".join(one.events[:_SHOWN])
        more = f" (+{len(one.events) - _SHOWN})" if len(one.events) > _SHOWN else ""
        took = performance.get("span", performance.get("waited", 0))
        unusual = any(data["anomalous"] for data in anomaly.values())
        rows.append(
            (
                Line(_time(one.timestamp), "dim"),
                Line(one.rule_id, "strong"),
                Line(one.correlation_type, "dim"),
                Line(pattern["key"]),
                Line(duration_text(took), "warn" if unusual else ""),
                Line(f"{one.confidence:.2f}").add(f" {pattern['confidence']['basis']}", "dim"),
                Line(ids + more),
            )
        )
    titles = ("TIME", "RULE", "TYPE", "KEY", "WITHIN", "CONFIDENCE", "EVENTS")
    return grid(titles, rows, theme=theme, width=width, right=(4,))
