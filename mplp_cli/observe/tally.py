"""What a process counts, in memory: numbers and durations, until they are taken out with a sample."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from mplp_cli.workflow.metrics import BOUNDS, SERIES_LIMIT, Histogram, Labels, Sample, place_in

if TYPE_CHECKING:
    from mplp_cli.workflow.published import Published

#: Characters of the id of a run.
_UUID: Final = 36
_OVERFLOW: Final = "mplp_series_overflow_total"


class Values:
    """A histogram that grows."""

    __slots__ = ("counts", "number", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0
        self.number = 0

    def add(self, value: float, times: int = 1) -> None:
        """A value, so many times."""
        self.counts[bisect_left(BOUNDS, value)] += times
        self.sum += value * times
        self.number += times

    def add_to(self, end: float, number: int) -> None:
        """So many values that are not greater than `end`; whoever adds them adds to the sum."""
        self.counts[bisect_left(BOUNDS, end)] += number
        self.number += number


class Tally:
    """What a process has counted since its last sample."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[Labels, float]] = {}
        self._values: dict[str, dict[Labels, Values]] = {}
        #: (type, ms) of steps that completed: there may be a hundred thousand a second.
        self.completed = Counter[tuple[str, int]]()

    def count(self, name: str, labels: Labels = (), number: float = 1.0) -> None:
        """Make a counter greater. Labels are sorted by name."""
        series = self._counters.setdefault(name, {})
        if labels not in series:
            labels = self._place(name, series, labels)
        series[labels] = series.get(labels, 0.0) + number

    def values(self, name: str, labels: Labels = ()) -> Values:
        """The values of a histogram until the next sample."""
        series = self._values.setdefault(name, {})
        if labels not in series:
            labels = self._place(name, series, labels)
            series.setdefault(labels, Values())
        return series[labels]

    def _place(self, name: str, series: Mapping[Labels, Any], labels: Labels) -> Labels:
        if len(series) < SERIES_LIMIT:
            return labels
        if name != _OVERFLOW:
            self.count(_OVERFLOW, (("metric", name),))
        return place_in(series, labels)

    def published(self, events: Iterable[Published]) -> None:
        """Count events."""
        for event in events:
            self.count("mplp_events_total", (("type", event.type),))

    def heard(self, found: Sequence[tuple[int, Published]]) -> None:
        """Count events that others than runs have published: a sink of a bus."""
        self.published(event for _, event in found if not _is_of_a_run(event.source))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted."""
        return not self._counters and not self._values and not self.completed

    def take(self, source: str, since: int, at: int, gauges: Mapping[str, dict[Labels, float]]) -> Sample:
        """A sample of what was counted, which is no part of the next one."""
        for (kind, took), number in self.completed.items():
            self.count("mplp_steps_total", (("status", "completed"), ("type", kind)), number)
            self.values("mplp_step_duration_seconds", (("type", kind),)).add(took / 1000, number)
        self.completed.clear()
        counters, self._counters = self._counters, {}
        values, self._values = self._values, {}
        histograms = {
            name: {
                labels: Histogram(tuple(one.counts), one.sum, one.number) for labels, one in series.items()
            }
            for name, series in values.items()
        }
        return Sample(
            source=source, since=since, at=at, counters=counters, histograms=histograms, gauges=dict(gauges)
        )


def _is_of_a_run(source: str) -> bool:
    """`mplp/WORKFLOW/RUN`, or more: each run counts what it tells."""
    first, *rest = source.split("/")
    return first == "mplp" and len(rest) > 1 and len(rest[1]) == _UUID and rest[1].count("-") == 4
