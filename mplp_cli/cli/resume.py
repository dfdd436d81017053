"""`mplp resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import HowToRun, JUnit, NoCache, NoColor, RunOutput, SecretsFile, StateDir


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    output: HowToRun = RunOutput.auto,
    junit: JUnit = None,
    secrets_file: SecretsFile = None,
    no_cache: NoCache = False,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Go on with an interrupted, waiting or failed run. Completed steps never run again.

    Exit codes as for `mplp run`; 75: another process holds the run.

    Example:

      mplp resume 3f2a
    """
    from mplp_cli.cli.driving import Watch, drive
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir, uses_cache=not no_cache)
    record = runtime.find_run(run, fits=lambda found: found.status not in ("completed", "cancelled"))
    watch = Watch(output, no_color=no_color, junit=junit)
    taken = runtime.take_up(record.id, watch.screen, secrets_file)
    source = runtime.stored_source(record.id)
    raise typer.Exit(drive(runtime, taken, watch, lambda state: runtime.places(source, state)))
