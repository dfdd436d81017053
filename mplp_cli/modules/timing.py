"""What a trace comes to: how long its parts took, how they ended, what happened. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from mplp_cli.modules.contract import Result
from mplp_cli.modules.shapes import ObjectId
from mplp_cli.workflow.values import moment_ms


class Timed(Result, frozen=True, kw_only=True):
    """A segment. `duration_ms`: until now if it runs; null if it has not been started."""

    segment_id: ObjectId
    label: str
    status: str
    duration_ms: int | None


class Analysis(Result, frozen=True, kw_only=True):
    """`counts`: segments by status. `failures`: the segments that failed. `event_types`: events by type."""

    trace_id: ObjectId
    status: str
    duration_ms: int | None
    segments: list[Timed]
    counts: dict[str, int]
    failures: list[Timed]
    events: int
    event_types: dict[str, int]


def analyse(trace: Mapping[str, Any], now: str) -> Analysis:
    """The analysis of a trace object at the time `now`."""
    segments = [
        Timed(
            segment_id=segment["segment_id"],
            label=segment["label"],
            status=segment["status"],
            duration_ms=_took(segment, now),
        )
        for segment in trace.get("segments", ())
    ]
    events = trace.get("events", ())
    return Analysis(
        trace_id=trace["trace_id"],
        status=trace["status"],
        duration_ms=_took(trace, now),
        segments=segments,
        counts=dict(Counter(segment.status for segment in segments)),
        failures=[segment for segment in segments if segment.status == "failed"],
        events=len(events),
        event_types=dict(Counter(event["event_type"] for event in events)),
    )


def has_errors(trace: Mapping[str, Any]) -> bool:
    """Whether a trace or one of its segments failed."""
    return trace["status"] == "failed" or any(s["status"] == "failed" for s in trace.get("segments", ()))


def ms_of(text: str | None) -> int | None:
    """Milliseconds since the Unix epoch of a time in an object; None if there is none, or a leap second."""
    if text is None:
        return None
    try:
        return moment_ms(text)
    except ValueError:  # a leap second is a time, but has no number
        return None


def _took(part: Mapping[str, Any], now: str) -> int | None:
    end = ms_of(now if part["status"] == "running" else part.get("finished_at"))
    begin = ms_of(part.get("started_at"))
    return None if begin is None or end is None else end - begin
