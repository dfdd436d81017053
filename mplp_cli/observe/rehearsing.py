"""Alerts tried on samples and events: what they would have told, and when. Nothing is kept or published."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

from msgspec import DecodeError, Struct, json
from msgspec.structs import replace

from mplp_cli.observe.alerting import INTERVAL, values_at
from mplp_cli.workflow.alerting import Key, Standing, looked
from mplp_cli.workflow.alerts import Alert, Tally, series_named, tallied
from mplp_cli.workflow.measured import METRICS, is_kept_by_system
from mplp_cli.workflow.metrics import Histogram, Labels, Sample, histogram
from mplp_cli.workflow.published import Published, from_cloud_event
from mplp_cli.workflow.values import moment_ms

_STEP: Final = round(INTERVAL * 1000)
#: Looks that are made at most.
MOST_LOOKS: Final = 20_000


class Rehearsal(Struct, frozen=True, kw_only=True):
    """What would have been told from `begin` to `end` (ms since the epoch), and how everything stands at the end:
    `values` by alert, `standings` of what is pending, fires or was resolved."""

    begin: int
    end: int
    looks: int
    events: list[Published]
    standings: dict[Key, Standing]
    values: dict[str, dict[Labels, float]]


def rehearse(
    alerts: Sequence[Alert],
    samples: Sequence[Sample],
    events: Sequence[tuple[int, Published]],
    begin: int,
    end: int,
) -> Rehearsal:
    """A look at each 5 s from `begin` to `end`, as if nothing had been known before. `samples` are in order of time,
    `events` in that of the board. ValueError if that is too long."""
    if (looks := (end - begin) // _STEP + 1) > MOST_LOOKS:
        raise ValueError(
            f"that would be {looks:,} looks, and {MOST_LOOKS:,} are the most; choose a shorter time"
        )
    ends = [one.at for one in samples]
    longest = max((alert.window for alert in alerts), default=0)
    known = sorted(events, key=lambda one: one[1].at)
    standings: dict[Key, Standing] = {}
    tallies = {
        one.id: Tally(alert=one.id, match=one.event, heard=0) for one in alerts if one.event is not None
    }
    values: dict[str, dict[Labels, float]] = {}
    told: list[Published] = []
    heard = 0
    for now in range(begin, end + 1, _STEP):
        upto = heard
        while upto < len(known) and known[upto][1].at <= now:
            upto += 1
        fresh = [(n + 1, known[n][1]) for n in range(heard, upto)]
        heard = upto
        for alert in alerts:
            if alert.event is not None:
                tallies[alert.id] = tallied(alert, tallies[alert.id], fresh, now)
        within = samples[bisect_right(ends, now - max(longest, 60_000)) : bisect_right(ends, now)]
        values = values_at(alerts, within, tallies, now)
        made = looked(alerts, standings, values, (), now)
        standings.update({one.key: one for one in made.kept})
        for one in made.gone:
            standings.pop(one.key, None)
        told += made.events
    return Rehearsal(begin=begin, end=end, looks=looks, events=told, standings=standings, values=values)


# ---- samples that somebody has written down --------------------------------------------------


class _Line(Struct, forbid_unknown_fields=True):
    at: str | int
    series: dict[str, float | list[float]] = {}
    event: dict[str, Any] | None = None


def read_samples(text: bytes) -> tuple[list[Sample], list[tuple[int, Published]]]:
    """The samples and events of a text, a JSON object a line: `{"at": TIME, "series": {"mplp_steps_total": 3}}`, or
    `{"at": TIME, "event": {"type": "step.failed"}}`. TIME is RFC 3339, or ms since the epoch.

    A counter is what was added since the line before, a gauge how it stands, a histogram a list of seconds. ValueError
    names the line.
    """
    samples: list[Sample] = []
    events: list[tuple[int, Published]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            read = json.decode(line, type=_Line)
            at = moment_ms(read.at) if isinstance(read.at, str) else read.at
            if samples and at < samples[-1].at:
                raise ValueError("it is older than the line before; write them in order of time")
            since = samples[-1].at if samples else at - _STEP
            if read.event is not None:
                given = {
                    "specversion": "1.0",
                    "id": str(number),
                    "source": "file",
                    "data": None,
                    **read.event,
                }
                events.append((number, replace(from_cloud_event(given, at), at=at)))
            if read.series:
                samples.append(_sample(read.series, since, at))
        except (DecodeError, ValueError, UnicodeDecodeError) as error:
            raise ValueError(f"line {number}: {error}") from None
    return samples, events


def _sample(series: dict[str, float | list[float]], since: int, at: int) -> Sample:
    counters: dict[str, dict[Labels, float]] = {}
    histograms: dict[str, dict[Labels, Histogram]] = {}
    gauges: dict[str, dict[Labels, float]] = {}
    for written, value in series.items():
        name, where = series_named(written)
        if (metric := METRICS.get(name)) is None:
            raise ValueError(f"there is no metric `{name}`")
        labels = tuple(sorted(where.items()))
        if metric.kind == "histogram":
            if not isinstance(value, list):
                raise ValueError(f"`{name}` takes a list of seconds")
            histograms.setdefault(name, {})[labels] = histogram(value)
        elif isinstance(value, list):
            raise ValueError(f"`{name}` takes a number")
        else:
            held = gauges if metric.kind == "gauge" or is_kept_by_system(metric) else counters
            held.setdefault(name, {})[labels] = value
    return Sample(source="file", since=since, at=at, counters=counters, histograms=histograms, gauges=gauges)
