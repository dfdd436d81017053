"""`mplp graph`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, StateDir

if TYPE_CHECKING:
    from mplp_cli.observe.graph import Graph
    from mplp_cli.runtime import Runtime

#: Columns of a drawing in characters that any terminal has room for.
_WIDTH = 80


class Format(StrEnum):
    """How a graph is written."""

    ascii = "ascii"
    mermaid = "mermaid"
    dot = "dot"
    svg = "svg"


def main(
    what: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A workflow file, `-` for stdin, example:NAME, or a run."),
    ],
    format: Annotated[Format, typer.Option("--format", "-f", help="How to write it.")] = Format.ascii,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Draw the graph of a workflow, or of a run with its statuses.

    Boxes stand around the steps of containers. What a foreach or a loop repeats is drawn once; of a run with
    how many have which status. Where a workflow has more than 120 steps, those beside each other are one.

    A drawing in characters that is wider than the terminal is not cut: a note says how wide it is.

    Examples:

      mplp graph workflow.yaml

      mplp graph 3f2a --format svg > run.svg

      mplp graph example:ci --format mermaid
    """
    from mplp_cli.cli.report import write_text
    from mplp_cli.runtime import Runtime

    made, title = _graph(Runtime(state_dir=state_dir), what, no_color=no_color)
    match format:
        case Format.ascii:
            _characters(made)
        case Format.mermaid:
            from mplp_cli.render.report.mermaid import mermaid

            write_text("-", mermaid(made))
        case Format.dot:
            from mplp_cli.render.report.dot import dot

            write_text("-", dot(made, title))
        case Format.svg:
            from mplp_cli.render.report.sheet import graph_sheet

            write_text("-", graph_sheet(made, title))


def _graph(runtime: Runtime, what: str, *, no_color: bool) -> tuple[Graph, str]:
    """The graph of a file, or of a run if there is no such file."""
    from mplp_cli.cli.checking import show_problems
    from mplp_cli.observe.graph import graph_of
    from mplp_cli.sources import read_source

    if not _is_file(what):
        from mplp_cli.recorded import recorded
        from mplp_cli.render.spent import critical_path

        told = recorded(runtime, runtime.find_run(what))
        state = told.state
        return graph_of(state.plan, state, critical_path(state.plan, state)), state.plan.workflow.id
    source = read_source(what, sys.stdin.buffer)
    loaded = runtime.load(source)
    if loaded.plan is None:
        show_problems(loaded.problems, [source], loaded.texts, no_color=no_color)
        raise typer.Exit(2)
    return graph_of(loaded.plan), loaded.plan.workflow.id


def _is_file(what: str) -> bool:
    """Whether it names a file rather than a run; one that is not there too, so that this is what is said."""
    named = what == "-" or what.startswith("example:") or what.endswith((".yaml", ".yml", ".json"))
    return named or Path(what).is_file()


def _characters(made: Graph) -> None:
    from mplp_cli.cli.showing import note
    from mplp_cli.render.console import screen_width
    from mplp_cli.render.ink import cells, put
    from mplp_cli.render.report.boxes import boxes_of
    from mplp_cli.render.theme import make_theme

    lines = boxes_of(made, make_theme(sys.stdout))
    put(sys.stdout, "".join(f"{line}\n" for line in lines))
    width, room = max(map(cells, lines), default=0), max(screen_width(sys.stdout), _WIDTH)
    if width > room:
        note(
            f"the graph is {width:,} columns wide, and there is room for {room}: try --format svg, or `less -S`"
        )
