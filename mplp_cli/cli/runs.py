"""`mplp runs`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime

#: More runs than anybody has: what is filtered here cannot be limited by the store.
_ALL = 1 << 31


class RunStatus(StrEnum):
    """What `--status` takes."""

    pending = "pending"
    running = "running"
    interrupted = "interrupted"
    waiting = "waiting"
    paused = "paused"
    completed = "completed"
    failed = "failed"
    cancelled = "cancelled"


def main(
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", "-w", metavar="WORKFLOW", help="Only runs of the workflow with this id."),
    ] = None,
    status: Annotated[
        RunStatus | None,
        typer.Option("--status", "-s", metavar="STATUS", help=f"Only runs that are: {', '.join(RunStatus)}."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Also the runs of sub-workflows.")] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Only runs that began since: 30m, 2d, or 2030-01-31T09:00:00Z.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="At most so many.")] = 20,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List runs, newest first. One that should be running while no process holds it is `interrupted`.

    The runs of sub-workflows belong to other runs, and are listed with --all only.

    `mplp runs prune` deletes old ones; `mplp runs prune --help` says how.

    Examples:

      mplp runs

      mplp runs --status interrupted --output json

      mplp runs --workflow nightly --since 2d
    """
    from mplp_cli.cli.moments import begin_of
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.stored import run_object
    from mplp_cli.render.tables import runs_table
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    oldest = 0 if since is None else begin_of(since, runtime.clock.now())
    runs = [
        run
        for run in _found(runtime, workflow, status, limit, children=everything)
        if run.created_at >= oldest
    ]
    turns = runtime.store.turns.standings() if runs else {}
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"runs": [run_object(run, turns.get(run.id)) for run in runs]})
    elif runs:
        now = runtime.clock.now()
        show(lambda theme, width: runs_table(runs, now, theme, width, turns), no_color=no_color)
    else:
        note("no such runs" if workflow or status or since else "no runs yet; `mplp run` starts one")


def _found(
    runtime: Runtime, workflow: str | None, status: RunStatus | None, limit: int, *, children: bool
) -> list[RunRecord]:
    from mplp_cli.cli.showing import stored
    from mplp_cli.render.tables import status_of

    store = stored(runtime)
    if store is None:
        return []
    if status not in (RunStatus.pending, RunStatus.running, RunStatus.interrupted):
        return store.runs(workflow_id=workflow, status=status, limit=limit, children=children)
    # Which of them it is, the store does not know: it is told by who holds the run.
    found = [
        run
        for recorded in (RunStatus.pending, RunStatus.running)
        for run in store.runs(workflow_id=workflow, status=recorded, limit=_ALL, children=children)
        if status_of(run) == status
    ]
    return sorted(found, key=lambda run: run.created_at, reverse=True)[:limit]
