"""`mplp cancel`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import NoWait, Output, SecretsFile, StateDir, TextOrJson, Why


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    reason: Why = "",
    no_wait: NoWait = False,
    output: Output = TextOrJson.text,
    secrets_file: SecretsFile = None,
    state_dir: StateDir = None,
) -> None:
    """Cancel a run.

    It may be driven by another process, wait, be paused, or have been interrupted. Running steps get
    SIGTERM, and SIGKILL after the workflow's grace time; everything else is cancelled at once; `finally`
    steps run. A cancelled run cannot be resumed.

    Exit codes: 0 cancelled (or asked, with --no-wait), 1 it ended otherwise before the request was seen,
    2 it had ended already, 75 it is still stopping after the grace time and 20 seconds.

    Example:

      mplp cancel 3f2a --reason "wrong branch"
    """
    from mplp_cli.cli.stopping import stop

    code = stop(
        run,
        "cancel",
        reason=reason,
        no_wait=no_wait,
        output=output,
        secrets_file=secrets_file,
        state_dir=state_dir,
    )
    raise typer.Exit(code)
