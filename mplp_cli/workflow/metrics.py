"""What is counted and measured, by names after the conventions of Prometheus and OpenTelemetry. Pure.

A *sample* is what one process has counted since its last one, and what it saw at that moment. Counters and histograms
of samples add up; of gauges the latest of each process counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeVar

from msgspec import Struct

#: Upper ends of the classes of durations, seconds; the last class has no end.
BOUNDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
)  # fmt: skip
#: Labels of a series, sorted by name: (("status", "completed"),).
Labels = tuple[tuple[str, str], ...]


class Metric(Struct, frozen=True, kw_only=True):
    """One kind of series. `name` as Prometheus has it (`mplp_steps_total`), `unit` as it is told to people."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    unit: str = ""
    labels: tuple[str, ...] = ()


class Histogram(Struct, frozen=True):
    """Values by class (`BOUNDS`, one class more than there are), their sum and number."""

    counts: tuple[int, ...]
    sum: float
    count: int

    def plus(self, other: Histogram) -> Histogram:
        """Both together."""
        counts = tuple(map(sum, zip(self.counts, other.counts, strict=True)))
        return Histogram(counts, self.sum + other.sum, self.count + other.count)

    def quantile(self, q: float) -> float | None:
        """About the value that a part `q` of all does not exceed, by straight lines within the classes; None if there
        are none. Of the last class its lower end."""
        if not self.count:
            return None
        rank, before = q * self.count, 0
        for n, count in enumerate(self.counts):
            if count and before + count >= rank:
                low = BOUNDS[n - 1] if n else 0.0
                high = BOUNDS[n] if n < len(BOUNDS) else low
                return low + (high - low) * (rank - before) / count
            before += count
        return BOUNDS[-1]


NOTHING: Final = Histogram((0,) * (len(BOUNDS) + 1), 0.0, 0)


def histogram(values: Iterable[float]) -> Histogram:
    """Values (seconds) by class."""
    counts, total, number = [0] * (len(BOUNDS) + 1), 0.0, 0
    for value in values:
        counts[bisect_left(BOUNDS, value)] += 1
        total += value
        number += 1
    return Histogram(tuple(counts), total, number)


class Sample(Struct, frozen=True, kw_only=True):
    """What `source` (a run, a server, the machine) tells for the time from `since` to `at` (ms since the epoch): what
    was added to counters and histograms, and gauges as they were at the end."""

    source: str
    since: int
    at: int
    counters: dict[str, dict[Labels, float]] = {}
    histograms: dict[str, dict[Labels, Histogram]] = {}
    gauges: dict[str, dict[Labels, float]] = {}


#: Series of one metric that are kept apart; what comes later is counted together, every label `other`.
SERIES_LIMIT: Final = 200
#: The kind of the sources that are servers.
SERVER: Final = "serve"

_Value = TypeVar("_Value")


def kind_of(source: str) -> str:
    """`run` of `run:0f3c...`: what sources are added up under when their samples become old."""
    return source.partition(":")[0]


def of_last_server(samples: Iterable[Sample]) -> list[Sample]:
    """Samples (in order of time) without those of servers before the last one: a state has one server at a time, and
    how an ended one stood means nothing once the next tells how it stands."""
    found = list(samples)
    last = next((one.source for one in reversed(found) if kind_of(one.source) == SERVER), "")
    return [one for one in found if one.source == last or kind_of(one.source) != SERVER]


def place_in(series: Mapping[Labels, _Value], labels: Labels, limit: int | None = SERIES_LIMIT) -> Labels:
    """Under which labels a series is counted among those that are there; None is no limit."""
    if labels in series or limit is None or len(series) < limit:
        return labels
    return tuple((name, "other") for name, _ in labels)


def together(source: str, samples: Sequence[Sample], limit: int | None = SERIES_LIMIT) -> Sample:
    """Samples (at least one, in order of time) as one: what they counted added up, of gauges those of the last that
    has any of a name. `limit`: as in `place_in`."""
    counters: dict[str, dict[Labels, float]] = {}
    histograms: dict[str, dict[Labels, Histogram]] = {}
    gauges: dict[str, dict[Labels, float]] = {}
    for sample in samples:
        for name, counted in sample.counters.items():
            numbers = counters.setdefault(name, {})
            for labels, number in counted.items():
                labels = place_in(numbers, labels, limit)  # noqa: PLW2901 - from here on they are these
                numbers[labels] = numbers.get(labels, 0.0) + number
        for name, measured in sample.histograms.items():
            values = histograms.setdefault(name, {})
            for labels, value in measured.items():
                labels = place_in(values, labels, limit)  # noqa: PLW2901 - from here on they are these
                values[labels] = value.plus(values[labels]) if labels in values else value
        gauges |= sample.gauges
    return Sample(
        source=source,
        since=min(sample.since for sample in samples),
        at=max(sample.at for sample in samples),
        counters=counters,
        histograms=histograms,
        gauges=gauges,
    )


#: Ages (ms) from which on samples are added up to one for each time of that length (ms).
COARSER: Final = ((3_600_000, 60_000), (86_400_000, 3_600_000))
#: How long samples are kept, ms, unless the settings say otherwise.
RETENTION: Final = 30 * 86_400_000


def coarser(samples: Iterable[Sample], width: int) -> list[Sample]:
    """One sample for each kind of source and each time of `width` ms, by their ends."""
    found: dict[tuple[int, str], list[Sample]] = {}
    for sample in samples:
        found.setdefault(((sample.at - 1) // width, kind_of(sample.source)), []).append(sample)
    added = [together(kind, group) for (_, kind), group in found.items()]
    return sorted(added, key=lambda sample: sample.at)


class Measuring(Struct, frozen=True, kw_only=True):
    """Whether runs and servers measure, how often (ms), how long that is kept (ms), and whether `/metrics` of a server
    needs no token."""

    on: bool = True
    interval: int = 5_000
    retention: int = RETENTION
    open: bool = False
