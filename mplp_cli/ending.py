"""Ending a run from outside: by the process that drives it, or here if there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from mplp_cli.errors import RunBusyError
from mplp_cli.meanwhile import driven
from mplp_cli.requesting import ENDED, PATIENCE, again, refuse_ended, request, user_name
from mplp_cli.running import How, Screen
from mplp_cli.sampling import sampling

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime


def end(
    runtime: Runtime,
    record: RunRecord,
    verb: Literal["cancel", "kill"],
    reason: str,
    secrets_file: str | None,
    driven_here: Callable[[Runtime], None],
    *,
    waits: bool,
) -> str:
    """Cancel or kill a run: the status with which it has ended, or `cancelling` without waiting for that.

    A run that nobody drives is taken up, here, to be ended; after that `driven_here` is called. RunStateError if it has
    ended already, RunBusyError if the process that drives it does not end it.
    """
    refuse_ended(record)
    by = user_name()
    if not waits:
        request(runtime, record, verb, by, reason)
        return "cancelling"
    asked, deadline = False, runtime.clock.monotonic() + PATIENCE
    while record.status not in ENDED:
        if not record.owned:
            # Nobody would see a request: this process takes the run up, to end it.
            try:
                status = _end_here(runtime, record, verb, by, reason, secrets_file, driven_here)
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
    runtime: Runtime,
    record: RunRecord,
    verb: str,
    by: str,
    reason: str,
    secrets_file: str | None,
    driven_here: Callable[[Runtime], None],
) -> str:
    # Nothing runs in a run that is killed, so nothing needs its secrets.
    run = runtime.take_up(record.id, Screen(), secrets_file, How(to_end=True, killed=verb == "kill"))
    ask = run.drive.kill if verb == "kill" else run.drive.cancel
    ask(by, reason)

    async def drive() -> str:
        if record.parent is None:
            return (await driven(runtime, run)).status
        # What the run of a sub-workflow tells is delivered where its outer run is driven.
        async with sampling(runtime, f"run:{record.id}"):
            return (await run.go()).status

    try:
        return asyncio.run(drive())
    finally:
        driven_here(runtime)
