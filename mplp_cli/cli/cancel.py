"""`mplp cancel`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import Output, SecretsFile, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime

#: A run with one of these has ended: nothing is left to cancel.
_ENDED = ("completed", "failed", "cancelled")
#: Seconds between looks at a run that another process drives.
_PAUSE = 0.05
#: Seconds, besides the grace time, in which a run should have ended.
_PATIENCE = 20.0


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")] = "",
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Leave the request and do not wait for the end.")
    ] = False,
    output: Output = TextOrJson.text,
    secrets_file: SecretsFile = None,
    state_dir: StateDir = None,
) -> None:
    """Cancel a run.

    It may be driven by another process, wait, or have been interrupted. Running steps get SIGTERM, and
    SIGKILL after the workflow's grace time; everything else is cancelled at once; `finally` steps run.
    A cancelled run cannot be resumed.

    Exit codes: 0 cancelled (or asked, with --no-wait), 1 it ended otherwise before the request was seen,
    2 it had ended already, 75 it is still stopping after the grace time and 20 seconds.

    Example:

      mplp cancel 3f2a --reason "wrong branch"
    """
    from mplp_cli.cli.answering import user_name
    from mplp_cli.errors import RunStateError
    from mplp_cli.render.view import short_id
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run, fits=lambda found: found.status not in _ENDED)
    if record.status in _ENDED:
        raise RunStateError(
            f"run {short_id(record.id)} is {record.status} already",
            hint="`mplp runs` lists those that go on",
            details={"runId": record.id, "status": record.status},
        )
    by = user_name()
    if no_wait:
        _ask(runtime, record, by, reason)
        status = "cancelling"
    else:
        status = _end(runtime, record, by, reason, secrets_file)
    _tell(record, status, as_json=output is TextOrJson.json)
    raise typer.Exit(0 if status in ("cancelled", "cancelling") else 1)


def _tell(record: RunRecord, status: str, *, as_json: bool) -> None:
    from mplp_cli.render.view import short_id

    if as_json:
        from mplp_cli.render.machine import write_document

        write_document({"runId": record.id, "workflowId": record.workflow_id, "status": status})
    else:
        sys.stdout.write(f"run {short_id(record.id)} is {status}\n")


def _ask(runtime: Runtime, record: RunRecord, by: str, reason: str) -> None:
    from mplp_cli.protocols import Control

    runtime.store.request(record.id, Control(seq=0, verb="cancel", by=by, reason=reason))


def _end(runtime: Runtime, record: RunRecord, by: str, reason: str, secrets_file: str | None) -> str:
    """Cancel the run, wait for its end, and say how it ended."""
    from time import sleep

    from mplp_cli.errors import RunBusyError

    asked, deadline = False, runtime.clock.monotonic() + _PATIENCE
    while record.status not in _ENDED:
        if not record.owned:
            # Nobody would see a request: this process takes the run up, to end it.
            try:
                return _end_here(runtime, record.id, by, reason, secrets_file)
            except RunBusyError:
                pass  # somebody else was faster
        elif not asked:
            _ask(runtime, record, by, reason)
            asked, deadline = True, deadline + runtime.stored_plan(record.id).grace / 1000
        if runtime.clock.monotonic() > deadline:
            raise RunBusyError(
                f"run {record.id} is still stopping",
                hint="`mplp status` shows what it waits for",
                details={"runId": record.id},
            )
        sleep(_PAUSE)
        [record] = runtime.store.find_runs(record.id)
    return record.status


def _end_here(runtime: Runtime, run_id: str, by: str, reason: str, secrets_file: str | None) -> str:
    import asyncio

    from mplp_cli.runtime import Screen

    run = runtime.take_up(run_id, Screen(), secrets_file, to_end=True)
    run.drive.cancel(by, reason)
    return asyncio.run(run.go()).status
