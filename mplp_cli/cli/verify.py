"""`mplp verify`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, TextOrJson


def main(
    paths: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="Exports, other directories, or documents.")
    ],
    output: Output = TextOrJson.text,
    no_color: NoColor = False,
) -> None:
    """Check an export, or documents of the protocol.

    By schema and by the protocol's invariants; an export also by its manifest. A directory is checked as a
    whole: its documents belong together if they are an export (`mplp export`) or have one context. A file
    stands for itself. Nothing is changed.

    Exit codes: 0 nothing is wrong, 1 a problem was found, 2 something cannot be read.

    Examples:

      mplp verify release-export

      mplp verify context.json plan.json --output json
    """
    from mplp_cli.errors import UsageError
    from mplp_cli.exchange.verifying import verify

    for path in paths:
        if not os.path.exists(path):  # noqa: PTH110 - of a name that is too long it says no
            raise UsageError(f"cannot read {path}: no such file or directory")
    verdict = verify([Path(path) for path in paths])
    if output is TextOrJson.json:
        from mplp_cli.render.machine import validate_document, write_document

        write_document(validate_document(verdict.problems))
    else:
        from mplp_cli.cli.checking import show_texts

        show_texts(verdict.problems, verdict.texts, no_color=no_color)
        if verdict.good:
            noun = "document is" if verdict.documents == 1 else "documents are"
            sys.stderr.write(f"{verdict.documents:,} {noun} valid\n")
    raise typer.Exit(0 if verdict.good else 1)
