"""Ending a run from outside: what `cancel` and `kill` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mplp_cli.cli.options import TextOrJson
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime

#: A run with one of these has ended: nothing is left to stop.
ENDED = ("completed", "failed", "cancelled")
#: Seconds between looks at a run that another process drives.
PAUSE = 0.05
#: Seconds, besides the grace time, in which a run should have done what was asked.
PATIENCE = 20.0


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
    from mplp_cli.cli.answering import user_name
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


def refuse_ended(record: RunRecord) -> None:
    """RunStateError for a run that has ended."""
    from mplp_cli.errors import RunStateError
    from mplp_cli.render.view import short_id

    if record.status in ENDED:
        raise RunStateError(
            f"run {short_id(record.id)} is {record.status} already",
            hint="`mplp runs` lists those that go on",
            details={"runId": record.id, "status": record.status},
        )


def request(runtime: Runtime, record: RunRecord, verb: str, by: str, reason: str = "") -> None:
    """Leave a request for the process that drives the run."""
    from mplp_cli.protocols import Control

    runtime.store.request(record.id, Control(seq=0, verb=verb, by=by, reason=reason))


def again(runtime: Runtime, record: RunRecord, deadline: float, doing: str) -> RunRecord:
    """The record a moment later. RunBusyError after the deadline."""
    from time import sleep

    from mplp_cli.errors import RunBusyError

    if runtime.clock.monotonic() > deadline:
        raise RunBusyError(
            f"run {record.id} is still {doing}",
            hint="`mplp status` shows what it waits for",
            details={"runId": record.id},
        )
    sleep(PAUSE)
    [found] = runtime.store.find_runs(record.id)
    return found


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
