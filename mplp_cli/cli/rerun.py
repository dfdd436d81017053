"""`mplp rerun`."""

from __future__ import annotations

from typing import Annotated

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
    from mplp_cli.again import chosen, is_at_work, refuse_at_work, rerun
    from mplp_cli.cli.apart import apart
    from mplp_cli.cli.driving import Watch, drive
    from mplp_cli.cli.places import failed_places
    from mplp_cli.cli.redefined import read_definition
    from mplp_cli.cli.run import inputs_of_run
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    runtime.trace_file = trace
    record = runtime.find_run(run, fits=lambda found: not is_at_work(found))
    how = chosen(record.id, from_step, only, failed=failed)
    refuse_at_work(record)
    watch = Watch(output, no_color=no_color, junit=junit)
    changed = read_definition(runtime, definition, output, no_color=no_color)
    made = apart(
        lambda: rerun(
            runtime,
            record.id,
            how,
            watch.screen,
            secrets_file,
            definition=changed,
            inputs=lambda workflow: inputs_of_run(workflow, inputs, None),
        )
    )
    source = runtime.stored_source(made.state.run_id)
    raise typer.Exit(drive(runtime, made, watch, lambda state: failed_places(source, state)))
