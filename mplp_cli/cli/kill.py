"""`mplp kill`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import NoWait, Output, StateDir, TextOrJson, Why


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    reason: Why = "",
    no_wait: NoWait = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """End a run at once, as a second Ctrl-C does.

    Processes of its steps get SIGKILL, everything else is cancelled, and `finally` steps do not run, or
    are stopped too. `mplp cancel` is the gentle way.

    Exit codes: 0 cancelled (or asked, with --no-wait), 1 it ended otherwise: before the request was seen,
    or it had failed and was in its `finally` steps, 2 it had ended already, 75 it is still stopping after
    the grace time and 20 seconds.

    Example:

      mplp kill 3f2a
    """
    from mplp_cli.cli.stopping import stop

    code = stop(
        run, "kill", reason=reason, no_wait=no_wait, output=output, secrets_file=None, state_dir=state_dir
    )
    raise typer.Exit(code)
