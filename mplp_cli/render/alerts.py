"""Alerts on the screen and for machines: how their series stand, silences, and what a rehearsal has shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.tables import ago
from mplp_cli.render.theme import Theme
from mplp_cli.workflow.alerting import Standing, described, message_of
from mplp_cli.workflow.alerts import Alert, Silence, labels_text, number_text, rule_text
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import Json, duration_text, rfc3339

STATUS: Final = {"inactive": "dim", "pending": "warn", "firing": "bad-strong", "resolved": "ok"}
_SEVERITY: Final = {"info": "dim", "warning": "warn", "critical": "bad"}


class Listed(Struct, frozen=True, kw_only=True):
    """An alert with one of its series; `standing` is None if none of them is known. `silence`: what silences it."""

    alert: Alert
    standing: Standing | None = None
    silence: Silence | None = None


def alerts_table(listed: Sequence[Listed], now: int, theme: Theme, width: int) -> Screen:
    """`mplp alerts list`: a line a series; what fires shows its message."""
    rows = [
        (
            Line(one.alert.id, "strong").add(
                labels_text(one.standing.labels) if one.standing is not None else "", "dim"
            ),
            _status(one),
            Line(one.alert.severity, _SEVERITY[one.alert.severity]),
            Line(_value(one.standing)),
            Line("" if one.standing is None else ago(now - one.standing.since), "dim"),
            _what(one, now),
        )
        for one in listed
    ]
    return grid(
        ("ALERT", "STATE", "SEVERITY", "VALUE", "SINCE", "WHAT"), rows, theme=theme, width=width, right=(3,)
    )


def _status(one: Listed) -> Line:
    status = "inactive" if one.standing is None else one.standing.status
    return Line(status, STATUS[status])


def _value(one: Standing | None) -> str:
    return "" if one is None or one.value is None else number_text(one.value)


def _what(one: Listed, now: int) -> Line:
    fires = one.standing is not None and one.standing.status == "firing"
    text = (
        message_of(one.standing)
        if fires and one.standing is not None and one.alert.message
        else rule_text(one.alert)
    )
    made = Line(text, "" if fires else "dim")
    return (
        made
        if one.silence is None
        else made.add(f" (silenced for {duration_text(one.silence.until - now)})", "warn")
    )


def silences_table(silences: Sequence[Silence], now: int, theme: Theme, width: int) -> Screen:
    """The silences in force."""
    rows = [
        (
            Line(one.id, "key"),
            Line(one.alert, "strong").add(labels_text(tuple(sorted(one.labels.items())))),
            Line(f"for {duration_text(one.until - now)}"),
            Line(one.by, "dim"),
            Line(one.reason),
        )
        for one in silences
    ]
    return grid(("SILENCE", "ALERTS", "ENDS", "BY", "WHY"), rows, theme=theme, width=width)


def alert_screen(
    alert: Alert, listed: Sequence[Listed], events: Sequence[Published], now: int, theme: Theme, width: int
) -> Iterator[Line]:
    """`mplp alerts show`."""
    shown = alert_object(alert)
    wide = max(map(len, shown))
    for key, value in shown.items():
        text = ", ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
        yield Line(f"{key:<{wide}}  ", "dim").add(text)
    yield Line()
    yield from alerts_table(listed, now, theme, width)
    if events:
        yield Line()
        yield from events_table(events, theme, width)


def events_table(events: Sequence[Published], theme: Theme, width: int) -> Screen:
    """What was told of alerts, or would be."""
    rows = [
        (
            Line(rfc3339(event.at), "dim"),
            Line(str(event.more.get("subject", "")), "strong"),
            Line(event.type.removeprefix("alert."), STATUS.get(event.type.removeprefix("alert."), "")),
            Line(str(event.data.get("message", ""))).add(
                " (silenced)" if event.data.get("silenced") else "", "warn"
            ),
        )
        for event in events
    ]
    return grid(("WHEN", "ALERT", "", "WHAT"), rows, theme=theme, width=width)


# ---- for machines ------------------------------------------------------------------------------


def alert_object(alert: Alert) -> dict[str, Json]:
    """What is declared of an alert."""
    return {
        "id": alert.id,
        "severity": alert.severity,
        "rule": rule_text(alert),
        "for": duration_text(alert.lasts),
        "clear": f"{'at least' if alert.below is not None else 'at most'} {number_text(alert.clear_at)}"
        f" for {duration_text(alert.clear_for)}",
        "labels": alert.tags,
    }


def listed_object(one: Listed) -> dict[str, Json]:
    """How a series of an alert stands."""
    if one.standing is None:
        known: dict[str, Json] = {
            "id": one.alert.id,
            "severity": one.alert.severity,
            "status": "inactive",
            "labels": one.alert.tags,
            "rule": rule_text(one.alert),
        }
    else:
        known = {**described(one.standing), "message": message_of(one.standing)}
    return {**known, "silence": None if one.silence is None else silence_object(one.silence)}


def silence_object(one: Silence) -> dict[str, Json]:
    """A silence."""
    return {
        "id": one.id,
        "alert": one.alert,
        "labels": one.labels,
        "at": rfc3339(one.at),
        "until": rfc3339(one.until),
        "by": one.by,
        "reason": one.reason,
    }
