"""`mplp events emit`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.published import Published

#: Who publishes what says nothing else.
SOURCE = "mplp/cli"


def main(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[TYPE]", help="The type of the event, such as git.tag.created.", show_default=False
        ),
    ] = None,
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
        str | None,
        typer.Option(
            "--source",
            metavar="SOURCE",
            help=f"Who publishes it, a URI or a part of one [default: {SOURCE}].",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Its id [default: a new one].", show_default=False),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option("--subject", metavar="TEXT", help="What it is about.", show_default=False),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option("--time", metavar="TIME", help="When it happened [default: now].", show_default=False),
    ] = None,
    cloud_event: Annotated[
        str | None,
        typer.Option(
            "--cloud-event",
            metavar="FILE",
            help="Publish what FILE (`-`: stdin) has: one CloudEvent, a list of them, or one a line.",
            show_default=False,
        ),
    ] = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Publish an event, and print its id. Steps that wait for such an event go on.

    An event is known by its source and id: published again it stays as it was, and nobody hears it twice. A run
    that no process drives takes it when it is resumed. Only steps that had begun to wait by now take it.

    With --cloud-event the events are as CloudEvents 1.0 says in JSON, 1 MiB each at most; all are published, or
    none if one is wrong.

    Exit code 2: an event is not valid, or there is no state here that a run could hear it from.

    Examples:

      mplp events emit git.tag.created --data '{"name": "v1.2.0"}'

      mplp events emit deploy.done --data @result.json --source ci --id build-4711

      mplp events emit --cloud-event events.jsonl
    """
    from mplp_cli.errors import UsageError
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.published import cloud_event as as_document
    from mplp_cli.workflow.published import enriched

    runtime = Runtime(state_dir=state_dir)
    given = {"data": data, "source": source, "id": name, "subject": subject, "time": time}
    if cloud_event is None:
        events = [_made(runtime, kind, given)]
    elif kind is not None or any(value is not None for value in given.values()):
        raise UsageError("--cloud-event says all of the event", hint="leave the type and other options out")
    else:
        events = read_events(runtime, cloud_event)
    if runtime.existing_state_dir() is None and not runtime.settings.events:
        raise UsageError(
            "nothing was ever run here, so nobody can hear an event",
            hint="change to the directory of the run, or name its state with --state-dir",
        )
    now, board = runtime.clock.now(), runtime.store.board
    numbers = _publish(runtime, [enriched(event, now) for event in events])
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        # One that was published before is shown as it was then.
        stored = [(number, board.numbered(number)) for number in numbers]
        shown = [as_document(event, number) for number, event in stored if event is not None]
        write_document({"events": shown} if cloud_event is not None else shown[0])
    else:
        from mplp_cli.render.theme import safe

        sys.stdout.write("".join(f"{safe(event.id)}\n" for event in events))


def _publish(runtime: Runtime, events: list[Published]) -> list[int]:
    """The numbers of the events. Without a server this process delivers them, and starts what they trigger."""
    import asyncio

    from mplp_cli.cli.showing import note
    from mplp_cli.cli.triggers import serves

    if serves(runtime):
        return runtime.store.board.publish(*events)
    from mplp_cli.serving.aside import publish_here

    return asyncio.run(publish_here(runtime, events, note))


def _made(runtime: Runtime, kind: str | None, given: dict[str, str | None]) -> Published:
    """The event that the options say. UsageError if it is not valid."""
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.published import from_cloud_event

    if kind is None:
        raise UsageError("Missing argument 'TYPE'", hint="or name a file of events with --cloud-event")
    said = {key: value for key, value in given.items() if value is not None}
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": runtime.ids.uuid(),
        "source": SOURCE,
        **said,
        "type": kind,
        "data": carried_data(given["data"]),
    }
    try:
        return from_cloud_event(document, runtime.clock.now())
    except ValueError as error:
        raise _refused(error) from None


def read_events(runtime: Runtime, file: str) -> list[Published]:
    """The events of a file. UsageError if one is not valid."""
    from mplp_cli.errors import UsageError
    from mplp_cli.sources import read_source
    from mplp_cli.workflow.published import read_cloud_events

    source = read_source(file, sys.stdin.buffer)
    try:
        events = read_cloud_events(source.text, runtime.clock.now())
    except ValueError as error:
        raise _refused(error, f"{source.name}: ") from None
    if not events:
        raise UsageError(f"{source.name}: there is no event in it")
    return events


def _refused(error: ValueError, where: str = "") -> Exception:
    from mplp_cli.errors import UsageError

    said, _, hint = str(error).rpartition("; ")
    return UsageError(f"{where}{said or hint}", hint=hint if said else None)


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
