"""`mplp approvals`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime


def main(
    run: Annotated[
        str | None,
        typer.Option("--run", "-r", metavar="RUN", help="Only what this run asks.", show_default=False),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Also what is answered or withdrawn.")
    ] = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List what runs ask a person. Answer with `mplp approve` or `mplp reject`.

    Examples:

      mplp approvals

      mplp approvals --run 3f2a --all --output json
    """
    from mplp_cli.answering import questions
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.stored import approval_object
    from mplp_cli.render.tables import approvals_table
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    found = questions(runtime, run, everything=everything)
    parents = {asked.run: parent for asked in found if (parent := _parent(runtime, asked.run))}
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(
            {
                "approvals": [
                    {**approval_object(one), **({"parent": parents[one.run]} if one.run in parents else {})}
                    for one in found
                ]
            }
        )
    elif found:
        above = {run: str(parent["runId"]) for run, parent in parents.items()}
        now = runtime.clock.now()
        show(lambda theme, width: approvals_table(found, now, theme, width, above), no_color=no_color)
    else:
        note("nothing was ever asked" if everything else "nothing is asked")


def _parent(runtime: Runtime, run_id: str) -> dict[str, Any] | None:
    from mplp_cli.render.stored import parent_object

    return next((parent_object(run) for run in runtime.store.find_runs(run_id)), None)
