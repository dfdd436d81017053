"""`mplp rerun`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from mplp_cli.cli.options import (
    DefinitionFile,
    HowToRun,
    JUnit,
    NoColor,
    RunOutput,
    SecretsFile,
    StateDir,
    TraceFile,
)

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord
    from mplp_cli.workflow.fold.history import Rerun

Mode: TypeAlias = Literal["all", "from", "failed", "only"]
#: A run with one of these has neither ended nor stopped to wait.
_AT_WORK = ("pending", "running")


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    from_step: Annotated[
        str | None,
        typer.Option("--from", metavar="STEP", help="Run STEP and what depends on it; keep the rest."),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Run what did not complete and what depends on it.")
    ] = False,
    only: Annotated[str | None, typer.Option("--only", metavar="STEP", help="Run nothing but STEP.")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="NAME=VALUE", help="Another value of an input (repeatable)."),
    ] = None,
    definition: DefinitionFile = None,
    output: HowToRun = RunOutput.auto,
    junit: JUnit = None,
    trace: TraceFile = None,
    secrets_file: SecretsFile = None,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Run an ended run again, as a new run that is linked to it.

    It has the definition, the inputs and the directory of the first; secrets and environment are those of
    now. Without an option every step runs. A step that stands in another means the whole of the outermost.
    With --definition, steps that have changed run, whatever else is kept.

    Exit codes as for `mplp run`.

    Examples:

      mplp rerun 3f2a --failed

      mplp rerun 3f2a --from deploy -i target=staging
    """
    from mplp_cli.again import rerun
    from mplp_cli.cli.driving import Watch, drive
    from mplp_cli.cli.places import failed_places
    from mplp_cli.cli.redefined import read_definition
    from mplp_cli.cli.run import inputs_of_run
    from mplp_cli.runtime import Runtime

    how = _how(from_step, only, failed=failed)
    runtime = Runtime(state_dir=state_dir)
    runtime.trace_file = trace
    record = runtime.find_run(run, fits=lambda found: found.status not in _AT_WORK)
    _refuse_at_work(record)
    watch = Watch(output, no_color=no_color, junit=junit)
    changed = read_definition(runtime, definition, output, no_color=no_color)
    made = rerun(
        runtime,
        record.id,
        how(record.id),
        watch.screen,
        secrets_file,
        definition=changed,
        inputs=lambda workflow: inputs_of_run(workflow, inputs, None),
    )
    source = runtime.stored_source(made.state.run_id)
    raise typer.Exit(drive(runtime, made, watch, lambda state: failed_places(source, state)))


def _how(from_step: str | None, only: str | None, *, failed: bool) -> Callable[[str], Rerun]:
    """The rerun that is asked for, of a run that is still to be found."""
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.fold.history import Rerun

    asked: list[tuple[Mode, str]] = []
    if from_step is not None:
        asked.append(("from", from_step))
    if failed:
        asked.append(("failed", ""))
    if only is not None:
        asked.append(("only", only))
    if len(asked) > 1:
        raise UsageError("--from, --failed and --only exclude each other", hint="give one of them")
    mode, step = asked[0] if asked else ("all", "")
    return lambda run: Rerun(run, mode, step)


def _refuse_at_work(record: RunRecord) -> None:
    from mplp_cli.errors import RunStateError
    from mplp_cli.render.tables import status_of
    from mplp_cli.render.view import short_id

    if record.status not in _AT_WORK:
        return
    status, run = status_of(record), short_id(record.id)
    raise RunStateError(
        f"run {run} is {status}; only a run that has ended, or waits, is run again",
        hint=f"go on with it: mplp resume {run}"
        if status == "interrupted"
        else f"end it first: mplp cancel {run}",
        details={"runId": record.id, "status": status},
    )
