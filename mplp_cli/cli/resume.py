"""`mplp resume`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import (
    MACHINE,
    DefinitionFile,
    Detach,
    HowToRun,
    JUnit,
    NoCache,
    NoColor,
    RunOutput,
    SecretsFile,
    StateDir,
    TextOrJson,
    TraceFile,
)
from mplp_cli.cli.taping import Record, RecordMissing, Replay

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    definition: DefinitionFile = None,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Go on although what is done already has changed."),
    ] = False,
    output: HowToRun = RunOutput.auto,
    detach: Detach = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Also if another process holds the run: that one stops.")
    ] = False,
    junit: JUnit = None,
    trace: TraceFile = None,
    secrets_file: SecretsFile = None,
    record: Record = None,
    replay: Replay = None,
    record_missing: RecordMissing = None,
    no_cache: NoCache = False,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Go on with a paused, interrupted, waiting or failed run. Completed steps never run again.

    A run that is still pausing goes on in the process that drives it: its pause is taken back, exit code 0.

    A run that another process holds is refused, with that process and since when. --take-over is for one
    that hangs or was stopped: from then on it writes nothing more, and its steps are ended and start again.

    With --definition it goes on with a changed file: what differs is shown, and refused if it changes what a
    completed step does, or one that is at work or waits.

    Agents are asked unless --replay is given again. With --record a recording goes on: in its partial file, else at
    the end of the cassette.

    Exit codes as for `mplp run`; 0 also if the run has completed already, 2: refused, or it was cancelled; 75:
    another process holds the run, or has taken it over.

    Examples:

      mplp resume 3f2a

      mplp resume 3f2a --definition mended.yaml

      mplp resume 3f2a --detach

      mplp resume 3f2a --take-over
    """
    from mplp_cli.again import Revised, go_on
    from mplp_cli.agents.recording.opening import Wanted
    from mplp_cli.cli.driving import go
    from mplp_cli.cli.redefined import read_definition, show_changes
    from mplp_cli.cli.showing import tell_status
    from mplp_cli.cli.taping import taped
    from mplp_cli.errors import RunStateError
    from mplp_cli.requesting import take_back, until_left
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir, uses_cache=not no_cache)
    runtime.trace_file = trace
    found = runtime.find_run(
        run, fits=lambda one: one.status not in ("completed", "cancelled") and not one.parent
    )
    if not take_over:
        if take_back(runtime, found):
            tell_status(found, "running", TextOrJson.json if output in MACHINE else TextOrJson.text, " again")
            return
        found = until_left(runtime, found)
    take_up = partial(
        go_on,
        runtime,
        found.id,
        secrets_file=secrets_file,
        revised=Revised(
            definition=read_definition(runtime, definition, output, no_color=no_color),
            accept=accept_changes,
            tell=lambda changed: show_changes(changed, output, no_color=no_color),
        ),
        take_over=take_over,
    )
    source = runtime.stored_source(found.id)
    try:
        drive = partial(go, runtime, take_up, source, output, detach=detach, junit=junit, no_color=no_color)
        wanted = Wanted(record=record, replay=replay, record_missing=record_missing)
        code = taped(runtime, wanted, found.workflow_id, drive, detach=detach, goes_on=True)
    except RunStateError as error:
        if error.details.get("status") != "completed":
            raise
        _say_completed(runtime, found.id, output, junit)
        return
    raise typer.Exit(code)


def _say_completed(runtime: Runtime, run_id: str, output: RunOutput, junit: str | None) -> None:
    """There is nothing to do: what the run gave is given once more."""
    from mplp_cli.cli.showing import note
    from mplp_cli.recorded import recorded
    from mplp_cli.render.machine import run_document, write_document
    from mplp_cli.render.view import short_id

    [record] = runtime.store.find_runs(run_id)
    told = recorded(runtime, record)
    if junit:
        from mplp_cli.render.junit import write_junit

        write_junit(Path(junit), told.plan, told.state, lambda step: (), now=told.now)
    if output is RunOutput.json:
        write_document(run_document(told.plan, told.state, now=told.now))
    elif output is not RunOutput.jsonl:
        note(f"run {short_id(run_id)} has completed already")
        if output is not RunOutput.github and told.state.outputs is not None:
            write_document(told.state.outputs)
