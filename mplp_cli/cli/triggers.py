"""`mplp triggers`, and `mplp triggers list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.errors import WorkflowValidationError
    from mplp_cli.protocols import RunRecord, Store
    from mplp_cli.render.triggers import Listed
    from mplp_cli.runtime import Runtime
    from mplp_cli.serving.contract import Served
    from mplp_cli.workflow.events.triggers import Trigger

#: Next times that are told of a schedule.
_TIMES = 5


def main(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Workflow files, or directories of them [default: workflows/, else here].",
            show_default=False,
        ),
    ] = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List triggers: when they fire next, what they started last.

    Triggers start runs while `mplp serve` runs. What is published meanwhile waits for them, from the first time on
    that they were served.

    Exit code 2: a file is not there, or is not a valid workflow.

    Examples:

      mplp triggers

      mplp triggers list nightly.yaml --output json

      mplp triggers test nightly.yaml --at 2027-03-28T02:30:00+01:00

      mplp triggers fire nightly.yaml every-night
    """
    from mplp_cli.cli.showing import note, show, stored
    from mplp_cli.render.machine import write_document
    from mplp_cli.render.triggers import listed_object, triggers_table
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    store = stored(runtime)
    found = [
        _listed(runtime, store, served, trigger)
        for served in workflows_of(runtime, files)
        for trigger in served.triggers
    ]
    is_served = serves(runtime)
    if output is TextOrJson.json:
        write_document({"served": is_served, "triggers": [listed_object(one) for one in found]})
        return
    if found:
        show(lambda theme, width: triggers_table(found, runtime.clock.now(), theme, width), no_color=no_color)
    else:
        note("no workflow here has triggers; `mplp help events` shows how they are declared")
    if found and not is_served:
        note("nobody serves them now; `mplp serve` does")


def workflows_of(runtime: Runtime, files: list[Path] | None) -> list[Served]:
    """The workflows of files and directories, or of the project. What is wrong with a file is shown, and ends the
    command."""
    from mplp_cli.errors import WorkflowValidationError
    from mplp_cli.serving.catalogue import Files, default_places

    try:
        return list(Files(files or default_places(runtime.cwd), runtime.load, runtime.clock).all())
    except WorkflowValidationError as error:
        refuse_invalid(error)


def refuse_invalid(error: WorkflowValidationError) -> NoReturn:
    """Show what is wrong with a file that is to be served, and end the command."""
    from mplp_cli.cli.checking import show_problems
    from mplp_cli.errors import Exit
    from mplp_cli.sources import read_source

    show_problems(error.problems, [read_source(error.details["file"])], {}, no_color=False)
    raise typer.Exit(Exit.USAGE)


def serves(runtime: Runtime) -> bool:
    """Whether a server runs on this state."""
    from mplp_cli.store.layout import server_path
    from mplp_cli.store.locks import is_held

    where = runtime.existing_state_dir()
    return where is not None and is_held(server_path(where))


def _listed(runtime: Runtime, store: Store | None, served: Served, trigger: Trigger) -> Listed:
    from mplp_cli.render.triggers import Listed
    from mplp_cli.workflow.events.schedules import next_times
    from mplp_cli.workflow.events.triggers import CronTrigger

    times: list[int] = []
    if isinstance(trigger, CronTrigger):
        times = next_times(trigger.schedule, trigger.time_zone, runtime.clock.now(), _TIMES)
    return Listed(
        workflow=served.id,
        file=str(served.file),
        trigger=trigger,
        next=times,
        waits=None if store is None else _waiting(store, served.id, trigger),
        last=None if store is None else last_run(store, served.id, trigger.id),
    )


def _waiting(store: Store, workflow: str, trigger: Trigger) -> int | None:
    """How many of the next 1,000 events wait for a trigger; None if nobody has served it."""
    from mplp_cli.workflow.events.arming import aim
    from mplp_cli.workflow.events.judging import EventError
    from mplp_cli.workflow.events.triggers import reader_of

    at = store.deliveries.readers().get(reader_of(workflow, trigger.id))
    if at is None:
        return None
    means, count = aim(workflow, trigger).means, 0
    for _, event in store.board.following(at):
        try:
            count += means(event)
        except EventError:
            count += 1
    return count


def last_run(store: Store, workflow: str, trigger: str) -> RunRecord | None:
    """The run that a trigger started last; None if there is none, or it was pruned."""
    by = f"trigger:{trigger}"
    runs = store.runs(workflow_id=workflow, limit=1 << 31, children=False)
    return next((run for run in runs if run.cause is not None and run.cause.by == by), None)
