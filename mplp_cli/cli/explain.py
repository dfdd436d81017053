"""`mplp explain`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.render.ink import Line
    from mplp_cli.render.theme import Theme


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
    what was asked and who answered. All of it is read from the stored history. What it took is set against
    what is usual in other runs of the workflow.

    Exit code 0 whatever became of the step.

    Examples:

      mplp explain 3f2a deploy

      mplp explain my-workflow deploy --output json
    """
    from mplp_cli.cli.showing import show
    from mplp_cli.observe.explanation import explain
    from mplp_cli.recorded import check_step, shortage_of
    from mplp_cli.render.explained import explained_document, explained_screen
    from mplp_cli.render.grid import wrapped
    from mplp_cli.render.ink import Line
    from mplp_cli.render.stored import cause_object, children_objects
    from mplp_cli.render.tables import children_table, status_of
    from mplp_cli.render.view import cause_text
    from mplp_cli.resources.learned import estimates_of
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.fold.growth import id_in_file
    from mplp_cli.workflow.fold.subworkflows import KIND

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run)
    plan = runtime.stored_plan(record.id)
    facts = [fact for _, fact in runtime.store.history(record.id)]
    check_step(plan, facts, record, step)
    told, status = explain(plan, facts, step), status_of(record)
    if status == "running":
        told.state.shortage = shortage_of(runtime, record.id)
    runs = [run for run in runtime.store.runs(child_of=record.id) if run.parent and run.parent.step == step]
    now = facts[-1].at if status == "interrupted" and facts else runtime.clock.now()
    name = id_in_file(step)
    usual = estimates_of(runtime.store, record.workflow_id, [name], but=record.id).get(name)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        related = {"runs": children_objects(runs)} if told.step.kind == KIND else {}
        write_document({**explained_document(told, status, now, usual), **related, **cause_object(record)})
        return

    def screen(theme: Theme, width: int) -> Iterator[Line]:
        yield from explained_screen(told, status, now, theme, width, usual)
        if record.cause is not None:
            yield Line()
            yield from wrapped(Line(f"The run was started by {cause_text(record.cause)}.", "dim"), width)
        if runs:
            yield Line()
            yield from children_table(runs, theme, width)

    show(screen, no_color=no_color)
