"""`mplp resume`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from mplp_cli.cli.options import Detach, HowToRun, JUnit, NoColor, RunOutput, SecretsFile, StateDir


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    output: HowToRun = RunOutput.auto,
    detach: Detach = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Also if another process holds the run: that one stops.")
    ] = False,
    junit: JUnit = None,
    secrets_file: SecretsFile = None,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Go on with an interrupted, waiting or failed run. Completed steps never run again.

    A run that another process holds is refused, with that process and since when. --take-over is for one
    that hangs or was stopped: from then on it writes nothing more, and its steps are ended and start again.

    Exit codes as for `mplp run`; 75: another process holds the run, or has taken it over.

    Examples:

      mplp resume 3f2a

      mplp resume 3f2a --detach

      mplp resume 3f2a --take-over
    """
    from mplp_cli.cli.driving import go
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run, fits=lambda found: found.status not in ("completed", "cancelled"))
    take_up = partial(runtime.take_up, record.id, secrets_file=secrets_file, take_over=take_over)
    source = runtime.stored_source(record.id)
    raise typer.Exit(go(runtime, take_up, source, output, detach=detach, junit=junit, no_color=no_color))
