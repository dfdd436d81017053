"""`mplp alerts`, `mplp alerts list` and `mplp alerts show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols import AlertsKept, Store
    from mplp_cli.render.alerts import Listed
    from mplp_cli.settings import Settings
    from mplp_cli.workflow.alerts import Alert, Silence
    from mplp_cli.workflow.published import Published

#: Events among which those of an alert are looked for, and how many of it are shown.
_RECENT = 10_000
_SHOWN = 20


def main(
    active: Annotated[bool, typer.Option("--active", help="Only what is pending or fires.")] = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List alerts: which fire, since when, and what is silenced.

    `mplp.yaml` declares alerts (`mplp help alerts`). They are looked at while `mplp serve` or
    `mplp monitor` runs; what is shown is how they stood then.

    Examples:

      mplp alerts

      mplp alerts list --active --output json
    """
    from mplp_cli.cli.showing import note, show, stored
    from mplp_cli.render.alerts import alerts_table, listed_object, silence_object, silences_table
    from mplp_cli.render.machine import write_document
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    store, now = stored(runtime), runtime.clock.now()
    kept = _kept(store)
    listed = listed_alerts(runtime.settings, kept, now)
    if active:
        listed = [one for one in listed if one.standing and one.standing.status in ("pending", "firing")]
    silences = in_force(kept, now)
    watched = store is not None and store.alerts.is_watched()
    if output is TextOrJson.json:
        write_document(
            {
                "alerts": [listed_object(one) for one in listed],
                "silences": [silence_object(one) for one in silences],
                "watched": watched,
            }
        )
        return
    if listed:
        show(lambda theme, width: alerts_table(listed, now, theme, width), no_color=no_color)
    if silences:
        show(lambda theme, width: silences_table(silences, now, theme, width), no_color=no_color)
    if not runtime.settings.alerts:
        note("no alerts are declared here; `mplp help alerts` says how")
    elif not watched:
        note("nobody looks at them now; `mplp serve` and `mplp monitor` do")
    elif not listed:
        note("none is pending, and none fires")


def show_(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="The id of an alert.")],
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Show an alert: its rule, how each of its series stands, and what was told of it last.

    Exit code 2: there is no such alert.

    Examples:

      mplp alerts show many-failures
    """
    from mplp_cli.cli.showing import show, stored
    from mplp_cli.render.alerts import alert_object, alert_screen, listed_object
    from mplp_cli.render.machine import write_document
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.published import cloud_event

    runtime = Runtime(state_dir=state_dir)
    store, now = stored(runtime), runtime.clock.now()
    kept = _kept(store)
    found = [one for one in listed_alerts(runtime.settings, kept, now) if one.alert.id == alert]
    if not found:
        raise no_alert(alert, runtime.settings.alerts)
    events = [] if store is None else _told(store, alert)
    rule = found[0].alert
    if output is TextOrJson.json:
        series = [listed_object(one) for one in found]
        told = [cloud_event(event, number) for number, event in events]
        write_document({"alert": alert_object(rule), "series": series, "events": told})
    else:
        last = [event for _, event in events]
        show(lambda theme, width: alert_screen(rule, found, last, now, theme, width), no_color=no_color)


def listed_alerts(settings: Settings, kept: AlertsKept, now: int) -> list[Listed]:
    """Every series that is known, and the alerts that have none; those that fire first."""
    from mplp_cli.render.alerts import Listed
    from mplp_cli.workflow.alerting import silenced

    silences = in_force(kept, now)
    found = [
        Listed(alert=one.rule, standing=one, silence=silenced(one, silences, now))
        for one in kept.standings.values()
    ]
    known = {name for name, _ in kept.standings}
    found += [Listed(alert=alert) for alert in settings.alerts if alert.id not in known]
    order = ("firing", "pending", "resolved", "inactive")
    return sorted(found, key=lambda one: order.index(one.standing.status if one.standing else "inactive"))


def in_force(kept: AlertsKept, now: int) -> list[Silence]:
    """The silences that are not over."""
    return sorted((one for one in kept.silences.values() if now < one.until), key=lambda one: one.until)


def no_alert(name: str, alerts: tuple[Alert, ...]) -> Exception:
    """What is said of an alert that there is not."""
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.suggest import did_you_mean

    known = [one.id for one in alerts]
    listed = f"the alerts are {', '.join(known[:20])}" if known else "`alerts` in mplp.yaml declares them"
    return UsageError(f"there is no alert {name!r}", hint=did_you_mean(name, known) or listed)


def _kept(store: Store | None) -> AlertsKept:
    from mplp_cli.protocols import AlertsKept

    return AlertsKept() if store is None else store.alerts.kept()


def _told(store: Store, alert: str) -> list[tuple[int, Published]]:
    from mplp_cli.workflow.alerts import SOURCE

    return [one for one in store.board.newest(_RECENT) if one[1].source == SOURCE + alert][-_SHOWN:]
