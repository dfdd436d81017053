"""The `alerts` of `mplp.yaml`: judged, and made into the types of `workflow/alerts`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.events import check_match, check_template, duplicates, make_match
from mplp_cli.loading.explain import reasons
from mplp_cli.loading.schema import verdict
from mplp_cli.loading.wording import quoted
from mplp_cli.workflow.alerting import Standing, described
from mplp_cli.workflow.alerts import Alert, series_named
from mplp_cli.workflow.events.judging import EventError, event_template, filled
from mplp_cli.workflow.measured import METRICS
from mplp_cli.workflow.metrics import Measuring, Metric
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import duration_ms, duration_text

#: Alerts that a project may have.
MOST: Final = 1_000
#: Longest windows, ms: samples that are older than a day are too coarse; events are remembered as long.
LONGEST: Final = 86_400_000
LONGEST_OF_EVENTS: Final = 7 * 86_400_000
_WINDOW: Final = 300_000
_AS_EVER: Final = Measuring()
#: Kind of a metric -> its functions, and that which is meant if none is said.
_FUNCTIONS: Final = {
    "counter": ("rate", "increase"),
    "gauge": ("value", "mean"),
    "histogram": ("p50", "p95", "p99", "mean", "rate", "increase"),
}
_KINDS: Final = {
    "counter": "counts what happens",
    "gauge": "says how something stands",
    "histogram": "says how long something takes",
}


def judge_alerts(
    value: Any, path: Path, how: Measuring = _AS_EVER
) -> tuple[tuple[Alert, ...] | None, list[Problem]]:
    """The alerts of a project, in the format's spelling; None if anything is wrong with them. `how` is measured."""
    if not isinstance(value, list) or len(value) > MOST:
        return None, reasons("settings-alerts", value, path)
    problems = list(duplicates(value, path, "alerts"))
    for n, one in enumerate(value):
        if verdict("settings-alert").is_valid(one):
            problems += _check(one, (*path, n), how)
        else:
            problems += reasons("settings-alert", one, (*path, n))
    failed = any(one.severity == "error" for one in problems)
    return None if failed else tuple(make_alert(one, how) for one in value), problems


def make_alert(value: dict[str, Any], how: Measuring = _AS_EVER) -> Alert:
    """A valid declaration as its type."""
    above: Any = value.get("above")
    below: Any = value.get("below")
    event = value.get("event")
    name, where = ("", {}) if event is not None else series_named(value["metric"])
    if event is not None:
        above, below = value["count"], None
    threshold = float(below if above is None else above)
    return Alert(
        id=value["id"],
        metric=name,
        where=where,
        by=tuple(value.get("by", ())),
        event=None if event is None else make_match(event),
        function=value.get("function", "value"),
        window=duration_ms(value.get("window", max(_WINDOW, 2 * how.interval))),
        above=above,
        below=below,
        clear_at=value.get("clear-at", threshold if event is None else threshold - 1),
        lasts=duration_ms(value.get("for", 0)),
        clear_for=duration_ms(value.get("clear-for", 60_000)),
        severity=value.get("severity", "warning"),
        message=value.get("message", ""),
        labels=value.get("labels", {}),
        stale=6 * how.interval,
    )


# ---- rules -------------------------------------------------------------------------------------


def _check(alert: dict[str, Any], path: Path, how: Measuring) -> Iterator[Problem]:
    judged = _of_events(alert, path) if "event" in alert else _of_metric(alert, path, how)
    found = [*judged, *_hysteresis(alert, path)]
    yield from found
    if not found and "message" in alert:
        yield from _message(alert, path)


def _of_events(alert: dict[str, Any], path: Path) -> Iterator[Problem]:
    yield from check_match(alert["event"], (*path, "event"))
    for key in ("function", "above", "below", "by"):
        if key in alert:
            yield _conflict(
                (*path, key), f"`{key}` means nothing for events", "they are counted; write `count`"
            )
    for key, hint in (
        ("count", "say how many events it takes"),
        ("window", "say within which time, such as 5m"),
    ):
        if key not in alert:
            said = f"an alert on events needs the key `{key}`"
            yield Problem(code="schema-missing-key", path=path, message=said, hint=hint)
    if "window" in alert and duration_ms(alert["window"]) > LONGEST_OF_EVENTS:
        yield _window(path, "is longer than 7 days", "narrow it: each event is remembered as long")


def _of_metric(alert: dict[str, Any], path: Path, how: Measuring) -> Iterator[Problem]:
    at = (*path, "metric")
    if "count" in alert:
        hint = "write `above`, with the function `increase` for how often something has happened"
        yield _conflict((*path, "count"), "`count` means nothing for a metric", hint)
    try:
        name, labels = series_named(alert["metric"])
    except ValueError as error:
        hint = 'write a name, or labels too: mplp_steps_total{status="failed"}'
        yield Problem(code="alert-metric", path=at, message=str(error), hint=hint)
        return
    metric = METRICS.get(name)
    whole = isinstance(alert["metric"], str)
    if metric is None:
        yield Problem(
            code="alert-metric",
            path=at if whole else (*at, "name"),
            message=f"there is no metric {quoted(name)}",
            hint=did_you_mean(name, METRICS) or "`mplp help metrics` lists them",
        )
        return
    asked: list[tuple[str, Path]] = [(label, at if whole else (*at, "labels", label)) for label in labels]
    asked += [(label, (*path, "by", n)) for n, label in enumerate(alert.get("by", ()))]
    for label, place in asked:
        if label not in metric.labels:
            has = f"it has {', '.join(metric.labels)}" if metric.labels else "it has none"
            yield Problem(
                code="alert-label",
                path=place,
                on="key" if place[-1] == label else "value",
                message=f"{name} has no label {quoted(label)}",
                hint=did_you_mean(label, metric.labels) or has,
            )
    yield from _function(alert, path, metric, how)
    yield from _threshold(alert, path)
    if not how.on:
        hint = "remove `metrics: off`"
        yield Problem(
            code="alert-metric", severity="warning", path=at, message="nothing is measured here", hint=hint
        )


def _function(alert: dict[str, Any], path: Path, metric: Metric, how: Measuring) -> Iterator[Problem]:
    function, known = alert.get("function", "value"), _FUNCTIONS[metric.kind]
    if function not in known:
        said = f"{metric.name} {_KINDS[metric.kind]}"
        yield Problem(
            code="alert-function",
            path=(*path, "function") if "function" in alert else path,
            message=f"{said}: it has no {function}"
            if "function" in alert
            else f"{said}: say by which function",
            hint=f"write one of {', '.join(known)}",
        )
        return
    if function == "value" and "window" in alert:
        hint = "remove it, or write `function: mean`"
        yield _conflict((*path, "window"), "a value is that of now: `window` means nothing for it", hint)
    elif "window" in alert and duration_ms(alert["window"]) < 2 * how.interval:
        hint = f"samples are taken every {duration_text(how.interval)}; a window needs two of them"
        yield _window(path, f"is shorter than {duration_text(2 * how.interval)}", hint)
    elif "window" in alert and duration_ms(alert["window"]) > LONGEST:
        yield _window(path, "is longer than 24h", "older samples are too coarse; narrow it")
    if "by" in alert and metric.kind == "gauge":
        yield Problem(
            code="alert-function",
            path=(*path, "by"),
            on="key",
            message=f"{metric.name} {_KINDS['gauge']}: each of its series stands alone anyway",
            hint="remove `by`",
        )
    elif "by" in alert and "below" in alert and function in ("rate", "increase"):
        yield Problem(
            code="alert-function",
            path=(*path, "by"),
            on="key",
            message="what has not happened has no labels: such series cannot be kept apart",
            hint="write an alert for each, with its labels behind the metric",
        )


def _threshold(alert: dict[str, Any], path: Path) -> Iterator[Problem]:
    if "above" in alert and "below" in alert:
        hint = "keep one of them; write two alerts for a range"
        yield _conflict((*path, "below"), "an alert has `above` or `below`, not both", hint)
    elif "above" not in alert and "below" not in alert:
        said = "an alert on a metric needs `above` or `below`"
        yield Problem(code="alert-threshold", path=path, message=said, hint="say from where on it fires")
    elif alert.get("above", 0) < 0 or alert.get("below", 1) <= 0:
        key, always = ("above", "always") if "above" in alert else ("below", "never")
        yield Problem(
            code="alert-threshold",
            path=(*path, key),
            message=f"no metric is below 0: this alert fires {always}",
            hint="write a number that values can be on both sides of",
        )


#: Threshold -> whether `clear-at` is on its wrong side, and which the right one is.
_SIDES: Final[tuple[tuple[str, Callable[[float, float], bool], str], ...]] = (
    ("above", lambda at, limit: at > limit, "at most"),
    ("below", lambda at, limit: at < limit, "at least"),
    ("count", lambda at, limit: at >= limit, "less than"),
)


def _hysteresis(alert: dict[str, Any], path: Path) -> Iterator[Problem]:
    clear = alert.get("clear-at")
    for key, is_wrong, side in _SIDES:
        limit = alert.get(key)
        if clear is not None and limit is not None and is_wrong(clear, limit):
            yield Problem(
                code="alert-threshold",
                path=(*path, "clear-at"),
                message=f"`clear-at` is on the wrong side of `{key}`: it would be resolved while it fires",
                hint=f"write {side} {limit:g}",
            )


def _message(alert: dict[str, Any], path: Path) -> Iterator[Problem]:
    at = (*path, "message")
    found = list(check_template(alert["message"], ("alert",), at))
    yield from found
    if found:
        return
    made = make_alert(alert)
    metric = METRICS.get(made.metric)
    kept = made.by if metric is None or metric.kind != "gauge" else metric.labels
    example = Standing(rule=made, labels=tuple((label, "") for label in kept), since=0, seen=0, value=0.0)
    try:
        filled(event_template(made.message, ("alert",)), {"alert": described(example)})
    except EventError as error:
        known = ", ".join(described(example))
        hint = (
            error.hint or f"an alert has {known}; labels are those of `labels`, of `by` and behind the metric"
        )
        yield Problem(code="event-reference", path=at, message=error.reason, hint=hint)


def _window(path: Path, said: str, hint: str) -> Problem:
    return Problem(code="alert-window", path=(*path, "window"), message=f"the window {said}", hint=hint)


def _conflict(path: Path, said: str, hint: str) -> Problem:
    return Problem(code="schema-conflict", path=path, on="key", message=said, hint=hint)
