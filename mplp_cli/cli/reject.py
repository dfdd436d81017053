"""`mplp reject`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import AnsweredBy, AskingStep, BoundTo, Output, StateDir, TextOrJson


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")],
    step: AskingStep = None,
    by: AnsweredBy = None,
    digest: BoundTo = "",
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Say no to what a step asks: the step fails. The first answer counts.

    If a process still drives the run, it goes on by itself; otherwise `mplp resume RUN` does.

    Exit code 2: nothing is asked there, it was answered already, or somebody else is asked.

    Example:

      mplp reject 3f2a deploy --reason "not on a Friday"
    """
    from mplp_cli.answering import Answer
    from mplp_cli.cli.answering import answer

    said = Answer("rejected", by or "", reason, digest)
    answer(run, step, said, lambda form: {}, state_dir=state_dir, as_json=output is TextOrJson.json)
