"""`mplp events`, and `mplp events list`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

#: More events than anybody has: what is filtered here cannot be limited by the store.
_ALL = 1 << 31


def main(
    kind: Annotated[
        str | None,
        typer.Option(
            "--type",
            "-t",
            metavar="TYPE",
            help="Only events of this type; `*` stands for any text.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="At most so many.")] = 20,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List the last published events, in their order.

    `mplp events emit TYPE` publishes one. As JSON they have the form of CloudEvents 1.0.

    Examples:

      mplp events list

      mplp events list --type 'git.tag.*' --output json
    """
    from mplp_cli.cli.showing import note, show, stored
    from mplp_cli.errors import UsageError
    from mplp_cli.render.tables import events_table
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.published import check_wanted, cloud_event, matches

    try:
        wanted = None if kind is None else check_wanted(kind)
    except ValueError as error:
        said, _, hint = str(error).partition("; ")
        raise UsageError(said, hint=hint) from None
    runtime = Runtime(state_dir=state_dir)
    store = stored(runtime)
    found = [] if store is None else store.board.newest(limit if wanted is None else _ALL)
    shown = [pair for pair in found if wanted is None or matches(wanted, pair[1].type)][-limit:]
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"events": [cloud_event(event) for _, event in shown]})
    elif shown:
        show(lambda theme, width: events_table(shown, runtime.clock.now(), theme, width), no_color=no_color)
    else:
        note("no such events" if kind else "no events were published yet")
