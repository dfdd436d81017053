"""`mplp plan`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.estimates import Estimate
    from mplp_cli.workflow.plan import Plan


def main(
    workflow: Annotated[
        str, typer.Argument(metavar="FILE", help="A workflow file, `-` for stdin, or example:NAME.")
    ],
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Show what a run would do.

    Waves, the critical path, timeouts and attempts of every step. Where the workflow has run before, also how
    long its steps usually take and what they used.

    Example:

      mplp plan workflow.yaml
    """
    from mplp_cli.cli.checking import show_problems
    from mplp_cli.runtime import Runtime
    from mplp_cli.sources import read_source

    source = read_source(workflow, sys.stdin.buffer)
    runtime = Runtime(state_dir=state_dir)
    loaded = runtime.load(source)
    if loaded.plan is None:
        show_problems(loaded.problems, [source], loaded.texts, no_color=no_color)
        raise typer.Exit(2)
    show_plan(loaded.plan, runtime, as_json=output is TextOrJson.json, no_color=no_color)


def show_plan(plan: Plan, runtime: Runtime, *, as_json: bool, no_color: bool) -> None:
    """Print the plan to stdout, with what earlier runs say of it."""
    known = _known(plan, runtime)
    if as_json:
        from mplp_cli.render.machine import plan_document, write_document

        write_document(plan_document(plan, known))
        return
    from mplp_cli.render.console import screen_width
    from mplp_cli.render.ink import write
    from mplp_cli.render.plans import plan_screen
    from mplp_cli.render.theme import make_theme

    theme = make_theme(sys.stdout, no_color=no_color)
    write(sys.stdout, plan_screen(plan, known, theme=theme, width=screen_width(sys.stdout)), theme)


def _known(plan: Plan, runtime: Runtime) -> Mapping[str, Estimate]:
    """What is known of the steps; of a store that cannot be read, nothing, and that is said."""
    from mplp_cli.cli.showing import note
    from mplp_cli.errors import StoreError
    from mplp_cli.resources.learned import estimates_of, working_steps

    try:
        if runtime.ephemeral or runtime.existing_state_dir() is None:
            return {}
        return estimates_of(runtime.store, plan.workflow.id, working_steps(plan))
    except StoreError as error:
        note(f"nothing is known of earlier runs: {error.message}")
        return {}
