"""What alerts watch: how they are declared, the values of their series, and silences. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from mplp_cli.workflow.events.judging import EventError, Judge, judge
from mplp_cli.workflow.events.routes import Match
from mplp_cli.workflow.measured import METRICS, is_kept_by_system
from mplp_cli.workflow.metrics import NOTHING, Histogram, Labels, Sample, of_last_server
from mplp_cli.workflow.published import Published, matches
from mplp_cli.workflow.values import duration_text

Function = Literal["rate", "increase", "value", "mean", "p50", "p95", "p99"]
Severity = Literal["info", "warning", "critical"]
#: What the source of the events of alerts begins with.
SOURCE: Final = "mplp/alerts/"
#: Events that one alert counts at most.
MOST_EVENTS: Final = 1_000
#: Shortest time (ms) for which a missing value changes nothing.
LEAST_PATIENCE: Final = 60_000


_TEXT: Final = re.compile(r"\s*([A-Za-z_:][\w:]*)\s*(?:\{(.*)\}\s*)?", re.DOTALL | re.ASCII)
_LABEL: Final = re.compile(r"""\s*([A-Za-z_]\w*)\s*=\s*(?:"([^"\\]*)"|'([^'\\]*)')\s*(?:,|$)""", re.ASCII)


class Alert(Struct, frozen=True, kw_only=True):
    """What is watched: a function of a metric over `window`, or how many events that match there were in it.

    `where`: labels that a series must have; in their values `*` stands for any text. `by`: labels that keep series of
    counters and histograms apart, all others are added up; each gauge is a series. One of `above` and `below` is set;
    of events it is `above`, and reached by as many (`count`). After `stale` without a sample, nothing is known of how a
    source stands. Times in ms.
    """

    id: str
    metric: str = ""
    where: dict[str, str] = {}
    by: tuple[str, ...] = ()
    event: Match | None = None
    function: Function = "value"
    window: int = 300_000
    above: float | None = None
    below: float | None = None
    clear_at: float = 0.0
    lasts: int = 0
    clear_for: int = 60_000
    severity: Severity = "warning"
    message: str = ""
    labels: dict[str, str] = {}
    stale: int = 30_000

    @property
    def tags(self) -> dict[str, str]:
        """Labels that all its series have: its own, and those that it asks for by their whole value."""
        return {**{name: value for name, value in self.where.items() if "*" not in value}, **self.labels}

    @property
    def counts(self) -> bool:
        """Whether it is about how often something happens: what is not there has happened no times."""
        return self.event is not None or self.function in ("rate", "increase")

    @property
    def threshold(self) -> float:
        """The number that a value is compared with."""
        return self.below if self.below is not None else self.above or 0.0

    @property
    def patience(self) -> int:
        """How long (ms) a missing value changes nothing."""
        return max(self.window, LEAST_PATIENCE)

    def is_beyond(self, value: float) -> bool:
        """Whether a value is one to fire for."""
        if self.event is not None:
            return value >= self.threshold
        return value < self.below if self.below is not None else value > self.threshold

    def is_clear(self, value: float) -> bool:
        """Whether a value is one to be resolved for. Never true of one that is beyond."""
        if self.is_beyond(value):
            return False
        return value >= self.clear_at if self.below is not None else value <= self.clear_at


class Silence(Struct, frozen=True, kw_only=True):
    """Nobody is told of alerts that fit until a moment (ms since the epoch). `alert` is an id, in which `*` stands for
    any text; `labels` are such that the series or the alert must have, or its `severity`."""

    id: str
    alert: str = "*"
    labels: dict[str, str] = {}
    at: int
    until: int
    by: str = ""
    reason: str = ""

    def covers(self, alert: Alert, labels: Labels) -> bool:
        """Whether a series of an alert is meant."""
        has = {"severity": alert.severity, **alert.tags, **dict(labels)}
        return matches(self.alert, alert.id) and all(has.get(k) == v for k, v in self.labels.items())


def is_silenced(event: Published) -> bool:
    """Whether an event tells of an alert that is silenced."""
    return event.source.startswith(SOURCE) and type(event.data) is dict and event.data.get("silenced") is True


class Tally(Struct, frozen=True, kw_only=True):
    """The events that an alert (its id) has counted: moments (ms since the epoch) of the last of them that match, up to
    the number `heard` on the board."""

    alert: str
    match: Match
    heard: int
    moments: list[int] = []


# ---- values ------------------------------------------------------------------------------------


def values_of(alert: Alert, samples: Iterable[Sample], now: int) -> dict[Labels, float]:
    """The values of the series of a metric, from samples in order of time. Samples count by their ends.

    Gauges are added up over the sources that are still there. Of nothing measured there is no value; without `by`,
    what has not happened has happened no times.
    """
    metric = METRICS[alert.metric]
    length = alert.stale if alert.function == "value" else alert.window
    within = [one for one in samples if now - length < one.at <= now]
    if metric.kind == "gauge":
        return (_latest if alert.function == "value" else _means)(alert, within)
    if is_kept_by_system(metric):
        return _scaled(alert, _grown(alert, within))
    if metric.kind == "histogram":
        values: dict[Labels, Histogram] = {}
        for one in within:
            for labels, measured in _fitting(alert, one.histograms):
                values[labels] = measured.plus(values.get(labels, NOTHING))
        if not alert.counts:
            return {
                labels: _of_histogram(alert.function, all_) for labels, all_ in values.items() if all_.count
            }
        return _scaled(alert, {**_none(alert), **{labels: all_.count for labels, all_ in values.items()}})
    counted = _none(alert)
    for one in within:
        for labels, number in _fitting(alert, one.counters):
            counted[labels] = counted.get(labels, 0.0) + number
    return _scaled(alert, counted)


def _none(alert: Alert) -> dict[Labels, float]:
    return {} if alert.by else {(): 0.0}


def _scaled(alert: Alert, counted: dict[Labels, float]) -> dict[Labels, float]:
    seconds = alert.window / 1000 if alert.function == "rate" else 1.0
    return {labels: number / seconds for labels, number in counted.items()}


def _of_histogram(function: str, values: Histogram) -> float:
    quantile = None if function == "mean" else values.quantile(int(function[1:]) / 100)
    return values.sum / values.count if quantile is None else quantile


def _latest(alert: Alert, samples: Sequence[Sample]) -> dict[Labels, float]:
    """The last value of each gauge that fits, added up over the sources."""
    told = of_last_server(one for one in samples if alert.metric in one.gauges)
    last = {one.source: one for one in told}
    found: dict[Labels, float] = {}
    for one in last.values():
        for labels, value in one.gauges[alert.metric].items():
            if _fits(alert, labels):
                found[labels] = found.get(labels, 0.0) + value
    return found


def _means(alert: Alert, samples: Sequence[Sample]) -> dict[Labels, float]:
    """The mean of each gauge that fits over the time that was measured, added up over the sources."""
    found: dict[Labels, float] = {}
    covered, end = 0, 0
    for one in sorted((one for one in samples if alert.metric in one.gauges), key=lambda one: one.since):
        begin = min(one.since, one.at - 1)
        covered, end = covered + max(0, one.at - max(begin, end)), max(end, one.at)
        for labels, value in one.gauges[alert.metric].items():
            if _fits(alert, labels):
                found[labels] = found.get(labels, 0.0) + value * (one.at - begin)
    return {labels: total / covered for labels, total in found.items()}


def _grown(alert: Alert, samples: Sequence[Sample]) -> dict[Labels, float]:
    """What counters of the system became greater by, of each source from its first sample to its last. One that became
    smaller has begun anew."""
    found: dict[Labels, float] = {}
    before: dict[tuple[str, Labels], float] = {}
    for one in samples:
        for labels, number in one.gauges.get(alert.metric, {}).items():
            if _fits(alert, labels):
                last = before.get((one.source, labels), number)
                before[one.source, labels] = number
                kept = tuple(pair for pair in labels if pair[0] in alert.by)
                found[kept] = found.get(kept, 0.0) + (number - last if number >= last else number)
    return found


def tallied(alert: Alert, tally: Tally, events: Iterable[tuple[int, Published]], now: int) -> Tally:
    """A tally after further events of the board, in order. Events of alerts are never counted, nor are those that
    cannot be judged; one that says it comes from the future is of now."""
    fits = _judge(tally.match)
    heard, moments = tally.heard, list(tally.moments)
    for number, event in events:
        if number > heard:
            heard = number
            if not event.source.startswith(SOURCE) and _is(fits, event):
                moments.append(min(event.at, now))
    kept = sorted(at for at in moments if at > now - alert.window)[-MOST_EVENTS:]
    return (
        tally if (heard, kept) == (tally.heard, tally.moments) else replace(tally, heard=heard, moments=kept)
    )


def _is(fits: Judge, event: Published) -> bool:
    try:
        return fits(event)
    except EventError:
        return False


_judge = lru_cache(256)(judge)


def _fitting(alert: Alert, series: Mapping[str, Mapping[Labels, Any]]) -> Iterable[tuple[Labels, Any]]:
    for labels, value in series.get(alert.metric, {}).items():
        if _fits(alert, labels):
            yield tuple(pair for pair in labels if pair[0] in alert.by), value


def _fits(alert: Alert, labels: Labels) -> bool:
    has = dict(labels)
    return all(matches(wanted, has.get(name, "")) for name, wanted in alert.where.items())


# ---- texts -------------------------------------------------------------------------------------


def rule_text(alert: Alert) -> str:
    """`p95 of mplp_step_duration_seconds over 5m00s above 2`."""
    if alert.event is not None:
        where = f" where {alert.event.where}" if alert.event.where else ""
        over = duration_text(alert.window)
        return f"{number_text(alert.threshold)} events {alert.event.type}{where} within {over}"
    where = labels_text(tuple(sorted(alert.where.items())))
    bound = "below" if alert.below is not None else "above"
    over = "" if alert.function == "value" else f" over {duration_text(alert.window)}"
    return f"{alert.function} of {alert.metric}{where}{over} {bound} {number_text(alert.threshold)}"


def labels_text(labels: Labels) -> str:
    """`{status="failed"}`; nothing if there are none."""
    inside = ", ".join(f'{name}="{value}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def number_text(value: float) -> str:
    """A number for people: `12`, `1,000,000`, or six digits of one that is not whole."""
    return f"{int(value):,}" if value == int(value) else f"{value:.6g}"


def series_named(metric: str | dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The name and the labels of a metric as it is written. ValueError says what is wrong with a text."""
    if isinstance(metric, dict):
        return metric["name"], dict(metric.get("labels", {}))
    found = _TEXT.fullmatch(metric)
    if found is None:
        raise ValueError(f"`{metric[:60]}` does not name a metric")
    labels: dict[str, str] = {}
    rest = found.group(2) or ""
    while rest.strip():
        label = _LABEL.match(rest)
        if label is None:
            raise ValueError(f"`{rest.strip()[:60]}` is no label with its value")
        labels[label.group(1)] = label.group(2) if label.group(2) is not None else label.group(3)
        rest = rest[label.end() :]
    return found.group(1), labels
