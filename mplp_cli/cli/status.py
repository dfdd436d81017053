"""`mplp status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.cli.family import Family
    from mplp_cli.cli.recorded import Recorded
    from mplp_cli.render.ink import Line
    from mplp_cli.render.theme import Theme


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Show where a run stands.

    Every step with its status, attempts, time, and why it is so.

    Exit code 0 whatever became of the run; `--output json` tells its status.

    Examples:

      mplp status 3f2a

      mplp status my-workflow --output json
    """
    from mplp_cli.cli.family import children_objects, family_of, parent_object
    from mplp_cli.cli.recorded import recorded
    from mplp_cli.cli.showing import show
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run)
    told = recorded(runtime, record)
    family = family_of(runtime.store, record)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import run_document, write_document

        document = run_document(told.plan, told.state, now=told.now)
        related: dict[str, Any] = {"parent": parent_object(record)} if record.parent is not None else {}
        if told.plan.included:
            related["children"] = children_objects(family.children)
        write_document({**document, "status": told.status, **related})
    else:
        present = runtime.clock.now()
        show(lambda theme, width: _screen(told, family, present, theme, width), no_color=no_color)


def _screen(told: Recorded, family: Family, present: int, theme: Theme, width: int) -> Iterator[Line]:
    from mplp_cli.render.ink import Line
    from mplp_cli.render.tables import ago, children_table, status_table
    from mplp_cli.render.theme import STATUS_STYLE
    from mplp_cli.render.view import run_took, short_id
    from mplp_cli.workflow.values import duration_text

    state, dot = told.state, f" {theme.glyph('dot')} "
    head = Line(f"{theme.glyph(told.status)} {told.plan.workflow.id} ", STATUS_STYLE[told.status])
    yield head.add(told.status, STATUS_STYLE[told.status])
    facts = [
        f"run {state.run_id}",
        duration_text(run_took(state, told.now)),
        f"started {ago(present - state.started)}",
    ]
    yield Line("  " + dot.join(facts), "dim").fit(width)
    if (parent := family.run.parent) is not None:
        yield Line(f"  sub-workflow of step {parent.step} of run {parent.other}", "dim").fit(width)
    yield Line()
    yield from status_table(told.plan, state, told.now, theme, width)
    if family.children:
        yield Line()
        yield from children_table(family.children, theme, width)
    if said := list(_after(told, short_id(family.root.id))):
        yield Line()
        yield from said


def _after(told: Recorded, root: str) -> Iterator[Line]:
    """What went wrong, and what can be done; `root` is the run that it belongs to, or itself."""
    from mplp_cli.render.ink import Line
    from mplp_cli.render.view import asked_in, failure_text, short_id

    state = told.state
    if state.error is not None:
        yield Line("failed: ", "bad").add(f"{state.error.type}: {failure_text(state.error)}")
    for warning in state.warnings:
        yield Line("warning: ", "warn").add(warning)
    for i in state.approvals:
        yield Line("asks: ", "warn").add(state.approvals[i].message)
        where, step = asked_in(told.plan, state, i)
        if step:
            answer = f"{short_id(where)} {step}"
            yield Line(f"  mplp approve {answer}, or mplp reject {answer} --reason TEXT", "dim")
    match told.status:
        case "interrupted":
            yield Line(f"No process drives this run. Go on: mplp resume {root}", "dim")
        case "failed":
            yield Line(f"Try the failed steps again: mplp resume {root}", "dim")
        case _:
            return
