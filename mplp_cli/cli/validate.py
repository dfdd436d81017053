"""`mplp validate`."""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

from mplp_cli.cli.options import CheckOutput, NoColor


def main(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="Workflow files, `mplp.yaml`, or `-` for stdin.")
    ],
    output: Annotated[
        CheckOutput, typer.Option("--output", "-o", help="How to show what is found.")
    ] = CheckOutput.text,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings make a file invalid too.")] = False,
    no_color: NoColor = False,
) -> None:
    """Check workflow files and show every problem with its place.

    A file called `mplp.yaml` is checked as the settings of a project. Nothing is executed, imported or fetched.

    Exit codes: 0 all valid, 1 a problem was found, 2 a file cannot be read.

    Examples:

      mplp validate workflow.yaml

      mplp validate workflows/*.yaml --output sarif > mplp.sarif
    """
    from mplp_cli.cli.checking import show_problems
    from mplp_cli.roster import check
    from mplp_cli.runtime import Runtime
    from mplp_cli.sources import read_source

    # This process ends soon: looking for garbage among the objects of a large plan would take a tenth of its time.
    gc.disable()
    runtime = Runtime()
    sources = [read_source(name, sys.stdin.buffer) for name in files]
    loaded = [check(runtime, source) for source in sources]
    gc.freeze()
    problems = list(dict.fromkeys(problem for one in loaded for problem in one.problems))
    match output:
        case CheckOutput.json:
            from mplp_cli.render.machine import validate_document, write_document

            write_document(validate_document(problems))
        case CheckOutput.sarif:
            from mplp_cli.loading.codes import CODES
            from mplp_cli.render.machine import write_document
            from mplp_cli.render.sarif import sarif_document

            write_document(sarif_document(problems, CODES))
        case CheckOutput.github:
            from mplp_cli.render.github import annotation

            sys.stdout.write("".join(f"{annotation(problem)}\n" for problem in problems))
        case _:
            included = {name: text for one in loaded for name, text in one.texts.items()}
            show_problems(problems, sources, included, no_color=no_color)
            if not problems:
                noun = "file is" if len(sources) == 1 else "files are"
                sys.stderr.write(f"{len(sources)} {noun} valid\n")
    bad = any(p.severity == "error" or strict for p in problems)
    raise typer.Exit(1 if bad else 0)
