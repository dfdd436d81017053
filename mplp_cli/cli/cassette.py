"""`mplp cassette show | diff | check`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.agents.recording.cassette import Cassette


def main() -> None:
    """Look at recorded answers of agents: show, diff, check.

    Examples:

      mplp cassette show cassette.jsonl

      mplp cassette diff old.jsonl new.jsonl

      mplp cassette check cassettes/*.jsonl
    """
    from mplp_cli.errors import UsageError

    raise UsageError("what about cassettes?", hint="mplp cassette show | diff | check")


def show(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A cassette.")],
    output: Output = TextOrJson.text,
    no_color: NoColor = False,
) -> None:
    """Show what was asked and answered, in the order in which it was asked.

    Exit code 2: it cannot be read, or is no good cassette.

    Examples:

      mplp cassette show cassette.jsonl

      mplp cassette show cassette.jsonl --output json
    """
    from msgspec import to_builtins

    from mplp_cli.cli.showing import note
    from mplp_cli.cli.showing import show as draw
    from mplp_cli.render.cassettes import cassette_table
    from mplp_cli.render.machine import write_document

    cassette = _read(file, output, no_color=no_color)
    entries = [to_builtins(entry) for entry in cassette.entries]
    if output is TextOrJson.json:
        write_document({**to_builtins(cassette.header), "entries": entries})
        return
    if not entries:
        note("no agent was asked")
        return
    draw(lambda theme, width: cassette_table(entries, theme, width), no_color=no_color)


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A cassette.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="A later one of the same workflow.")],
    output: Output = TextOrJson.text,
    no_color: NoColor = False,
) -> None:
    """Show which calls are new, gone, asked differently or answered differently, and where.

    How long calls took is no difference, nor are the moments of the recordings.

    Exit codes: 0 the same, 1 different, 2 one cannot be read.

    Examples:

      mplp cassette diff old.jsonl new.jsonl

      mplp cassette diff old.jsonl new.jsonl --output json
    """
    from msgspec import to_builtins

    from mplp_cli.agents.recording.comparing import compare
    from mplp_cli.cli.showing import show as draw
    from mplp_cli.render.cassettes import cassette_changes
    from mplp_cli.render.machine import write_document

    one, other = (_read(file, output, no_color=no_color) for file in (old, new))
    changes = [to_builtins(change) for change in compare(one, other)]
    if output is TextOrJson.json:
        write_document({"same": not changes, "changes": changes})
    elif changes:
        draw(lambda _theme, _width: cassette_changes(changes), no_color=no_color)
    else:
        sys.stdout.write("the same\n")
    raise typer.Exit(1 if changes else 0)


def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Cassettes.")],
    output: Output = TextOrJson.text,
    no_color: NoColor = False,
) -> None:
    """Check cassettes: their format, that each key is that of its request, that no credential is in them.

    Exit codes: 0 nothing is wrong, 1 a problem was found, 2 a file cannot be read.

    Examples:

      mplp cassette check cassettes/*.jsonl
    """
    from mplp_cli.agents.recording.cassette import check as problems_of
    from mplp_cli.agents.recording.cassette import read_bytes
    from mplp_cli.cli.checking import show_texts
    from mplp_cli.render.machine import validate_document, write_document

    texts = {name: read_bytes(name) for name in dict.fromkeys(files)}
    problems = [problem for name, data in texts.items() for problem in problems_of(data, name)]
    if output is TextOrJson.json:
        write_document(validate_document(problems))
    else:
        show_texts(
            problems, {n: data.decode("utf-8", "replace") for n, data in texts.items()}, no_color=no_color
        )
        if not problems:
            sys.stderr.write(f"{len(texts)} cassette{' is' if len(texts) == 1 else 's are'} good\n")
    raise typer.Exit(1 if problems else 0)


def _read(file: str, output: TextOrJson, *, no_color: bool) -> Cassette:
    """A cassette. What is wrong with it is shown, and it ends."""
    from mplp_cli.agents.recording.cassette import CassetteError, read_cassette
    from mplp_cli.cli.checking import show_texts

    try:
        return read_cassette(file)
    except CassetteError as error:
        if output is TextOrJson.json:
            raise
        show_texts(error.problems, {file: error.text}, no_color=no_color)
        raise typer.Exit(2) from None
