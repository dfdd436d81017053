"""The events that a command works on: those that were published, or those of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mplp_cli.cli.sought import Sought
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.published import Published

Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="Only events of that time or later: 30m, 2d, or 2030-01-31T09:00:00Z.",
        show_default=False,
    ),
]
OfFile = Annotated[
    str | None,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="The events of FILE (`-`: stdin) instead of those that were published: one CloudEvent a line, or a list.",
        show_default=False,
    ),
]


def gathered(runtime: Runtime, sought: Sought, file: str | None) -> list[Published]:
    """Those events in the order in which they came, each once. UsageError if the file is not valid."""
    from mplp_cli.cli.emit import read_events
    from mplp_cli.cli.showing import stored
    from mplp_cli.cli.sought import those

    if file is None:
        store = stored(runtime)
        return [] if store is None else [event for _, event in those(store.board, sought)]
    known: dict[tuple[str, str], Published] = {}
    for event in read_events(runtime, file):
        if sought.fits(event):
            known.setdefault((event.source, event.id), event)
    return [*known.values()]


def begin_from(since: str | None, now: int) -> int:
    """The value of `--since` in ms since the epoch, 0 if there is none."""
    from mplp_cli.cli.moments import begin_of

    return 0 if since is None else begin_of(since, now)
