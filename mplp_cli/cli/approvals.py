"""`mplp approvals`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson


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
    from mplp_cli.answering import question_object, questions
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.tables import approvals_table
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    found = questions(runtime, run, everything=everything)
    questioned = [question_object(runtime.store, asked) for asked in found]
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"approvals": questioned})
    elif found:
        above = {one["runId"]: str(one["parent"]["runId"]) for one in questioned if "parent" in one}
        now = runtime.clock.now()
        show(lambda theme, width: approvals_table(found, now, theme, width, above), no_color=no_color)
    else:
        note("nothing was ever asked" if everything else "nothing is asked")
