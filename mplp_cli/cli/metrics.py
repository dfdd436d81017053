"""`mplp metrics`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from mplp_cli.cli.options import NoColor, StateDir

#: Ms that may be looked back.
_LONGEST = 3_650 * 86_400_000
_RECENT = 60_000


class How(StrEnum):
    """How metrics are told."""

    table = "table"
    json = "json"
    prometheus = "prometheus"


def main(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Only metrics whose names begin so.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="DURATION", help="Look back so far [default: 1h].", show_default=False
        ),
    ] = None,
    output: Annotated[How, typer.Option("--output", "-o", help="How to answer.")] = How.table,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Show what was counted and measured.

    Of runs, steps, waits, events, agents, commits and the machine.

    Runs and servers take a sample every five seconds, and at their end. Of counters it shows what they became greater
    by in that time, of durations how many there were and the p50, p95 and p99, of all else how it stands.

    With --output prometheus: all that was ever counted, in the text format of Prometheus. `mplp serve` has that under
    `/metrics`. `mplp help metrics` tells all the names.

    Examples:

      mplp metrics

      mplp metrics --since 24h mplp_agent

      mplp metrics --output prometheus > mplp.prom
    """
    from mplp_cli.cli.showing import note, show, stored
    from mplp_cli.errors import UsageError
    from mplp_cli.observe.exposition import exposition, metrics_document
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    if output is How.prometheus and (since is not None or names):
        raise UsageError(
            "--output prometheus tells everything that was ever counted", hint="leave the rest out"
        )
    length = _length(since or "1h")
    store, now = stored(runtime), runtime.clock.now()
    if output is How.prometheus:
        totals = [] if store is None else store.samples.totals()
        recent = [] if store is None else store.samples.between(now - _RECENT, now)
        sys.stdout.write(exposition(totals, recent, now))
        return
    samples = [] if store is None else store.samples.between(now - length, now)
    document = metrics_document(samples, now - length, now, names or ())
    if output is How.json:
        from mplp_cli.render.machine import write_document

        write_document(document)
        return
    if not document["metrics"]:
        off = "" if runtime.settings.metrics.on else "; `metrics: off` in mplp.yaml"
        note(f"nothing was measured in the last {since or '1h'}{off}")
        return
    from mplp_cli.render.measured import metrics_table

    show(lambda theme, width: metrics_table(document, theme, width), no_color=no_color)


def _length(text: str) -> int:
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.values import duration_ms

    try:
        length = duration_ms(text)
    except ValueError:
        length = 0
    if not 0 < length <= _LONGEST:
        raise UsageError(f"--since {text}: this is no time back", hint="write it like 15m, 12h or 7d")
    return length
