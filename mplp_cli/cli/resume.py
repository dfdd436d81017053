"""`mplp resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import DefinitionFile, HowToRun, JUnit, NoColor, RunOutput, SecretsFile, StateDir


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    definition: DefinitionFile = None,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Go on although what is done already has changed."),
    ] = False,
    output: HowToRun = RunOutput.auto,
    junit: JUnit = None,
    secrets_file: SecretsFile = None,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Go on with an interrupted, waiting or failed run. Completed steps never run again.

    With --definition it goes on with a changed file: what differs is shown, and refused if it changes what a
    completed step does, or one that is at work or waits.

    Exit codes as for `mplp run`; 2: refused; 75: another process holds the run.

    Examples:

      mplp resume 3f2a

      mplp resume 3f2a --definition mended.yaml
    """
    from mplp_cli.again import go_on
    from mplp_cli.cli.driving import Watch, drive
    from mplp_cli.cli.redefined import read_definition, show_changes
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run, fits=lambda found: found.status not in ("completed", "cancelled"))
    watch = Watch(output, no_color=no_color, junit=junit)
    taken = go_on(
        runtime,
        record.id,
        watch.screen,
        secrets_file,
        definition=read_definition(runtime, definition, output, no_color=no_color),
        accept=accept_changes,
        tell=lambda changed: show_changes(changed, output, no_color=no_color),
    )
    source = runtime.stored_source(record.id)
    raise typer.Exit(drive(runtime, taken, watch, lambda state: runtime.places(source, state)))
