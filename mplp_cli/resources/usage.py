"""How much was in use, hour by hour: from the runs that were there, what each of them held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

HOUR: Final = 3_600_000
#: The resource that counts runs at once, and the one that counts their slots.
RUNS: Final = "runs"
SLOTS: Final = "slots"


class PastRun(Struct, frozen=True, kw_only=True):
    """A run that was there from `begun` to `ended` (ms since the epoch), and the most it held of each resource."""

    workflow: str
    begun: int
    ended: int
    held: Mapping[str, int] = {}


class Pattern(Struct, frozen=True, kw_only=True):
    """How often a workflow ran and for how long."""

    workflow: str
    runs: int
    runs_a_day: float
    #: Milliseconds that its runs took together, and the most of them at once.
    busy: int
    peak: int


class Usage(Struct, frozen=True, kw_only=True):
    """The most that was in use at once in each hour, by resource; the first hour begins at `start`."""

    start: int
    hours: int
    series: Mapping[str, tuple[float, ...]]
    patterns: tuple[Pattern, ...] = ()


def usage_of(runs: Sequence[PastRun], until: int) -> Usage | None:
    """Usage in whole hours up to `until`; the hour that has just begun counts only if there is no other. None
    without runs."""
    if not runs:
        return None
    start = min(run.begun for run in runs) // HOUR * HOUR
    hours = max((until - start) // HOUR, 1)
    names = sorted({name for run in runs for name in run.held})
    series = {
        name: _peaks([(run.begun, run.ended, run.held.get(name, 0)) for run in runs], start, hours)
        for name in names
    }
    series[RUNS] = _peaks([(run.begun, run.ended, 1) for run in runs], start, hours)
    return Usage(start=start, hours=hours, series=series, patterns=tuple(_patterns(runs, start, hours)))


def _patterns(runs: Sequence[PastRun], start: int, hours: int) -> Iterable[Pattern]:
    by_workflow: dict[str, list[PastRun]] = {}
    for run in runs:
        by_workflow.setdefault(run.workflow, []).append(run)
    for workflow, of in sorted(by_workflow.items(), key=lambda one: (-len(one[1]), one[0])):
        yield Pattern(
            workflow=workflow,
            runs=len(of),
            runs_a_day=round(len(of) * 24 / hours, 3),
            busy=sum(run.ended - run.begun for run in of),
            peak=int(max(_peaks([(run.begun, run.ended, 1) for run in of], start, hours))),
        )


def _peaks(spans: Iterable[tuple[int, int, int]], start: int, hours: int) -> tuple[float, ...]:
    """The largest sum of what spans (from, to, amount) hold at once, in each hour.

    What ends at a moment is gone before what begins then. A span without length holds nothing for long, but it
    was there.
    """
    moves: list[tuple[int, int, int]] = []
    for begun, ended, amount in spans:
        if amount:
            moves += [(begun, 1, amount), (max(ended, begun + 1), 0, -amount)]
    moves.sort()
    peaks = [0.0] * hours
    level, at = 0, 0
    for moment, _, change in moves:
        hour = (moment - start) // HOUR
        # What is held goes on through the hours in between; at the very begin of an hour it counts no more.
        last = min(hour - ((moment - start) % HOUR == 0 and change < 0), hours - 1)
        for n in range(at, last + 1):
            peaks[n] = max(peaks[n], level)
        level += change
        at = max(at, min(hour, hours))
        if change > 0 and hour < hours:
            peaks[hour] = max(peaks[hour], level)
    return tuple(peaks)
