"""`mplp approve`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mplp_cli.cli.options import AnsweredBy, AskingStep, BoundTo, Output, StateDir, TextOrJson


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    step: AskingStep = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.", show_default=False)
    ] = "",
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", "-i", metavar="NAME=VALUE", help="An input that the question takes (repeatable)."
        ),
    ] = None,
    inputs_file: Annotated[
        str | None,
        typer.Option("--inputs", metavar="FILE", help="Those inputs as YAML or JSON; `-` for stdin."),
    ] = None,
    by: AnsweredBy = None,
    digest: BoundTo = "",
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Say yes to what a step asks. The first answer counts.

    An `approval` step completes, with the inputs; a step that failed is tried again. If a process still drives
    the run, it goes on by itself; otherwise `mplp resume RUN` does.

    Exit code 2: nothing is asked there, it was answered already, somebody else is asked, or an input does not
    fit. Who answers is a record, not a proof: whoever may write the state may answer under any name.

    Examples:

      mplp approve 3f2a

      mplp approve 3f2a deploy --input version=1.4.2 --reason "checked by hand"
    """
    from mplp_cli.answering import Answer
    from mplp_cli.cli.answering import answer
    from mplp_cli.cli.giving import given_inputs

    def fill(form: dict[str, dict[str, Any]]) -> dict[str, Any]:
        return given_inputs(form, inputs, inputs_file)

    said = Answer("approved", by or "", reason, digest)
    answer(run, step, said, fill, state_dir=state_dir, as_json=output is TextOrJson.json)
