"""How much was in use, hour by hour: from the runs that were there, what each of them held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

HOUR: Final = 3_600_000
#: The resource that counts runs at once, and the one that counts their slots.
RUNS: Final = "runs"
SLOTS: Final = "slots"


#: From when to when so much was held.
Span: TypeAlias = tuple[int, int, int]


class PastRun(Struct, frozen=True, kw_only=True):
    """A run that was there from `begun` to `ended` (ms since the epoch), and the most it held of each resource.

    With `spans` it is known when it held what, by resource, its own being there too; `used` is what was measured of
    it. `basis` are words for how that is known of a resource.
    """

    workflow: str
    begun: int
    ended: int
    held: Mapping[str, int] = {}
    spans: Mapping[str, Sequence[Span]] | None = None
    used: Mapping[str, Sequence[Span]] = {}
    basis: Mapping[str, tuple[str, ...]] = {}

    def over(self, resource: str) -> Sequence[Span]:
        """When it held how much."""
        if self.spans is not None:
            return self.spans.get(resource, ())
        return [(self.begun, self.ended, 1 if resource == RUNS else self.held.get(resource, 0))]

    @property
    def at_work(self) -> int:
        """Ms in which it was at work, not waiting."""
        return sum(ended - begun for begun, ended, _ in self.over(RUNS))

    def most(self, resource: str) -> int:
        """The most that it held of it at once."""
        return int(_peaks(self.over(resource), self.begun, 1, length=1 << 62)[0])


def together(family: Sequence[PastRun]) -> PastRun:
    """A run with its sub-workflows; the first is the run itself."""
    first = family[0]
    if len(family) == 1 or first.spans is None:
        return first
    spans: dict[str, list[Span]] = {}
    used: dict[str, list[Span]] = {}
    for run in family:
        for name in run.spans or ():
            spans.setdefault(name, []).extend(run.over(name))
        for name, each in run.used.items():
            used.setdefault(name, []).extend(each)
    spans[RUNS] = merged(spans[RUNS])
    basis = {
        name: tuple(sorted({one for run in family for one in run.basis.get(name, ())})) for name in spans
    }
    ended = max(run.ended for run in family)
    return replace(first, ended=ended, spans=spans, used=used, basis=basis)


def merged(spans: Iterable[Span]) -> list[Span]:
    """When any of them holds something, as one."""
    found: list[Span] = []
    for begun, ended, _ in sorted(spans):
        if found and begun <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ended), 1)
        else:
            found.append((begun, ended, 1))
    return found


class Pattern(Struct, frozen=True, kw_only=True):
    """How often a workflow ran and for how long."""

    workflow: str
    runs: int
    runs_a_day: float
    #: Milliseconds that its runs were at work together, and the most of them at once.
    busy: int
    peak: int


class Usage(Struct, frozen=True, kw_only=True):
    """The most that was in use at once in each hour, by resource; the first hour begins at `start`."""

    start: int
    hours: int
    series: Mapping[str, tuple[float, ...]]
    #: The most that was used at once of what was measured, and how the series are known.
    used: Mapping[str, int] = {}
    basis: Mapping[str, tuple[str, ...]] = {}
    #: The most that one attempt has held.
    largest: Mapping[str, int] = {}
    patterns: tuple[Pattern, ...] = ()


def usage_of(runs: Sequence[PastRun], until: int) -> Usage | None:
    """Usage in whole hours up to `until`; the hour that has just begun counts only if there is no other. None
    without runs."""
    if not runs:
        return None
    start = min(run.begun for run in runs) // HOUR * HOUR
    hours = max((until - start) // HOUR, 1)
    names = sorted({name for run in runs for name in run.spans or run.held} - {RUNS})
    series = {name: _peaks(_over(runs, name), start, hours) for name in [*names, RUNS]}
    measured = sorted({name for run in runs for name in run.used})
    used = {
        name: max(_peaks((span for run in runs for span in run.used.get(name, ())), start, hours))
        for name in measured
    }
    return Usage(
        start=start,
        hours=hours,
        series=series,
        used={name: round(most) for name, most in used.items()},
        basis={
            name: tuple(sorted({one for run in runs for one in run.basis.get(name, ())})) for name in series
        },
        largest={
            name: max((span[2] for run in runs if run.spans for span in run.over(name)), default=0)
            for name in names
        },
        patterns=tuple(_patterns(runs, start, hours)),
    )


def _over(runs: Iterable[PastRun], resource: str) -> Iterable[Span]:
    return (span for run in runs for span in run.over(resource))


def _patterns(runs: Sequence[PastRun], start: int, hours: int) -> Iterable[Pattern]:
    by_workflow: dict[str, list[PastRun]] = {}
    for run in runs:
        by_workflow.setdefault(run.workflow, []).append(run)
    for workflow, of in sorted(by_workflow.items(), key=lambda one: (-len(one[1]), one[0])):
        yield Pattern(
            workflow=workflow,
            runs=len(of),
            runs_a_day=round(len(of) * 24 / hours, 3),
            busy=sum(run.at_work for run in of),
            peak=int(max(_peaks(_over(of, RUNS), start, hours))),
        )


def _peaks(spans: Iterable[Span], start: int, hours: int, length: int = HOUR) -> tuple[float, ...]:
    """The largest sum of what spans (from, to, amount) hold at once, in each hour, or each part of that `length`.

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
        hour = (moment - start) // length
        # What is held goes on through the hours in between; at the very begin of an hour it counts no more.
        last = min(hour - ((moment - start) % length == 0 and change < 0), hours - 1)
        for n in range(at, last + 1):
            peaks[n] = max(peaks[n], level)
        level += change
        at = max(at, min(hour, hours))
        if change > 0 and hour < hours:
            peaks[hour] = max(peaks[hour], level)
    return tuple(peaks)


class Busy(Struct, frozen=True, kw_only=True):
    """How much of a kind was in use on average, and the most at once; `used` is what was measured, None of what is
    not. In whole amounts."""

    held: float
    peak: int
    used: float | None


def busy_of(runs: Sequence[PastRun], kinds: Iterable[str], start: int, until: int) -> dict[str, Busy]:
    """Of each kind, between two moments."""
    length = max(until - start, 1)

    def mean(spans: Iterable[Span]) -> float:
        return (
            sum(max(min(end, until) - max(begun, start), 0) * amount for begun, end, amount in spans) / length
        )

    found = {}
    for kind in kinds:
        spans = [
            (max(begun, start), min(end, until), amount)
            for begun, end, amount in _over(runs, kind)
            if begun < until and end > start
        ]
        used = [run.used[kind] for run in runs if kind in run.used]
        found[kind] = Busy(
            held=mean(spans),
            peak=int(max(_peaks(spans, start, length // HOUR + 1))),
            used=mean(span for each in used for span in each) if used else None,
        )
    return found
