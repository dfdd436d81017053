"""`mplp events emit`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mplp_cli.cli.options import Output, StateDir, TextOrJson


def main(
    kind: Annotated[
        str, typer.Argument(metavar="TYPE", help="The type of the event, such as git.tag.created.")
    ],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            metavar="JSON",
            help="What it carries: JSON, @FILE, or @- for stdin [default: null].",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="SOURCE", help="Who publishes it.", show_default=True)
    ] = "mplp/cli",
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Publish an event, and print its id. Steps that wait for such an event go on.

    A run that no process drives takes it when it is resumed. Only steps that had begun to wait by now take it.

    Exit code 2: the type or the data is not one, or there is no state here that a run could hear it from.

    Examples:

      mplp events emit git.tag.created --data '{"name": "v1.2.0"}'

      mplp events emit deploy.done --data @result.json --source ci
    """
    from mplp_cli.errors import UsageError
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.published import Published, check_type, cloud_event

    try:
        named = check_type(kind)
    except ValueError as error:
        said, _, hint = str(error).partition("; ")
        raise UsageError(said, hint=hint) from None
    carried = carried_data(data)
    runtime = Runtime(state_dir=state_dir)
    if runtime.existing_state_dir() is None:
        raise UsageError(
            "nothing was ever run here, so nobody can hear an event",
            hint="change to the directory of the run, or name its state with --state-dir",
        )
    event = Published(id=runtime.ids.uuid(), type=named, source=source, at=runtime.clock.now(), data=carried)
    runtime.store.board.publish(event)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(cloud_event(event))
    else:
        sys.stdout.write(f"{event.id}\n")


def carried_data(text: str | None) -> Any:
    """The value of `--data`. InputError if it is not JSON."""
    import msgspec

    from mplp_cli.errors import InputError
    from mplp_cli.sources import read_source

    if text is None:
        return None
    name, source = "--data", text.encode("utf-8", "surrogateescape")
    if text.startswith("@"):
        file = read_source(text[1:], sys.stdin.buffer)
        name, source = file.name, file.text
    try:
        return msgspec.json.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{name} is not JSON: {error}",
            hint="text is quoted, for the shell and for JSON: --data '\"done\"'",
        ) from None
