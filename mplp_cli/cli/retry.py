"""`mplp retry`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from mplp_cli.cli.options import HowToRun, JUnit, NoColor, RunOutput, SecretsFile, StateDir, TraceFile


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    step: Annotated[
        str | None,
        typer.Argument(
            metavar="[STEP]", help="Only this step, and what waits on it [default: all].", show_default=False
        ),
    ] = None,
    output: HowToRun = RunOutput.auto,
    junit: JUnit = None,
    trace: TraceFile = None,
    secrets_file: SecretsFile = None,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Try the failed steps of a failed run again, in the same run.

    Without STEP it does what `mplp resume` does: every failed, omitted or cancelled step starts once more.
    With STEP the other failures stand, and the run ends as failed if there are any. Completed steps never run
    again. `finally` steps run again at the new end.

    Exit codes as for `mplp run`; 2: the run has not failed.

    Example:

      mplp retry 3f2a deploy
    """
    from mplp_cli.again import retry
    from mplp_cli.cli.apart import apart
    from mplp_cli.cli.driving import Watch, drive
    from mplp_cli.cli.places import failed_places
    from mplp_cli.cli.showing import note
    from mplp_cli.recorded import check_step
    from mplp_cli.runtime import Runtime

    def tell(tried: str, standing: list[str]) -> None:
        if output is not RunOutput.auto:
            return
        if tried != step:
            note(f"`{step}` stands in `{tried}`, which is tried again")
        if standing:
            names = ", ".join(f"`{name}`" for name in standing[:5])
            more = f" and {len(standing) - 5} more" if len(standing) > 5 else ""
            note(f"{names}{more} failed before and will not be tried again, so the run will end as failed")

    runtime = Runtime(state_dir=state_dir)
    runtime.trace_file = trace
    record = runtime.find_run(run, fits=lambda found: found.status == "failed")
    if step is not None:
        facts = [fact for _, fact in runtime.store.history(record.id)]
        check_step(runtime.stored_plan(record.id), facts, record, step)
    watch = Watch(output, no_color=no_color, junit=junit)
    taken = apart(partial(retry, runtime, record.id, step or "", watch.screen, secrets_file, tell))
    source = runtime.stored_source(record.id)
    raise typer.Exit(drive(runtime, taken, watch, lambda state: failed_places(source, state)))
