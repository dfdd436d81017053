"""`mplp resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import (
    MACHINE,
    HowToRun,
    JUnit,
    NoColor,
    RunOutput,
    SecretsFile,
    StateDir,
    TextOrJson,
)


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    output: HowToRun = RunOutput.auto,
    junit: JUnit = None,
    secrets_file: SecretsFile = None,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Go on with a paused, interrupted, waiting or failed run. Completed steps never run again.

    A run that is still pausing goes on in the process that drives it: its pause is taken back, exit code 0.

    Exit codes as for `mplp run`; 75: another process holds the run.

    Example:

      mplp resume 3f2a
    """
    from mplp_cli.cli.driving import Watch, drive
    from mplp_cli.cli.pausing import take_back, until_left
    from mplp_cli.cli.showing import tell_status
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run, fits=lambda found: found.status not in ("completed", "cancelled"))
    if take_back(runtime, record):
        tell_status(record, "running", TextOrJson.json if output in MACHINE else TextOrJson.text, " again")
        return
    record = until_left(runtime, record)
    watch = Watch(output, no_color=no_color, junit=junit)
    taken = runtime.take_up(record.id, watch.screen, secrets_file)
    source = runtime.stored_source(record.id)
    raise typer.Exit(drive(runtime, taken, watch, lambda state: runtime.places(source, state)))
