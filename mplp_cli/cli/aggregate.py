"""`mplp events aggregate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.gathered import OfFile, Since
from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson
from mplp_cli.cli.sought import OfSource, OfType

if TYPE_CHECKING:
    from mplp_cli.workflow.events.windows import Windows


def main(
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="KEY",
            help="What events are put together by: type, source, window (all of a window), or an expression.",
        ),
    ] = "type",
    window: Annotated[
        str | None,
        typer.Option(
            "--window",
            "-w",
            metavar="TIME",
            help="Windows so long, such as 5m [default: none, all together].",
            show_default=False,
        ),
    ] = None,
    slide: Annotated[
        str | None,
        typer.Option(
            "--slide",
            metavar="TIME",
            help="A window begins so often [default: one after the other].",
            show_default=False,
        ),
    ] = None,
    lateness: Annotated[
        str | None,
        typer.Option(
            "--lateness",
            metavar="TIME",
            help="Leave out, and list, events that came so much later than others [default: none is late].",
            show_default=False,
        ),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(
            "--field",
            metavar="EXPR",
            help="Sum up these numbers of the events, such as data.duration.",
            show_default=False,
        ),
    ] = None,
    kind: OfType = None,
    source: OfSource = None,
    since: Since = None,
    file: OfFile = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Count events by a key and by windows of their times, and sum up their numbers.

    Windows begin at multiples of their length (or of --slide) since 1970, in UTC; an event at the end of one is in the
    next. Where nothing happened there is no line.

    Examples:

      mplp events aggregate --since 1d --window 1h

      mplp events aggregate --type 'step.*' --by data.workflowId --field data.duration

      mplp events aggregate --file events.ndjson --by '${event.source} ${event.type}' --window 5m --slide 1m
    """
    from mplp_cli.cli.gathered import begin_from, gathered
    from mplp_cli.cli.showing import note, show
    from mplp_cli.cli.sought import Sought, wanted_type
    from mplp_cli.errors import UsageError
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.events.judging import DeclarationError
    from mplp_cli.workflow.events.windows import aggregate

    windows = _windows(window, slide)
    if by == "window" and windows is None:
        raise UsageError("--by window: there are no windows", hint="say how long they are: --window 5m")
    runtime = Runtime(state_dir=state_dir)
    begin = begin_from(since, runtime.clock.now())
    sought = Sought(kind=wanted_type(kind), source=source or "", since=begin)
    try:
        made = aggregate(
            gathered(runtime, sought, file),
            by="" if by == "window" else by,
            windows=windows,
            lateness=None if lateness is None else _span("--lateness", lateness),
            field=field or "",
        )
    except DeclarationError as error:
        raise UsageError(
            f"this is no key or number of an event: {error.message}", hint=error.hint or None
        ) from None
    if output is TextOrJson.json:
        import msgspec

        from mplp_cli.render.machine import write_document

        late = [{"id": one.id, "source": one.source} for one in made.late]
        refused = [{"id": one.id, "source": one.source, "reason": reason} for one, reason in made.refused]
        groups = msgspec.to_builtins(made.groups)
        write_document({"aggregates": groups, "late": late, "refused": refused})
        return
    if made.groups:
        from mplp_cli.render.correlated import aggregates_table

        show(lambda theme, width: aggregates_table(made.groups, theme, width), no_color=no_color)
    else:
        note("no such events")
    if made.late:
        note(f"left out, because they came too late: {len(made.late)}")
    if made.refused:
        note(f"left out, because they lack the key: {len(made.refused)} ({made.refused[0][1]})")


def _windows(window: str | None, slide: str | None) -> Windows | None:
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.events.windows import Windows

    if window is None:
        if slide is not None:
            raise UsageError("--slide is for windows", hint="say how long they are: --window 5m")
        return None
    size = _span("--window", window)
    try:
        return Windows(size=size, step=size if slide is None else _span("--slide", slide))
    except ValueError as error:
        said, _, hint = str(error).partition("; ")
        raise UsageError(said, hint=hint or None) from None


def _span(option: str, text: str) -> int:
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.values import duration_ms

    try:
        return duration_ms(text)
    except ValueError as error:
        said, _, hint = str(error).partition("; ")
        raise UsageError(f"{option}: {said}", hint=hint) from None
