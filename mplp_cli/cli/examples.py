"""`mplp examples`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, TextOrJson


def main(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[EXAMPLE]", help="One of them, to be printed.", show_default=False),
    ] = None,
    show_text: Annotated[bool, typer.Option("--show", help="Print the file of EXAMPLE.")] = False,
    output: Output = TextOrJson.text,
    no_color: NoColor = False,
) -> None:
    """List the workflows that come with mplp, or print one.

    `mplp run example:NAME` runs one.

    Examples:

      mplp examples

      mplp examples data-pipeline > pipeline.yaml
    """
    from mplp_cli.errors import UsageError
    from mplp_cli.sources import example_path

    if name is not None:
        sys.stdout.write(example_path(name.removeprefix("example:")).read_text("utf-8"))
    elif show_text:
        raise UsageError("--show needs the name of an example", hint="`mplp examples` lists them")
    else:
        _list(as_json=output is TextOrJson.json, no_color=no_color)


def _list(*, as_json: bool, no_color: bool) -> None:
    from mplp_cli.cli.library import called
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.tables import examples_table
    from mplp_cli.sources import examples

    described = [(called(path), _description(path)) for path in examples()]
    if as_json:
        from mplp_cli.render.machine import write_document

        listed = [
            {"name": name, "file": path.name, "description": says}
            for (name, says), path in zip(described, examples(), strict=True)
        ]
        write_document({"examples": listed})
        return
    show(lambda theme, width: examples_table(described, theme, width), no_color=no_color)
    note("`mplp run example:NAME` runs one, `mplp examples NAME` prints it.")


def _description(path: Path) -> str:
    from mplp_cli.runtime import Runtime
    from mplp_cli.sources import Source

    workflow = Runtime().load(Source(path.name, path.read_bytes(), path.parent)).workflow
    return "" if workflow is None else workflow.description or workflow.name
