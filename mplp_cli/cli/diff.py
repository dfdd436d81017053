"""`mplp diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.recorded import Recorded


def main(
    first: Annotated[
        str, typer.Argument(metavar="RUN1", help="A run id, a prefix of one, or a workflow id.")
    ],
    second: Annotated[str, typer.Argument(metavar="RUN2", help="Another run of the same workflow.")],
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Also list the steps that are the same.")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Ids and times that every run makes anew are differences, too.")
    ] = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Show where two runs of a workflow part.

    Compared are the definitions, the inputs, and of every step the status, the attempts, the failure or
    reason and the result, in the order in which the first run ended them; then the outputs. Durations are
    shown, and are no difference. Ids and times count as the same where they correspond.

    Exit codes: 0 the same, 1 different, 2 no such runs, or runs of two workflows.

    Examples:

      mplp diff 3f2a 91c0

      mplp diff 3f2a 91c0 --all --output json
    """
    from mplp_cli.cli.showing import show
    from mplp_cli.observe.comparison import compare
    from mplp_cli.render.compared import compared_document, compared_screen

    one, two = _recorded(state_dir, first, second)
    told, statuses = compare(one.state, two.state, exact=exact), (one.status, two.status)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(compared_document(told, statuses))
    else:
        show(
            lambda theme, width: compared_screen(
                told, theme, width, everything=everything, statuses=statuses
            ),
            no_color=no_color,
        )
    raise typer.Exit(0 if told.same else 1)


def _recorded(state_dir: str | None, first: str, second: str) -> tuple[Recorded, Recorded]:
    from mplp_cli.errors import UsageError
    from mplp_cli.recorded import recorded
    from mplp_cli.render.view import short_id
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    one, two = runtime.find_run(first), runtime.find_run(second)
    if one.workflow_id != two.workflow_id:
        raise UsageError(
            f"run {short_id(one.id)} is of workflow {one.workflow_id!r}, run {short_id(two.id)} of {two.workflow_id!r}",
            hint="name two runs of one workflow; `mplp runs --workflow ID` lists them",
        )
    return recorded(runtime, one), recorded(runtime, two)
