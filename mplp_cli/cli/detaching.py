"""Leaving a run to a process of its own, which outlives the command and the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mplp_cli.cli.options import RunOutput
    from mplp_cli.runtime import Run, Runtime


def leave(runtime: Runtime, run: Run, how: RunOutput, junit: str | None) -> None:
    """Leave a run that was stored or taken up to a new process, and say which it is. DriverError."""
    import asyncio

    from mplp_cli.cli.options import RunOutput
    from mplp_cli.cli.showing import note
    from mplp_cli.leaving import hand_over
    from mplp_cli.render.machine import write_document
    from mplp_cli.render.view import short_id

    run_id, short = run.state.run_id, short_id(run.state.run_id)
    secrets = run.drive.world.secrets
    with runtime:
        try:
            status = asyncio.run(hand_over(runtime, run_id, dict(secrets), junit))
        finally:
            run.leave()
    if how in (RunOutput.json, RunOutput.jsonl):
        write_document({"runId": run_id, "workflowId": run.plan.workflow.id, "status": status})
        return
    sys.stdout.write(f"{run_id}\n")
    if how is not RunOutput.quiet:
        note(f"runs by itself; follow it: mplp attach {short}, end it: mplp cancel {short}")
