"""`mplp explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    step: Annotated[str, typer.Argument(metavar="STEP", help="A step of the run.")],
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Explain why a step is what it is.

    Why it ran, waited, was tried again, fell back, failed, or was skipped, omitted or cancelled: its
    dependencies and join rule, its condition with the values of that moment, every attempt with its delay,
    what was asked and who answered. All of it is read from the stored history.

    Exit code 0 whatever became of the step.

    Examples:

      mplp explain 3f2a deploy

      mplp explain my-workflow deploy --output json
    """
    from mplp_cli.cli.recorded import check_step
    from mplp_cli.cli.showing import show
    from mplp_cli.observe.explanation import explain
    from mplp_cli.render.explained import explained_document, explained_screen
    from mplp_cli.render.tables import status_of
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run)
    plan = runtime.stored_plan(record.id)
    facts = [fact for _, fact in runtime.store.history(record.id)]
    check_step(plan, facts, record, step)
    told, status = explain(plan, facts, step), status_of(record)
    now = facts[-1].at if status == "interrupted" and facts else runtime.clock.now()
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(explained_document(told, status, now))
    else:
        show(lambda theme, width: explained_screen(told, status, now, theme, width), no_color=no_color)
