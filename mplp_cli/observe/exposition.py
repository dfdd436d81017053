"""Metrics for others: the text that Prometheus reads, and the document of `mplp metrics`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from mplp_cli.observe.metering import STALE, latest, rate
from mplp_cli.workflow.measured import METRICS, is_kept_by_system
from mplp_cli.workflow.metrics import BOUNDS, SERVER, Histogram, Labels, Metric, Sample, kind_of, together
from mplp_cli.workflow.values import rfc3339

#: What `exposition` is, for those who ask over HTTP.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_QUANTILES: Final = (0.5, 0.95, 0.99)
_ESCAPED: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def exposition(totals: Sequence[Sample], recent: Sequence[Sample], now: int, own: str = SERVER) -> str:
    """All that was ever counted, and how things stand, in the text format 0.0.4.

    `recent`: samples of the last minute. What a process says of itself is that of the source `own`; without one nothing
    is said.
    """
    # Each total has its limit. With one for all, a series would end in `other` as soon as another total has a new one.
    total = together("", totals, limit=None) if totals else Sample(source="", since=now, at=now)
    lines: list[str] = []
    for metric in METRICS.values():
        if metric.kind == "histogram":
            found = _histograms(metric.name, total.histograms.get(metric.name, {}))
        elif metric.kind == "gauge" or is_kept_by_system(metric):
            found = _numbers(metric.name, _standing(metric, recent, now, own))
        else:
            found = _numbers(metric.name, total.counters.get(metric.name, {}))
        if told := list(found):
            lines += (f"# HELP {metric.name} {_help(metric.help)}", f"# TYPE {metric.name} {metric.kind}")
            lines += told
    return "".join(f"{line}\n" for line in lines)


def _standing(metric: Metric, recent: Sequence[Sample], now: int, own: str) -> Mapping[Labels, float]:
    if metric.name.startswith("process_"):
        recent = [sample for sample in recent if kind_of(sample.source) == own]
    return latest(recent, metric.name, now, STALE)


def _numbers(name: str, series: Mapping[Labels, float]) -> Iterator[str]:
    for labels, number in sorted(series.items()):
        yield f"{name}{_labels(labels)} {_number(number)}"


def _histograms(name: str, series: Mapping[Labels, Histogram]) -> Iterator[str]:
    for labels, values in sorted(series.items(), key=lambda item: item[0]):
        so_far = 0
        for end, count in zip((*BOUNDS, float("inf")), values.counts, strict=True):
            so_far += count
            yield f"{name}_bucket{_labels((*labels, ('le', _number(end))))} {so_far}"
        yield f"{name}_sum{_labels(labels)} {_number(values.sum)}"
        yield f"{name}_count{_labels(labels)} {values.count}"


def _labels(labels: Labels) -> str:
    inside = ",".join(f'{name}="{_text(value)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def _text(value: str) -> str:
    # Half a character (a lone surrogate) is none that could be sent.
    return value.translate(_ESCAPED).encode("utf-8", "replace").decode()


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _number(number: float) -> str:
    if number == float("inf"):
        return "+Inf"
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(float(number))


# ---- what happened in a time


def metrics_document(
    samples: Sequence[Sample], since: int, until: int, only: Iterable[str] = ()
) -> dict[str, Any]:
    """Of each metric that was measured in that time its series: what counters became greater by, and how fast; the
    values of histograms; how gauges stand. What processes say of themselves has a label `source`. `only`: what names
    begin with."""
    begins = tuple(only)
    inside = [sample for sample in samples if since < sample.at <= until]
    total = together("", inside) if inside else Sample(source="", since=since, at=until)
    found = []
    for metric in METRICS.values():
        if begins and not metric.name.startswith(begins):
            continue
        series = list(_series(metric, inside, total, since, until))
        if series:
            found.append(
                {
                    "name": metric.name,
                    "type": metric.kind,
                    "unit": metric.unit or None,
                    "help": metric.help,
                    "series": series,
                }
            )
    return {"from": rfc3339(since), "to": rfc3339(until), "samples": len(inside), "metrics": found}


def _series(
    metric: Metric, samples: Sequence[Sample], total: Sample, since: int, until: int
) -> Iterator[dict[str, Any]]:
    name = metric.name
    if metric.kind == "histogram":
        for labels, values in sorted(total.histograms.get(name, {}).items(), key=lambda item: item[0]):
            yield {"labels": dict(labels), **_values(values)}
    elif metric.kind == "gauge" or is_kept_by_system(metric):
        of_process = name.startswith("process_")
        for source in sorted({s.source for s in samples if name in s.gauges}) if of_process else ("",):
            own = [s for s in samples if s.source == source] if of_process else samples
            for labels, number in sorted(latest(own, name, until).items()):
                told = {"source": source, **dict(labels)} if of_process else dict(labels)
                made: dict[str, Any] = {"labels": told, "value": number}
                if metric.kind == "counter":
                    made["rate"] = _short(rate(own, name, since, until, dict(labels)))
                yield made
    else:
        for labels, number in sorted(total.counters.get(name, {}).items()):
            per_second = number / (until - since) * 1_000 if until > since else None
            yield {"labels": dict(labels), "value": number, "rate": _short(per_second)}


def _values(values: Histogram) -> dict[str, Any]:
    quantiles = {f"p{round(q * 100)}": _short(values.quantile(q)) for q in _QUANTILES}
    mean = values.sum / values.count if values.count else None
    return {"count": values.count, "sum": _short(values.sum), "mean": _short(mean), **quantiles}


def _short(number: float | None) -> float | None:
    return None if number is None else round(number, 6)
