"""`mplp alerts silence | unsilence`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import Output, StateDir, TextOrJson, Why

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime

#: Milliseconds of the longest silence.
_LONGEST = 366 * 86_400_000
_By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who does it [default: the user].", show_default=False),
]


def silence(
    alert: Annotated[
        str | None,
        typer.Argument(
            metavar="[ALERT]", help="An alert; `*` stands for any text [default: all].", show_default=False
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            metavar="NAME=VALUE",
            help="Only series with this label, or severity (repeatable).",
            show_default=False,
        ),
    ] = None,
    lasts: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="How long: 30m, 2h, 1d.", show_default=False)
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="Until then: 2027-01-31T09:00:00Z.", show_default=False),
    ] = None,
    reason: Why = "",
    by: _By = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Tell nobody of alerts for a while.

    They go on as ever, but routes do not get their events (unless a route says `silenced: true`). What still fires when
    the silence ends is told then. Who was told that an alert fires is told of its end, too.

    Exit code 2: there is no such alert, or it is not said until when.

    Examples:

      mplp alerts silence many-failures --for 2h --reason "a new disk"

      mplp alerts silence --label severity=info --until 2027-01-31T09:00:00Z
    """
    from mplp_cli.cli.alerts import no_alert
    from mplp_cli.errors import UsageError
    from mplp_cli.requesting import user_name
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.alerts import Silence
    from mplp_cli.workflow.published import matches

    runtime = Runtime(state_dir=state_dir)
    if alert is None and not label:
        raise UsageError("which alerts are meant is not said", hint="name one, or say --label; '*' means all")
    declared = runtime.settings.alerts
    if alert is not None and not any(matches(alert, one.id) for one in declared):
        raise no_alert(alert, declared)
    now = runtime.clock.now()
    made = Silence(
        id=runtime.ids.uuid()[:8],
        alert=alert or "*",
        labels=dict(_pair(one) for one in label or ()),
        at=now,
        until=_end(lasts, until, now),
        by=by or user_name(),
        reason=reason,
    )
    over = [one.id for one in runtime.store.alerts.kept().silences.values() if one.until <= now]
    runtime.store.alerts.unsilence(*over)
    runtime.store.alerts.silence(made)
    if output is TextOrJson.json:
        from mplp_cli.render.alerts import silence_object
        from mplp_cli.render.machine import write_document

        write_document({"silence": silence_object(made)})
    else:
        from mplp_cli.workflow.values import duration_text

        sys.stdout.write(f"silence {made.id}, for {duration_text(made.until - now)}\n")


def unsilence(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ALERT]...", help="Alerts or silences, by their ids.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="End all silences.")] = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """End silences before their time. What fires then is told.

    Exit code 2: there is no such silence.

    Examples:

      mplp alerts unsilence many-failures

      mplp alerts unsilence --all
    """
    from mplp_cli.errors import UsageError
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    if bool(names) == everything:
        raise UsageError("which silences are meant is not said", hint="name alerts or silences, or say --all")
    ended = _ended(runtime, names)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"ended": ended})
    else:
        sys.stdout.write(f"{len(ended)} silence{'' if len(ended) == 1 else 's'} ended\n")


def _ended(runtime: Runtime, names: list[str] | None) -> list[str]:
    from mplp_cli.cli.alerts import in_force
    from mplp_cli.cli.showing import stored
    from mplp_cli.errors import UsageError

    store = stored(runtime)
    held = [] if store is None else in_force(store.alerts.kept(), runtime.clock.now())
    for name in names or ():
        if not any(name in (one.id, one.alert) for one in held):
            raise UsageError(f"nothing silences {name!r}", hint="`mplp alerts` lists the silences")
    ended = [one.id for one in held if not names or one.id in names or one.alert in names]
    if store is not None:
        store.alerts.unsilence(*ended)
    return ended


def _pair(text: str) -> tuple[str, str]:
    from mplp_cli.errors import UsageError

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{text!r} is no label", hint="write NAME=VALUE, such as severity=info")
    return name, value


def _end(lasts: str | None, until: str | None, now: int) -> int:
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.values import duration_ms, moment_ms

    if (lasts is None) == (until is None):
        raise UsageError("say until when it lasts", hint="with --for 2h or with --until TIME")
    try:
        end = moment_ms(until) if until is not None else now + duration_ms(lasts or "")
    except ValueError as error:
        raise UsageError(str(error)) from None
    if end <= now:
        raise UsageError("the silence would be over at once", hint="name a time that is to come")
    if end - now > _LONGEST:
        raise UsageError("a silence lasts a year at most", hint="to end an alert, take it out of mplp.yaml")
    return end
