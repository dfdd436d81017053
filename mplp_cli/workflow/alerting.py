"""How the series of alerts stand, and what is told when that changes. Pure.

A series is `pending` while its value is beyond the threshold, `firing` once that has lasted for `lasts`, and `resolved`
when it has been back, beyond `clear_at`, for `clear_for`. Between the threshold and `clear_at` nothing begins: what is
pending stays so and does not fire, what fires goes on.

Without a value nothing changes for a while (`Alert.patience`); then what was pending is over, and what fires is
resolved for want of data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from mplp_cli.workflow.alerts import SOURCE, Alert, Silence, labels_text, number_text, rule_text
from mplp_cli.workflow.events.judging import EventError, event_template, filled
from mplp_cli.workflow.metrics import Labels
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import Json, derived_uuid, rfc3339

#: An alert's id, and the labels of a series.
Key = tuple[str, Labels]
Status = Literal["pending", "firing", "resolved"]
FIRING, RESOLVED = "alert.firing", "alert.resolved"
#: Series that one alert has at most; what comes later in the order of labels is not looked at.
MOST_SERIES: Final = 1_000
#: How long (ms) what is resolved is remembered.
REMEMBERED: Final = 86_400_000


class Standing(Struct, frozen=True, kw_only=True):
    """How one series of an alert (`rule`, as it was declared last) stands. Times in ms since the epoch.

    `since`: when the status began; `fired`: when it fired last, 0 if it has not; `seen`: the last moment with a value;
    `clear`: since when the values are clear, `without`: since when there are none, each 0 if it is not so. `told`:
    that it fires was told to everybody, so that its end will be. `why`: it was resolved (`cleared`, `no-data`,
    `removed`).
    """

    rule: Alert
    labels: Labels = ()
    status: Status = "pending"
    since: int
    seen: int
    value: float | None = None
    fired: int = 0
    clear: int = 0
    without: int = 0
    told: bool = False
    why: str = ""

    @property
    def key(self) -> Key:
        """What it is known by."""
        return self.rule.id, self.labels


class Round(Struct, frozen=True, kw_only=True):
    """What one look has changed: standings to keep, those that are gone, and the events that tell of it."""

    kept: list[Standing] = []
    gone: list[Standing] = []
    events: list[Published] = []


# ---- how a series stands -----------------------------------------------------------------------


def stands(
    alert: Alert, was: Standing | None, labels: Labels, value: float | None, now: int
) -> Standing | None:
    """How a series stands by what it is now; None if there is nothing to know of it."""
    if was is not None:
        # A clock that was set back begins anew: no time is waited for twice as long.
        held = {key: min(getattr(was, key), now) for key in ("since", "seen", "clear", "without")}
        was = replace(was, rule=alert, **held)
    if value is None:
        return None if was is None else _without(alert, was, now)
    # What nobody has looked at for long is not known to have lasted.
    lost = was is not None and now - was.seen > alert.patience
    if was is None or was.status == "resolved" or (was.status == "pending" and lost):
        if alert.is_beyond(value):
            return _lasted(alert, Standing(rule=alert, labels=labels, since=now, seen=now, value=value), now)
        over = was is None or was.status == "pending" or now - was.since > REMEMBERED
        return None if over else was
    seen = replace(was, value=value, seen=now, without=0)
    if was.status == "pending":
        if alert.is_clear(value):
            return None
        return _lasted(alert, seen, now) if alert.is_beyond(value) else seen
    if not alert.is_clear(value):
        return replace(seen, clear=0)
    clear = now if lost or not was.clear else was.clear
    if now - clear < alert.clear_for:
        return replace(seen, clear=clear)
    return replace(seen, status="resolved", since=now, clear=0, why="cleared")


def _lasted(alert: Alert, one: Standing, now: int) -> Standing:
    if now - one.since < alert.lasts:
        return one
    return replace(one, status="firing", since=now, fired=now)


def _without(alert: Alert, was: Standing, now: int) -> Standing | None:
    if was.status == "resolved":
        return None if now - was.since > REMEMBERED else was
    without = was.without or now
    if now - without <= alert.patience:
        return replace(was, without=without)
    if was.status == "pending":
        return None
    return replace(was, status="resolved", since=now, clear=0, without=0, value=None, why="no-data")


# ---- all of them -------------------------------------------------------------------------------


def looked(
    alerts: Sequence[Alert],
    standings: Mapping[Key, Standing],
    values: Mapping[str, Mapping[Labels, float]],
    silences: Sequence[Silence],
    now: int,
) -> Round:
    """One look at all alerts: `values` by alert and series. What fires of alerts that are not declared any more is
    resolved."""
    made = Round()
    declared = {alert.id: alert for alert in alerts}
    for (name, _), was in standings.items():
        if name not in declared:
            made.gone.append(was)
            if was.status == "firing":
                over = replace(was, status="resolved", since=now, why="removed")
                made.events.append(told(over, now, _unheard(over, silences, now)))
    for alert in alerts:
        current, absent = values.get(alert.id, {}), 0.0 if alert.counts else None
        known = {labels for name, labels in standings if name == alert.id}
        for labels in sorted({*known, *sorted(current)[:MOST_SERIES]}):
            before = standings.get((alert.id, labels))
            one = stands(alert, before, labels, current.get(labels, absent), now)
            if one is not None:
                _tell(made, before, one, silences, now)
            elif before is not None:
                made.gone.append(before)
    return made


def _tell(made: Round, was: Standing | None, one: Standing, silences: Sequence[Silence], now: int) -> None:
    before = was.status if was is not None else ""
    if one.status == "firing" and (before != "firing" or not one.told):
        silence = silenced(one, silences, now)
        one = replace(one, told=silence is None)
        if before != "firing" or silence is None:
            made.events.append(told(one, now, silence))
    elif one.status == "resolved" and before == "firing":
        made.events.append(told(one, now, _unheard(one, silences, now)))
    if one != was:
        made.kept.append(one)


def _unheard(one: Standing, silences: Iterable[Silence], now: int) -> Silence | None:
    """What keeps the end of an alert from being told: whoever was told of its beginning is told of its end, whatever
    is silenced by now; of what nobody has heard of, nobody hears the end."""
    return None if one.told else silenced(one, silences, now) or _PASSED


#: In the place of a silence that is over.
_PASSED: Final = Silence(id="", at=0, until=0)


def silenced(standing: Standing, silences: Iterable[Silence], now: int) -> Silence | None:
    """The silence in force that covers a series, of several the one that lasts longest."""
    found = [s for s in silences if s.at <= now < s.until and s.covers(standing.rule, standing.labels)]
    return max(found, key=lambda one: one.until, default=None)


def told(one: Standing, now: int, silence: Silence | None) -> Published:
    """The event that says that a series fires, or does so no more. Its id follows from what it tells of."""
    alert = one.rule
    kind = FIRING if one.status == "firing" else RESOLVED
    quiet = silence is not None
    data: dict[str, Json] = {**described(one), "message": message_of(one), "silenced": quiet}
    if silence is not None and silence.id:
        data["silence"] = {"id": silence.id, "until": rfc3339(silence.until), "reason": silence.reason}
    return Published(
        id=derived_uuid(alert.id, labels_text(one.labels), one.fired, kind, quiet),
        type=kind,
        source=SOURCE + alert.id,
        at=now,
        data=data,
        more={"subject": alert.id + labels_text(one.labels), "recordedtime": rfc3339(now)},
    )


# ---- texts -------------------------------------------------------------------------------------


def described(one: Standing) -> dict[str, Json]:
    """A standing as events, templates of messages and machines have it."""
    alert = one.rule
    made: dict[str, Json] = {
        "id": alert.id,
        "severity": alert.severity,
        "status": one.status,
        "labels": {**alert.tags, **dict(one.labels)},
        "value": None if one.value is None else _plain(one.value),
        "threshold": _plain(alert.threshold),
        "rule": rule_text(alert),
        "since": rfc3339(one.since),
        "firedAt": rfc3339(one.fired) if one.fired else None,
    }
    return {**made, "why": one.why} if one.why else made


def _plain(value: float) -> int | float:
    """A whole number without its point."""
    return int(value) if float(value).is_integer() else value


def message_of(one: Standing) -> str:
    """The message of an alert, filled in; as it is written if that cannot be done."""
    alert = one.rule
    if not alert.message:
        value = "no value" if one.value is None else number_text(one.value)
        return f"{alert.id}{labels_text(one.labels)}: {value}, {rule_text(alert)}"
    try:
        return str(filled(_template(alert.message), {"alert": described(one)}, f"alert {alert.id}"))
    except EventError:
        return alert.message


@lru_cache(256)
def _template(text: str) -> Any:
    return event_template(text, ("alert",))
