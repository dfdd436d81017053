"""`mplp objects`, and `mplp objects list`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.render.objects import Kept
    from mplp_cli.runtime import Runtime


def main(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="Only objects of a kind, such as plan.", show_default=False),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="RUN", help="Only objects that this run has made.", show_default=False),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            "--context", metavar="ID", help="Only this context and what belongs to it.", show_default=False
        ),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status", "-s", metavar="STATUS", help="Only objects that are so.", show_default=False
        ),
    ] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Also objects that were deleted.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="At most so many.")] = 20,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List the objects that operations wrote, last changed first.

    `mplp objects show ID` prints one. What `mplp call` makes belongs to no run.

    Examples:

      mplp objects list plan --status draft

      mplp objects list --run 3f2a --output json
    """
    from mplp_cli.cli.kept import check_kind, kept
    from mplp_cli.cli.showing import note, show, stored
    from mplp_cli.render.objects import object_row, objects_table
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    store = stored(runtime)
    found = [] if store is None else kept(store, kind, deleted=deleted)
    check_kind(kind, {one.kind for one in found})
    chosen = _made_by(runtime, run, _within(context, found))
    chosen = [one for one in chosen if status in (None, one.status)]
    shown = sorted(chosen, key=lambda one: one.updated_at, reverse=True)[:limit]
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"objects": [object_row(one) for one in shown]})
    elif shown:
        now = runtime.clock.now()
        show(lambda theme, width: objects_table(shown, now, theme, width), no_color=no_color)
        if len(chosen) > limit:
            note(f"{len(chosen) - limit} more; --limit says how many are listed")
    else:
        narrowed = kind or run or context or status
        note("no such objects" if narrowed else "no objects yet; `mplp call` and runs make them")


def _within(context: str | None, found: list[Kept]) -> list[Kept]:
    """Those of a context. UsageError if the name means several."""
    return found if context is None else _of_one("context", context, found, lambda one: one.context)


def _made_by(runtime: Runtime, run: str | None, found: list[Kept]) -> list[Kept]:
    """Those that a run has made, also one that was deleted since. UnknownRunError if there is none of that name."""
    if run is None:
        return found
    if any(one.run.startswith(run.lower()) for one in found):
        return _of_one("run", run, found, lambda one: one.run)
    record = runtime.find_run(run)
    return [one for one in found if one.run == record.id]


def _of_one(what: str, name: str, found: list[Kept], owner: Callable[[Kept], str]) -> list[Kept]:
    from mplp_cli.errors import UsageError
    from mplp_cli.render.view import short_id

    owners = sorted({owner(one) for one in found if name and owner(one).startswith(name.lower())})
    if len(owners) > 1 and name not in owners:
        listed = ", ".join(map(short_id, owners[:5]))
        raise UsageError(f"{name!r} means {len(owners)} {what}s: {listed}", hint="use more of the id")
    return [one for one in found if owners and owner(one) == (name if name in owners else owners[0])]
