"""`mplp wait`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import StateDir


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            metavar="TIME",
            help="How long at most (30s, 5m) [default: for ever].",
            show_default=False,
        ),
    ] = None,
    state_dir: StateDir = None,
) -> None:
    """Wait until a run has ended, or only a person can take it on. Prints nothing.

    Exit codes: those of the run (0 completed, 1 failed, 3 waits or is paused, 4 cancelled), 75 the time is
    over, or no process drives the run any more.

    Examples:

      mplp wait 3f2a

      mplp wait my-workflow --timeout 10m
    """
    from time import sleep

    from mplp_cli.cli.driving import EXITS
    from mplp_cli.cli.following import PAUSE, going_on, interrupted
    from mplp_cli.errors import RunBusyError
    from mplp_cli.render.view import short_id
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run, fits=going_on)
    monotonic = runtime.clock.monotonic
    deadline = monotonic() + _seconds(timeout)
    while record.owned:
        left = deadline - monotonic()
        if left <= 0:
            raise RunBusyError(
                f"run {short_id(record.id)} is still {record.status} after {timeout}",
                hint=f"`mplp status {short_id(record.id)}` shows where it stands",
                details={"runId": record.id, "status": record.status},
            )
        sleep(min(PAUSE, left))
        record = runtime.find_run(record.id)
    if record.status not in EXITS:
        raise interrupted(record)
    raise typer.Exit(EXITS[record.status])


def _seconds(timeout: str | None) -> float:
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.values import duration_ms

    if timeout is None or timeout == "none":
        return float("inf")
    try:
        return duration_ms(timeout) / 1000
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from None
