"""`mplp alerts test`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.observe.rehearsing import Rehearsal
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.alerts import Alert
    from mplp_cli.workflow.metrics import Sample
    from mplp_cli.workflow.published import Published


def try_(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ALERT]...", help="Which [default: all].", show_default=False),
    ] = None,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="Begin so long ago, or then.")] = "1h",
    samples: Annotated[
        Path | None,
        typer.Option(
            "--samples",
            metavar="FILE",
            help="Samples and events to try them on, JSON lines.",
            show_default=False,
        ),
    ] = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Try alerts on what was measured: when they would have fired, and how they stand at the end.

    Tells nobody, and stores nothing. It begins as if nothing had been known before, and heeds no silence.

    A line of the file is {"at": "2030-01-01T00:00:00Z", "series": {"mplp_dead_letters{route='audit'}": 3}}, or it
    has an "event" in place of the series. Counters are what was added since the line before.

    Exit codes: 0 at least one would have fired, 1 none, 2 there is no such alert, or the file cannot be read.

    Examples:

      mplp alerts test

      mplp alerts test many-failures --since 12h

      mplp alerts test --samples samples.jsonl --output json
    """
    from mplp_cli.cli.alerts import no_alert
    from mplp_cli.cli.moments import begin_of
    from mplp_cli.errors import Exit, UsageError
    from mplp_cli.observe.rehearsing import rehearse
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.alerting import FIRING

    runtime = Runtime(state_dir=state_dir)
    declared = runtime.settings.alerts
    known = {one.id: one for one in declared}
    for name in names or ():
        if name not in known:
            raise no_alert(name, declared)
    chosen = [known[name] for name in dict.fromkeys(names)] if names else list(declared)
    if not chosen:
        raise UsageError("no alerts are declared here", hint="`mplp help alerts` says how")
    if samples is None:
        end = runtime.clock.now()
        begin = begin_of(since, end)
        measured, events = _stored(runtime, chosen, begin, end)
    else:
        measured, events, begin, end = _written(samples)
    try:
        made = rehearse(chosen, measured, events, begin, end)
    except ValueError as error:
        raise UsageError(str(error)) from None
    _tell(chosen, made, output, no_color=no_color)
    raise typer.Exit(Exit.OK if any(one.type == FIRING for one in made.events) else Exit.NO)


def _stored(
    runtime: Runtime, alerts: list[Alert], begin: int, end: int
) -> tuple[list[Sample], list[tuple[int, Published]]]:
    from mplp_cli.cli.showing import stored

    store = stored(runtime)
    if store is None:
        return [], []
    longest = max(alert.window for alert in alerts)
    events: list[tuple[int, Published]] = []
    after = 0 if any(alert.event is not None for alert in alerts) else store.board.last()
    while page := store.board.following(after):
        events += [one for one in page if begin - longest < one[1].at <= end]
        after = page[-1][0]
    return store.samples.between(begin - longest, end), events


def _written(file: Path) -> tuple[list[Sample], list[tuple[int, Published]], int, int]:
    from mplp_cli.errors import UsageError
    from mplp_cli.observe.rehearsing import read_samples

    try:
        samples, events = read_samples(file.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{file}, {error}", hint="`mplp alerts test --help` shows a line") from None
    moments = [*(one.at for one in samples), *(event.at for _, event in events)]
    if not moments:
        raise UsageError(f"there is nothing in {file}")
    return samples, events, min(moments), max(moments)


def _tell(alerts: list[Alert], made: Rehearsal, output: TextOrJson, *, no_color: bool) -> None:
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.alerts import Listed, alerts_table, events_table
    from mplp_cli.workflow.values import duration_text

    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(_document(alerts, made))
        return
    listed = [Listed(alert=one.rule, standing=one) for one in made.standings.values()]
    known = {name for name, _ in made.standings}
    listed += [Listed(alert=one) for one in alerts if one.id not in known]
    if made.events:
        show(lambda theme, width: events_table(made.events, theme, width), no_color=no_color)
    show(lambda theme, width: alerts_table(listed, made.end, theme, width), no_color=no_color)
    note(f"{made.looks:,} looks at {duration_text(made.end - made.begin)}")


def _document(alerts: list[Alert], made: Rehearsal) -> dict[str, Any]:
    from mplp_cli.render.alerts import alert_object
    from mplp_cli.workflow.alerting import described
    from mplp_cli.workflow.published import cloud_event
    from mplp_cli.workflow.values import rfc3339

    return {
        "from": rfc3339(made.begin),
        "until": rfc3339(made.end),
        "looks": made.looks,
        "events": [cloud_event(event) for event in made.events],
        "alerts": [
            {
                **alert_object(alert),
                "values": [
                    {"labels": dict(labels), "value": value}
                    for labels, value in sorted(made.values.get(alert.id, {}).items())
                ],
                "series": [described(one) for one in made.standings.values() if one.rule.id == alert.id],
            }
            for alert in alerts
        ],
    }
