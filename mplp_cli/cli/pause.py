"""`mplp pause`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import NoWait, Output, StateDir, TextOrJson, Why


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    reason: Why = "",
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Come back only when nothing runs any more, however long that takes."),
    ] = False,
    no_wait: NoWait = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Pause a run: attempts that run finish, nothing new starts.

    When nothing runs any more, the run is `paused` and its process ends with exit code 3. `mplp resume` goes
    on with it; before that, it takes the pause back. A run that waits or was interrupted is paused at once.

    Exit codes: 0 the run is pausing or paused (asked, with --no-wait), 1 it ended, or went on, before that,
    2 it had ended already, 75 the process that drives it does not answer.

    Example:

      mplp pause 3f2a --reason "the server is down"
    """
    from mplp_cli.cli.showing import note, tell_status
    from mplp_cli.errors import UsageError
    from mplp_cli.render.view import short_id
    from mplp_cli.requesting import ENDED, Until, pause
    from mplp_cli.runtime import Runtime

    if wait and no_wait:
        raise UsageError("--wait and --no-wait say opposite things")
    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run, fits=lambda found: found.status not in ENDED)
    until: Until = "rests" if wait else "asked" if no_wait else "heard"
    status, already = pause(runtime, record, reason, until)
    tell_status(record, status, output, " already" if already else "")
    if status not in ("paused", "pausing"):
        raise typer.Exit(1)
    if output is TextOrJson.text:
        first = "" if status == "paused" else "what runs finishes first; "
        what = "goes on" if status == "paused" else "takes it back"
        note(f"{first}`mplp resume {short_id(record.id)}` {what}")
