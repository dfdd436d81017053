"""`mplp events dead-letter`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols import Delivery, Store


class Action(StrEnum):
    """What to do with dead letters."""

    list = "list"
    show = "show"
    replay = "replay"
    drop = "drop"


def main(
    action: Annotated[Action, typer.Argument(help="What to do.")] = Action.list,
    route: Annotated[
        str | None, typer.Argument(metavar="[ROUTE]", help="Only of this route.", show_default=False)
    ] = None,
    events: Annotated[
        list[str] | None,
        typer.Argument(metavar="[EVENT]...", help="Only these events, by id or number.", show_default=False),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Replay or drop all of the route, or of all routes.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="List so many.")] = 20,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List dead letters, show one, have them delivered again, or drop them.

    A dead letter is an event that the target of a route did not take, however often it was tried, or that a filter, a
    transformer or the route could not judge. `replay` has it delivered at once by the process that delivers now, else
    by the next one, with all its tries before it.

    Exit code 2: there is no such dead letter.

    Examples:

      mplp events dead-letter

      mplp events dead-letter show audit 17

      mplp events dead-letter replay audit 17 18

      mplp events dead-letter drop audit --all
    """
    from mplp_cli.cli.deliveries import found_deliveries, tell
    from mplp_cli.cli.showing import stored
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    store = stored(runtime)
    now = runtime.clock.now()
    if action is Action.list and not events:
        found = [] if store is None else found_deliveries(store, route, None, "dead", limit)
        tell(store, found, "deadLetters", output, now, no_color=no_color)
        return
    letters = _named(store, action, route, events or [], everything=everything)
    if action is Action.list:
        tell(store, letters, "deadLetters", output, now, no_color=no_color)
    elif action is Action.show:
        _show(store, letters, output, now, no_color=no_color)
    elif store is not None:
        from mplp_cli.events.letters import drop, replay

        (replay if action is Action.replay else drop)(store.deliveries, letters, now)
        _done(action, letters, output)


def _named(
    store: Store | None, action: Action, route: str | None, events: list[str], *, everything: bool
) -> list[Delivery]:
    """The dead letters that are meant. UsageError if there are none, or it is not said which."""
    from mplp_cli.errors import UsageError

    if not events and not everything:
        raise UsageError(
            f"which dead letters to {action} is not said",
            hint=f"mplp events dead-letter {action} ROUTE EVENT"
            + (" ..., or --all" if action is not Action.show else ""),
        )
    if events and everything:
        raise UsageError("name events, or say --all")
    if store is None:
        raise UsageError("there are no dead letters: nothing was ever stored here")
    from mplp_cli.cli.deliveries import found_deliveries

    if everything:
        return found_deliveries(store, route, None, "dead", 1 << 31)
    found = []
    for event in events:
        letters = found_deliveries(store, route, event, "dead", 1 << 31)
        if not letters:
            raise UsageError(
                f"the event {event!r} is no dead letter of the route {route!r}",
                hint="`mplp events dead-letter` lists them",
            )
        found += letters
    return list({(one.route, one.event): one for one in found}.values())


def _show(
    store: Store | None, letters: list[Delivery], output: TextOrJson, now: int, *, no_color: bool
) -> None:
    from mplp_cli.cli.showing import show
    from mplp_cli.render.published import delivery_object, event_screen
    from mplp_cli.workflow.published import cloud_event

    for letter in letters:
        event = None if store is None else store.board.numbered(letter.event)
        document = {} if event is None else cloud_event(event, letter.event)
        if output is TextOrJson.json:
            from mplp_cli.render.machine import write_document

            write_document({"deadLetter": delivery_object(letter), "event": document or None})
            continue
        lines = document or {"sequence": str(letter.event), "gone": "the event is not on the board any more"}
        show(
            lambda theme, width, lines=lines, letter=letter: event_screen(lines, [letter], now, theme, width),  # type: ignore[misc]  # called at once
            no_color=no_color,
        )


def _done(action: Action, letters: list[Delivery], output: TextOrJson) -> None:
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document
        from mplp_cli.render.published import delivery_object

        write_document(
            {
                f"{action}ed" if action is Action.replay else "dropped": [
                    delivery_object(one) for one in letters
                ]
            }
        )
        return
    count = f"{len(letters)} dead letter{'s' if len(letters) != 1 else ''}"
    sys.stdout.write(f"{count} dropped\n" if action is Action.drop else f"{count} to be delivered again\n")
