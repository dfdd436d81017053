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
    from mplp_cli.cli.pausing import pause_run
    from mplp_cli.errors import UsageError

    if wait and no_wait:
        raise UsageError("--wait and --no-wait say opposite things")
    code = pause_run(
        run,
        reason=reason,
        until="rests" if wait else "asked" if no_wait else "heard",
        output=output,
        state_dir=state_dir,
    )
    raise typer.Exit(code)
