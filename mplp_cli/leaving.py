"""Leaving a run to a process of its own, which outlives this one and the terminal."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mplp_cli.errors import Exit, MplpError

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime

_PAUSE = 0.02
#: Seconds in which a process that has the run begins to go on with it.
_PATIENCE = 1.0
#: Exit codes that say more than that it could not start.
_TELLING = (Exit.BUG, Exit.STORE, Exit.BUSY)


class DriverError(MplpError):
    """The process that was to drive a run did not start, or ended before it held the run."""

    exit_code = Exit.USAGE


async def hand_over(runtime: Runtime, run_id: str, secrets: dict[str, str], junit: str | None = None) -> str:
    """Start the process and wait until it has the run, which this process has stored or taken up; its status then.
    DriverError.

    It takes the run over from this process, so that there is no moment in which nobody holds it: it would lose its
    place under a concurrency key.
    """
    from mplp_cli.render.tables import status_of
    from mplp_cli.store.layout import driver_log
    from mplp_cli.store.locks import process_name

    log = driver_log(runtime.state_dir, run_id)
    arguments = ["resume", run_id, "--take-over", "--output", "quiet", "--state-dir", str(runtime.state_dir)]
    if not runtime.uses_cache:
        arguments.append("--no-cache")
    if runtime.trace_file:
        arguments += ["--trace", str(runtime.cwd / runtime.trace_file)]
    if junit:
        arguments += ["--junit", junit]
    try:
        process = _start(arguments, runtime.environ | secrets, log)
    except OSError as error:
        raise _refusal(run_id, log, Exit.USAGE, error.strerror or str(error)) from error
    deadline = 0.0
    while True:
        code = process.poll()  # before the look: what it did before its end is seen then
        record = runtime.find_run(run_id)
        took = record.owner == process_name(process.pid)
        deadline = deadline or (runtime.clock.monotonic() + _PATIENCE if took else 0.0)
        # It says that it goes on in a moment; one that waits for its turn says nothing.
        goes_on = record.status == "running" or code is not None or runtime.clock.monotonic() > deadline
        if took and goes_on:
            process.returncode = 0  # it goes on without us
            return status_of(record)
        if code is not None:
            raise _refusal(run_id, log, code, _complaint(log) or f"exit code {code}")
        await asyncio.sleep(_PAUSE)


def _start(arguments: list[str], environ: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """`mplp ARGUMENTS` in a session of its own: what happens to our terminal does not reach it."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "mplp_cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            env=environ,
            start_new_session=True,
        )
    finally:
        os.close(written)


def _complaint(log: Path) -> str:
    """What the process said last: its error, if it got so far as to have one of ours."""
    lines = log.read_text("utf-8", "replace").strip().splitlines()[-2:]
    ours = [line.removeprefix("mplp: ") for line in lines if line.startswith("mplp: ")]
    return (ours or lines or [""])[-1]


def _refusal(run_id: str, log: Path, code: int, why: str) -> DriverError:
    from mplp_cli.render.view import short_id

    error = DriverError(
        f"the process that was to drive run {short_id(run_id)} did not start: {why}",
        hint=f"the run is stored: `mplp resume {short_id(run_id)}` drives it; see also {log}",
        details={"runId": run_id, "log": str(log)},
    )
    if code in _TELLING:
        error.exit_code = Exit(code)
    return error
