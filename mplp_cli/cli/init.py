"""`mplp init`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

#: What a new workflow starts from, if no example is named.
STARTER = Path(__file__).parent / "starter.yaml"


def main(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="Where to write the workflow.")
    ] = "workflow.yaml",
    example: Annotated[
        str | None, typer.Option("--from", metavar="EXAMPLE", help="Start from a bundled workflow instead.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Write over a file that is there.")] = False,
    list_names: Annotated[bool, typer.Option("--list", help="Print what --from takes and stop.")] = False,
) -> None:
    """Write a commented workflow to start from. It runs as it is.

    Exit code 2: the file is there already, or cannot be written.

    Examples:

      mplp init

      mplp init pipeline.yaml --from data-pipeline
    """
    from mplp_cli.sources import example_path

    if list_names:
        _list()
        return
    text = (example_path(example) if example else STARTER).read_bytes()
    _write(Path(file), text, force=force)
    sys.stdout.write(f"wrote {file}\n")
    sys.stderr.write(f"next: mplp run {file}\n")


def _list() -> None:
    from mplp_cli.cli.library import called
    from mplp_cli.sources import examples

    sys.stdout.write("".join(f"{called(path)}\n" for path in examples()))


def _write(path: Path, text: bytes, *, force: bool) -> None:
    from mplp_cli.errors import UsageError

    try:
        with path.open("wb" if force else "xb") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path} is there already", hint="name another file, or write over it with --force"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
