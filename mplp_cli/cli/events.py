"""`mplp events`, and `mplp events list`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson
from mplp_cli.cli.sought import OfSource, OfType


def main(
    kind: OfType = None,
    source: OfSource = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Only events of that time or later: 30m, 2d, or 2030-01-31T09:00:00Z.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Only events with this id.", show_default=False)
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="Only what the steps of a run have published, and what tells of it.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="At most so many.")] = 20,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List the last published events, in their order.

    `mplp events emit TYPE` publishes one, `mplp events show NUMBER` shows one, `mplp events tail` prints them for
    other programs. As JSON they have the form of CloudEvents 1.0; `sequence` is the number.

    Examples:

      mplp events list

      mplp events list --type 'git.tag.*' --since 2h --output json

      mplp events list --run 3f2a
    """
    from mplp_cli.cli.moments import begin_of
    from mplp_cli.cli.showing import note, show, stored
    from mplp_cli.cli.sought import Sought, last_of, wanted_type
    from mplp_cli.render.tables import events_table
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.published import cloud_event

    runtime = Runtime(state_dir=state_dir)
    now = runtime.clock.now()
    sought = Sought(
        kind=wanted_type(kind),
        source=source or "",
        id=name or "",
        since=0 if since is None else begin_of(since, now),
        run="" if run is None else runtime.find_run(run).id,
    )
    store = stored(runtime)
    shown = [] if store is None else last_of(store.board, sought, limit)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"events": [cloud_event(event, number) for number, event in shown]})
    elif shown:
        show(lambda theme, width: events_table(shown, now, theme, width), no_color=no_color)
    else:
        note("no events were published yet" if sought == Sought() else "no such events")
