"""`mplp approvals`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols import ApprovalRecord
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
    from mplp_cli.cli.answering import approval_object
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.tables import approvals_table
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    found = _found(runtime, run, everything=everything)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"approvals": [approval_object(one) for one in found]})
    elif found:
        show(
            lambda theme, width: approvals_table(found, runtime.clock.now(), theme, width), no_color=no_color
        )
    else:
        note("nothing was ever asked" if everything else "nothing is asked")


def _found(runtime: Runtime, run: str | None, *, everything: bool) -> list[ApprovalRecord]:
    from mplp_cli.cli.answering import asking
    from mplp_cli.cli.showing import stored

    run_id = None if run is None else runtime.find_run(run, fits=asking(runtime)).id
    store = stored(runtime)
    return [] if store is None else store.approvals(run_id=run_id, state=None if everything else "pending")
