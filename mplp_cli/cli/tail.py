"""`mplp events tail`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import StateDir
from mplp_cli.cli.sought import OfSource, OfType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mplp_cli.cli.sought import Sought
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.published import Published


def main(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print what is published from now on, too.")
    ] = False,
    kind: OfType = None,
    source: OfSource = None,
    begin: Annotated[
        int | None,
        typer.Option(
            "--from",
            metavar="NUMBER",
            min=0,
            help="Begin with the event of that number, whatever came since.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", "-n", metavar="N", min=0, help="Without --from: begin N events before the end."
        ),
    ] = 10,
    state_dir: StateDir = None,
) -> None:
    """Print published events for other programs: CloudEvents 1.0 in JSON, one a line.

    The `sequence` of each is its number; a reader that keeps the last one goes on with --from and the next number,
    and misses none. With --follow it goes on until Ctrl-C, or until nobody reads it any more.

    Examples:

      mplp events tail -n 100 --type 'run.*'

      mplp events tail --follow --from 18 | ./consume
    """
    from mplp_cli.cli.showing import stored
    from mplp_cli.cli.sought import Sought, last_of, those, wanted_type
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    sought = Sought(kind=wanted_type(kind), source=source or "")
    store, last = stored(runtime), 0
    if store is not None:
        # What comes while these are printed is followed.
        last = store.board.last()
        found: Iterable[tuple[int, Published]] = (
            last_of(store.board, sought, limit)
            if begin is None
            else those(store.board, sought, max(begin - 1, 0))
        )
        for pairs in _pages(found):
            _print(pairs)
            last = max(last, pairs[-1][0])
    last = max(last, (begin or 0) - 1)
    if follow:
        import asyncio

        asyncio.run(_follow(runtime, sought, last))


def _pages(found: Iterable[tuple[int, Published]]) -> Iterable[list[tuple[int, Published]]]:
    from itertools import islice

    events = iter(found)
    while page := list(islice(events, 1_000)):
        yield page


def _print(found: Iterable[tuple[int, Published]]) -> None:
    from mplp_cli.render.machine import write_lines
    from mplp_cli.workflow.published import cloud_event

    write_lines(cloud_event(event, number) for number, event in found)


async def _follow(runtime: Runtime, sought: Sought, after: int) -> None:
    """Print what is published after that number, until cancelled."""
    import asyncio

    from mplp_cli.events.bus import POLL, Bus

    while runtime.existing_state_dir() is None:  # noqa: ASYNC110 - other processes make it
        await asyncio.sleep(POLL)
    bus = Bus(runtime.store.board, after)
    bus.subscribe(lambda found: _print(pair for pair in found if sought.fits(pair[1])))
    await bus.listen()
