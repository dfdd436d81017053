"""Ending a run from outside: what `cancel` and `kill` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mplp_cli.requesting import ENDED, PATIENCE, again, refuse_ended, request, user_name

if TYPE_CHECKING:
    from mplp_cli.cli.options import TextOrJson
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime


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
    from mplp_cli.cli.showing import tell_status
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run, fits=lambda found: found.status not in ENDED)
    refuse_ended(record)
    by = user_name()
    if no_wait:
        request(runtime, record, verb, by, reason)
        status = "cancelling"
    else:
        status = _end(runtime, record, verb, by, reason, secrets_file)
    tell_status(record, status, output)
    return 0 if status in ("cancelled", "cancelling") else 1


def _end(
    runtime: Runtime, record: RunRecord, verb: str, by: str, reason: str, secrets_file: str | None
) -> str:
    """Stop the run, wait for its end, and say how it ended."""
    from mplp_cli.errors import RunBusyError

    asked, deadline = False, runtime.clock.monotonic() + PATIENCE
    while record.status not in ENDED:
        if not record.owned:
            # Nobody would see a request: this process takes the run up, to end it.
            try:
                status = _end_here(runtime, record, verb, by, reason, secrets_file)
            except RunBusyError:
                pass  # somebody else was faster
            else:
                if status in ENDED:
                    return status
        elif not asked:
            request(runtime, record, verb, by, reason)
            asked, deadline = True, deadline + runtime.stored_plan(record.id).grace / 1000
        record = again(runtime, record, deadline, "stopping")
    return record.status


def _end_here(
    runtime: Runtime, record: RunRecord, verb: str, by: str, reason: str, secrets_file: str | None
) -> str:
    import asyncio

    from mplp_cli.cli.driving import tell_of_traces
    from mplp_cli.meanwhile import driven
    from mplp_cli.running import How
    from mplp_cli.runtime import Screen
    from mplp_cli.sampling import sampling

    # Nothing runs in a run that is killed, so nothing needs its secrets.
    run = runtime.take_up(record.id, Screen(), secrets_file, How(to_end=True, killed=verb == "kill"))
    ask = run.drive.kill if verb == "kill" else run.drive.cancel
    ask(by, reason)

    async def end() -> str:
        if record.parent is None:
            return (await driven(runtime, run)).status
        # What the run of a sub-workflow tells is delivered where its outer run is driven.
        async with sampling(runtime, f"run:{record.id}"):
            return (await run.go()).status

    try:
        return asyncio.run(end())
    finally:
        tell_of_traces(runtime)
