"""`mplp approve`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import AnsweredBy, AskingStep, Output, StateDir, TextOrJson


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    step: AskingStep = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.", show_default=False)
    ] = "",
    by: AnsweredBy = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Say yes to what a step asks: the step is tried again. The first answer counts.

    If a process still drives the run, it goes on by itself; otherwise `mplp resume RUN` does.

    Exit code 2: nothing is asked there, or it was answered already.

    Examples:

      mplp approve 3f2a

      mplp approve 3f2a deploy --reason "checked by hand"
    """
    from mplp_cli.cli.answering import answer

    answer(
        run,
        step,
        "approved",
        reason=reason,
        by=by,
        state_dir=state_dir,
        as_json=output is TextOrJson.json,
    )
