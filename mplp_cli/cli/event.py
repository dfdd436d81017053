"""`mplp events show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols import Store
    from mplp_cli.workflow.published import Published


def show(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="The id of an event, or its number.", show_default=False)
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="SOURCE", help="Whose, if several have that id.", show_default=False
        ),
    ] = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Show one published event: its attributes, what it carries, and what became of it on routes.

    Exit code 2: there is no such event, or it is gone.

    Examples:

      mplp events show 17

      mplp events show build-4711 --source ci --output json
    """
    from mplp_cli.cli.showing import show, stored
    from mplp_cli.errors import UsageError
    from mplp_cli.render.published import delivery_object, event_screen
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.published import cloud_event

    runtime = Runtime(state_dir=state_dir)
    store = stored(runtime)
    found = [] if store is None else found_events(store, name, source)
    if store is None or not found:
        raise UsageError(f"there is no event {name!r}", hint="`mplp events list` shows the last ones")
    if len(found) > 1:
        sources = ", ".join(f"`{event.source}`" for _, event in found[:5])
        raise UsageError(
            f"{name!r} is the id of {len(found)} events, of the sources {sources}", hint="add --source SOURCE"
        )
    [(number, event)] = found
    document = cloud_event(event, number)
    deliveries = store.deliveries.of(event=number)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        answer: dict[str, Any] = {
            "event": document,
            "deliveries": [delivery_object(one) for one in deliveries],
        }
        write_document(answer)
    else:
        now = runtime.clock.now()
        show(lambda theme, width: event_screen(document, deliveries, now, theme, width), no_color=no_color)


def found_events(store: Store, name: str, source: str | None) -> list[tuple[int, Published]]:
    """Events with that id, else the one with that number."""
    found = [pair for pair in store.board.find(name) if source in (None, pair[1].source)]
    if not found and name.isascii() and name.isdigit() and len(name) < 19:
        event = store.board.numbered(int(name))
        found = [] if event is None else [(int(name), event)]
    return found
