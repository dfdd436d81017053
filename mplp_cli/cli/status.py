"""`mplp status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.cli.family import Family
    from mplp_cli.protocols import Standing
    from mplp_cli.recorded import Recorded
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
    from mplp_cli.cli.artifacts import kept_files
    from mplp_cli.cli.family import family_of
    from mplp_cli.cli.showing import show
    from mplp_cli.recorded import recorded
    from mplp_cli.render.stored import cause_object, children_objects, parent_object
    from mplp_cli.runtime import Runtime
    from mplp_cli.store.layout import artifact_dir

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run)
    told = recorded(runtime, record)
    family = family_of(runtime.store, record)
    run_id = told.state.run_id
    standing = runtime.store.turns.standings(run_id).get(run_id)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import run_document, write_document

        document = run_document(told.plan, told.state, now=told.now, standing=standing, measured=True)
        related: dict[str, Any] = {"parent": parent_object(record)} if record.parent is not None else {}
        related |= cause_object(record)
        if told.plan.included:
            related["children"] = children_objects(family.children)
        if told.warning:
            related["planned"] = told.warning
        write_document({**document, "status": told.status, **related})
    else:
        present = runtime.clock.now()
        kept = len(kept_files(artifact_dir(runtime.state_dir, told.state.run_id)))
        show(
            lambda theme, width: _screen(told, family, standing, present, kept, theme, width),
            no_color=no_color,
        )


def _screen(
    told: Recorded,
    family: Family,
    standing: Standing | None,
    present: int,
    kept: int,
    theme: Theme,
    width: int,
) -> Iterator[Line]:
    from mplp_cli.render.grid import wrapped
    from mplp_cli.render.ink import Line
    from mplp_cli.render.tables import ago, children_table, status_table
    from mplp_cli.render.theme import STATUS_STYLE
    from mplp_cli.render.view import cause_text, rerun_text, run_took, short_id
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
        yield Line(f"  sub-workflow of step {parent.step} of run {parent.run}", "dim").fit(width)
    if (cause := family.run.cause) is not None:
        yield Line(f"  started by {cause_text(cause)}", "dim").fit(width)
    yield from _turn(told, standing, present)
    if state.rerun is not None:
        yield Line(f"  {rerun_text(state.rerun)}", "dim")
    if state.redefined is not None:
        yield Line(f"  goes on with another definition since {ago(present - state.redefined.at)}", "dim")
    if told.warning:
        yield from wrapped(Line(f"warning: {told.warning}", "warn"), width)
    yield Line()
    yield from status_table(told.plan, state, told.now, theme, width)
    if family.children:
        yield Line()
        yield from children_table(family.children, theme, width)
    if said := list(_after(told, short_id(family.root.id), kept)):
        yield Line()
        yield from said


def _turn(told: Recorded, standing: Standing | None, present: int) -> Iterator[Line]:
    """The place that the run has or waits for."""
    from mplp_cli.render.ink import Line
    from mplp_cli.render.queued import queue_text

    if (turn := told.state.turn) is None or standing is None:
        return
    if standing.position:
        yield Line(f"  {queue_text(standing, present)}", "warn")
    else:
        which = "the place" if turn.max == 1 else f"one of {turn.max} places"
        yield Line(f'  has {which} under the concurrency key "{turn.key}"', "dim")


def _after(told: Recorded, root: str, kept: int) -> Iterator[Line]:
    """What went wrong, what can be done, and how many files were kept; `root` is the run it belongs to."""
    from mplp_cli.render.ink import Line
    from mplp_cli.render.view import approve_command, asked_in, failure_text, form_lines, pause_text, short_id

    state = told.state
    if state.error is not None:
        yield Line("failed: ", "bad").add(f"{state.error.type}: {failure_text(state.error)}")
    for warning in state.warnings:
        yield Line("warning: ", "warn").add(warning)
    for i in state.approvals:
        yield Line("asks: ", "warn").add(state.approvals[i].message)
        form = state.approvals[i].form
        where, step = asked_in(told.plan, state, i)
        if step:
            yield from (Line(f"  takes {text}", "dim") for text in form_lines(form))
            how = approve_command(short_id(where), step, state.approvals[i])
            yield Line(f"  {how}, or mplp reject {short_id(where)} {step} --reason TEXT", "dim")
    if kept:
        said = f"{kept:,} file{'' if kept == 1 else 's'} kept: mplp artifacts {short_id(state.run_id)}"
        yield Line(said, "dim")
    match told.status:
        case "running" if state.pausing is not None:
            said = f"Pausing{pause_text(state.pausing)}. What runs finishes, nothing new starts. "
            yield Line(said, "warn").add(f"Take it back: mplp resume {root}", "dim")
        case "paused" if state.pausing is not None:
            yield Line(f"Paused{pause_text(state.pausing)}. ", "warn").add(
                f"Go on: mplp resume {root}", "dim"
            )
        case "waiting":
            yield Line(f"Go on after the answer: mplp resume {root}", "dim")
        case "interrupted":
            yield Line(f"No process drives this run. Go on: mplp resume {root}", "dim")
        case "failed":
            yield Line(f"Try the failed steps again: mplp resume {root}", "dim")
        case _:
            return
