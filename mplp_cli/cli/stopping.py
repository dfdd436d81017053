"""Ending a run from outside: what `cancel` and `kill` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mplp_cli.requesting import ENDED

if TYPE_CHECKING:
    from mplp_cli.cli.options import TextOrJson


def stop(
    run: str,
    verb: Literal["cancel", "kill"],
    *,
    reason: str,
    no_wait: bool,
    output: TextOrJson,
    secrets_file: str | None,
    state_dir: str | None,
) -> int:
    """Ask for the end of a run, wait for it and say how it ended; the exit code. RunStateError if it has ended."""
    from mplp_cli.cli.driving import tell_of_traces
    from mplp_cli.cli.showing import tell_status
    from mplp_cli.ending import end
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run, fits=lambda found: found.status not in ENDED)
    status = end(runtime, record, verb, reason, secrets_file, tell_of_traces, waits=not no_wait)
    tell_status(record, status, output)
    return 0 if status in ("cancelled", "cancelling") else 1
