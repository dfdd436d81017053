"""Questions to samples: how much was counted, how fast, how long it took, how something stands. Pure.

`samples` are in order of time, as `Samples.between` gives them. `where` are labels that a series must have; series that
have them are taken together. None means that nothing was measured. Times are ms since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from mplp_cli.workflow.measured import METRICS, is_kept_by_system
from mplp_cli.workflow.metrics import NOTHING, Histogram, Labels, Sample, of_last_server

#: After that many ms without a sample, nothing is known of how its source stands.
STALE: Final = 30_000

ANY: Final[Mapping[str, str]] = {}


def counted(samples: Sequence[Sample], name: str, where: Mapping[str, str] = ANY) -> float:
    """What a counter became greater by in these samples."""
    if is_kept_by_system(METRICS[name]):
        return _grown(samples, name, where)
    return sum(
        number
        for sample in samples
        for labels, number in sample.counters.get(name, {}).items()
        if matches(labels, where)
    )


def counted_by(
    samples: Sequence[Sample], name: str, label: str, where: Mapping[str, str] = ANY
) -> dict[str, float]:
    """The same by the values of a label, the greatest first."""
    found: dict[str, float] = {}
    for sample in samples:
        for labels, number in sample.counters.get(name, {}).items():
            if matches(labels, where):
                value = dict(labels).get(label, "")
                found[value] = found.get(value, 0.0) + number
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def events_of_rule(totals: Iterable[Sample], rule: str) -> dict[str, int]:
    """What became of the events that a correlation rule means: by `counted`, `late`, `dropped` and `refused`, as far
    as there were any."""
    found = counted_by([*totals], "mplp_rule_events_total", "state", {"rule": rule})
    return {state: round(number) for state, number in found.items()}


def rate(
    samples: Sequence[Sample], name: str, since: int, until: int, where: Mapping[str, str] = ANY
) -> float | None:
    """How much a counter grows a second in a time; of a histogram, how many values come. Samples that reach beyond it
    count with the part that lies in it."""
    metric = METRICS[name]
    if is_kept_by_system(metric):
        # Between two looks, whatever the samples before them say.
        looks = [sample for sample in samples if since < sample.at <= until and name in sample.gauges]
        span = looks[-1].at - looks[0].at if looks else 0
        return _grown(looks, name, where) / span * 1_000 if span > 0 else None
    inside = [sample for sample in samples if sample.at > since and sample.since < until]
    if not inside or until <= since:
        return None
    total = 0.0
    for sample in inside:
        part = _part(sample, since, until)
        if metric.kind == "histogram":
            total += part * measured([sample], name, where).count
        else:
            total += part * counted([sample], name, where)
    return total / (until - since) * 1_000


def measured(samples: Iterable[Sample], name: str, where: Mapping[str, str] = ANY) -> Histogram:
    """All values of a histogram in these samples; `quantile` and `sum / count` of it say how they are."""
    total = NOTHING
    for sample in samples:
        for labels, values in sample.histograms.get(name, {}).items():
            if matches(labels, where):
                total = values.plus(total)
    return total


def measured_by(
    samples: Iterable[Sample], name: str, label: str, where: Mapping[str, str] = ANY
) -> dict[str, Histogram]:
    """The same by the values of a label, that with most time in all first."""
    found: dict[str, Histogram] = {}
    for sample in samples:
        for labels, values in sample.histograms.get(name, {}).items():
            if matches(labels, where):
                value = dict(labels).get(label, "")
                found[value] = values.plus(found.get(value, NOTHING))
    return dict(sorted(found.items(), key=lambda item: (-item[1].sum, item[0])))


def quantile(samples: Iterable[Sample], name: str, q: float, where: Mapping[str, str] = ANY) -> float | None:
    """About the value of a histogram that a part `q` of all does not exceed."""
    return measured(samples, name, where).quantile(q)


def latest(samples: Sequence[Sample], name: str, now: int, stale: int = STALE) -> dict[Labels, float]:
    """How the series of a gauge stand: of each source as its last sample says, added up over the sources. A source
    whose last sample is older than `stale` ms has ended, and so has a server once another one tells."""
    told = of_last_server(sample for sample in samples if name in sample.gauges)
    last: dict[str, Sample] = {sample.source: sample for sample in told}
    found: dict[Labels, float] = {}
    for sample in last.values():
        if sample.at >= now - stale:
            for labels, number in sample.gauges[name].items():
                found[labels] = found.get(labels, 0.0) + number
    return found


def gauge(samples: Sequence[Sample], name: str, now: int, where: Mapping[str, str] = ANY) -> float | None:
    """How a gauge stands, series that fit added up."""
    numbers = [number for labels, number in latest(samples, name, now).items() if matches(labels, where)]
    return sum(numbers) if numbers else None


def series(
    samples: Sequence[Sample],
    since: int,
    until: int,
    width: int,
    value: Callable[[Sequence[Sample], int, int], float | None],
) -> list[tuple[int, float | None]]:
    """(end, value) for each `width` ms of a time, of what `value` says of the samples (those that reach into it), the
    begin and the end of each part: `lambda s, a, b: rate(s, "mplp_steps_total", a, b)`."""
    return list(_series(samples, since, until, width, value))


def _series(
    samples: Sequence[Sample],
    since: int,
    until: int,
    width: int,
    value: Callable[[Sequence[Sample], int, int], float | None],
) -> Iterator[tuple[int, float | None]]:
    for begin in range(since, until, width):
        end = min(begin + width, until)
        inside = [sample for sample in samples if sample.at > begin and sample.since < end]
        yield end, value(inside, begin, end)


def matches(labels: Labels, where: Mapping[str, str]) -> bool:
    """Whether a series has all these labels."""
    return not where or where.items() <= dict(labels).items()


def _part(sample: Sample, since: int, until: int) -> float:
    """The part of a sample's time that lies in a time; one without length lies where its end does."""
    length = sample.at - sample.since
    if length <= 0:
        return 1.0 if since < sample.at <= until else 0.0
    return max(0, min(sample.at, until) - max(sample.since, since)) / length


def _grown(samples: Iterable[Sample], name: str, where: Mapping[str, str]) -> float:
    """What a counter of the system became greater by, of each source from its first sample to its last. One that
    became smaller has begun anew."""
    total, before = 0.0, dict[tuple[str, Labels], float]()
    for sample in samples:
        for labels, number in sample.gauges.get(name, {}).items():
            if matches(labels, where):
                last = before.get((sample.source, labels), number)
                total += number - last if number >= last else number
                before[sample.source, labels] = number
    return total
