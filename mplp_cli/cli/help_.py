"""`mplp help`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mplp_cli.cli.library import page, topics
from mplp_cli.cli.options import NoColor


def main(
    topic: Annotated[
        str | None,
        typer.Argument(metavar="[TOPIC]", help="A page of the reference, or a command.", show_default=False),
    ] = None,
    no_color: NoColor = False,
) -> None:
    """Show the reference: a page of it, or the list of its pages. With a command's name, that command's help.

    Examples:

      mplp help

      mplp help steps
    """
    from mplp_cli.cli.main import COMMANDS

    if topic is None:
        _contents(no_color=no_color)
    elif topic in topics():
        _page(topic, no_color=no_color)
    elif topic in COMMANDS:
        _command(topic)
    else:
        _unknown(topic, COMMANDS)


def _contents(*, no_color: bool) -> None:
    from mplp_cli.cli.showing import show
    from mplp_cli.render.grid import grid
    from mplp_cli.render.ink import Line
    from mplp_cli.render.pages import page_title

    rows = [(Line(name, "key"), Line(page_title(page(name)))) for name in topics()]
    show(
        lambda theme, width: [
            *grid(("TOPIC", "WHAT IT IS ABOUT"), rows, theme=theme, width=width),
            Line(),
            Line("`mplp help TOPIC` shows one, `mplp --help` lists the commands."),
        ],
        no_color=no_color,
    )


def _page(topic: str, *, no_color: bool) -> None:
    from mplp_cli.cli.showing import show
    from mplp_cli.render.pages import page_screen

    text = page(topic)
    show(lambda theme, width: page_screen(text, theme=theme, width=width), no_color=no_color)


def _command(name: str) -> None:
    from mplp_cli.cli.main import application

    sys.stdout.flush()
    application([name])(args=[name, "--help"], prog_name="mplp", standalone_mode=False)


def _unknown(topic: str, commands: dict[str, str]) -> None:
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.suggest import did_you_mean

    hint = (
        did_you_mean(topic, [*topics(), *commands])
        or "`mplp help` lists the topics, `mplp --help` the commands"
    )
    raise UsageError(f"there is no help on {topic!r}", hint=hint)
