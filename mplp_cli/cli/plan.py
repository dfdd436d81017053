"""`mplp plan`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.workflow.plan import Plan


def main(
    workflow: Annotated[
        str, typer.Argument(metavar="FILE", help="A workflow file, `-` for stdin, or example:NAME.")
    ],
    output: Output = TextOrJson.text,
    no_color: NoColor = False,
) -> None:
    """Show what a run would do.

    Waves, the critical path, timeouts and attempts of every step.

    Example:

      mplp plan workflow.yaml
    """
    from mplp_cli.cli.checking import show_problems
    from mplp_cli.runtime import Runtime
    from mplp_cli.sources import read_source

    source = read_source(workflow, sys.stdin.buffer)
    loaded = Runtime().load(source)
    if loaded.plan is None:
        show_problems(loaded.problems, [source], loaded.texts, no_color=no_color)
        raise typer.Exit(2)
    show_plan(loaded.plan, as_json=output is TextOrJson.json, no_color=no_color)


def show_plan(plan: Plan, *, as_json: bool, no_color: bool) -> None:
    """Print the plan to stdout."""
    if as_json:
        from mplp_cli.render.machine import plan_document, write_document

        write_document(plan_document(plan))
        return
    from mplp_cli.render.console import screen_width
    from mplp_cli.render.ink import write
    from mplp_cli.render.plans import plan_screen
    from mplp_cli.render.theme import make_theme

    theme = make_theme(sys.stdout, no_color=no_color)
    write(sys.stdout, plan_screen(plan, theme=theme, width=screen_width(sys.stdout)), theme)
