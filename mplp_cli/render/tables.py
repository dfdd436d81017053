"""Plain aligned tables: runs, approvals, examples, the steps of a run. Data in, screens out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mplp_cli.protocols import ApprovalRecord, RunRecord, Standing
from mplp_cli.render.grid import grid, wrapped
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.queued import place_text
from mplp_cli.render.theme import STATUS_STYLE, Theme
from mplp_cli.render.view import (
    RunView,
    approve_command,
    attempt_text,
    awaited_text,
    cause_text,
    failure_text,
    first_line,
    form_lines,
    is_leaf,
    names,
    short_id,
    short_json,
    shortage_text,
    shown,
    took,
    unmet,
)
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import duration_text

if TYPE_CHECKING:
    from mplp_cli.store.pruning import EndedRun


def _status(status: str, theme: Theme) -> Line:
    glyph = theme.glyph(status) if status in STATUS_STYLE else theme.glyph("dot")
    return Line(f"{glyph} {status}", STATUS_STYLE.get(status, ""))


def ago(ms: int) -> str:
    """How long ago: `just now`, `5m ago`, `3d ago`."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)):
        if ms >= size:
            return f"{ms // size}{unit} ago"
    return f"{ms // 1000}s ago" if ms >= 5_000 else "just now"


# ---- runs --------------------------------------------------------------------------------------


def status_of(run: RunRecord) -> str:
    """The status for people: a run that should go on, or wait for its turn, and that nobody holds is interrupted."""
    return "interrupted" if run.status in ("running", "pending") and not run.owned else run.status


def runs_table(
    runs: Sequence[RunRecord], now: int, theme: Theme, width: int, turns: Mapping[str, Standing] | None = None
) -> Screen:
    """`mplp runs`. `turns`: how runs stand under their concurrency keys; a column if any of these does."""
    rows = []
    turns = turns or {}
    keyed, linked = any(run.id in turns for run in runs), any(map(_made_for, runs))
    for run in runs:
        status = status_of(run)
        spent = duration_text((run.ended_at or now) - run.created_at) if status != "interrupted" else ""
        row = (
            Line(short_id(run.id)),
            _named(run),
            _status(status, theme),
            Line(ago(now - run.created_at), "dim"),
            Line(spent, "dim"),
        )
        place = place_text(turns[run.id]) if run.id in turns else ""
        more = [Line(place, "dim")] if keyed else []
        more += [Line(_made_for(run), "dim")] if linked else []
        rows.append((*row, *more))
    more_heads = [*(["PLACE"] if keyed else []), *([""] if linked else [])]
    head = ("RUN", "WORKFLOW", "STATUS", "STARTED", "TOOK", *more_heads)
    return grid(head, rows, theme=theme, width=width, right=(4,))


def _named(run: RunRecord) -> Line:
    line = Line(run.workflow_id)
    parent = run.parent
    return line if parent is None else line.add(f" of {short_id(parent.run)} {parent.step}", "dim")


def children_table(runs: Sequence[RunRecord], theme: Theme, width: int) -> Screen:
    """The runs of the sub-workflows of a run."""
    rows = [
        (
            Line(run.parent.step if run.parent is not None else ""),
            Line(short_id(run.id)),
            Line(run.workflow_id),
            _status(status_of(run), theme),
        )
        for run in runs
    ]
    return grid(("SUB-WORKFLOW OF", "RUN", "WORKFLOW", "STATUS"), rows, theme=theme, width=width)


def _made_for(run: RunRecord) -> str:
    if run.relation is not None and run.relation.kind == "rerun":
        return f"rerun of {short_id(run.relation.run)}"
    return "" if run.cause is None else cause_text(run.cause).partition(",")[0]


def ended_table(runs: Sequence[EndedRun], now: int, theme: Theme, width: int) -> Screen:
    """The runs that `mplp runs prune` is about."""
    rows = [
        (
            Line(short_id(run.id)),
            Line(run.workflow_id),
            _status(run.status, theme),
            Line(ago(now - run.ended_at), "dim"),
        )
        for run in runs
    ]
    return grid(("RUN", "WORKFLOW", "STATUS", "ENDED"), rows, theme=theme, width=width)


def approvals_table(
    approvals: Sequence[ApprovalRecord],
    now: int,
    theme: Theme,
    width: int,
    parents: Mapping[str, str] | None = None,
) -> Screen:
    """`mplp approvals`. `parents` has the run that a sub-workflow runs for, by the sub-workflow's run."""
    rows = []
    for asked in approvals:
        who = f" (asks {', '.join(asked.approvers)})" if asked.approvers else ""
        state = "waiting" if asked.state == "pending" else asked.state
        parent = (parents or {}).get(asked.run, "")
        rows.append(
            (
                Line(short_id(asked.run)).add(f" of {short_id(parent)}" if parent else "", "dim"),
                Line(asked.step, "strong"),
                Line(ago(now - asked.asked_at), "dim"),
                _status(state, theme),
                Line(first_line(asked.message) + who),
            )
        )
    table = grid(("RUN", "STEP", "ASKED", "STATE", "MESSAGE"), rows, theme=theme, width=width)
    return Screen([*table, *_forms(approvals, width)])


def _forms(approvals: Sequence[ApprovalRecord], width: int) -> Iterator[Line]:
    """What the questions take that are not answered yet."""
    for asked in approvals:
        if asked.form and asked.state == "pending":
            run = short_id(asked.run)
            yield Line()
            yield Line(f"{run} {asked.step} ", "strong").add("takes")
            for text in form_lines(asked.form):
                yield from (Line("  ").extend(part) for part in wrapped(Line(text), width - 2))
            yield Line("  ").add(approve_command(run, asked.step, asked), "key")


def events_table(events: Sequence[tuple[int, Published]], now: int, theme: Theme, width: int) -> Screen:
    """`mplp events`."""
    rows = [
        (
            Line(str(seq), "dim"),
            Line(ago(now - event.at), "dim"),
            Line(event.type, "strong"),
            Line(event.source, "dim"),
            Line(short_json(event.data, 200)),
        )
        for seq, event in events
    ]
    return grid(("NUMBER", "PUBLISHED", "TYPE", "SOURCE", "DATA"), rows, theme=theme, width=width, right=(0,))


def status_table(plan: Plan, state: RunView, now: int, theme: Theme, width: int) -> Screen:
    """The steps of `mplp status RUN`."""
    rows = []
    for step in shown(plan, state):
        i = step.number
        tries = str(state.attempts[i]) if is_leaf(step) and state.attempts[i] else ""
        rows.append(
            (
                Line("  " * _depth(plan, i) + step.id),
                _status(state.step_status[i], theme),
                Line(tries, "dim"),
                Line(duration_text(spent) if (spent := took(state, i, now)) else "", "dim"),
                Line(_why(plan, state, i), "bad" if state.step_status[i] == "failed" else "dim"),
            )
        )
    return grid(("STEP", "STATUS", "TRIES", "TOOK", ""), rows, theme=theme, width=width, right=(2, 3))


def _depth(plan: Plan, i: int) -> int:
    depth = 0
    while (i := plan.steps[i].parent) >= 0:
        depth += 1
    return depth


def _why(plan: Plan, state: RunView, i: int) -> str:
    match state.step_status[i]:
        case "failed":
            error = state.errors.get(i)
            return f"{error.type}: {failure_text(error)}" if error else ""
        case "retrying":
            tries = attempt_text(plan.steps[i], state.attempts[i])
            return f"{tries} failed: {failure_text(state.errors.get(i))}"
        case "waiting" if i in state.approvals:
            return f"approval: {first_line(state.approvals[i].message)}"
        case "waiting" if i in state.awaited:
            return awaited_text(state.awaited[i])
        case "pending":
            before = unmet(plan, state, i)
            return f"after {names(plan, before)}" if before else ""
        case "queued":
            return shortage_text(plan, state, i)
        case "completed" if i in state.kept:
            return f"kept from run {short_id(state.kept[i])}"
        case _:
            return first_line(state.reasons.get(i, ""))


# ---- files -------------------------------------------------------------------------------------


def files_table(files: Sequence[Mapping[str, Any]], folder: str, theme: Theme, width: int) -> Iterator[Line]:
    """`mplp artifacts`: the files `{step, file, size}` of a run, and where they are."""
    rows = [(Line(one["step"], "strong"), Line(one["file"]), Line(f"{one['size']:,}")) for one in files]
    yield from grid(("STEP", "FILE", "BYTES"), rows, theme=theme, width=width, right=(2,))
    yield Line(f"in {folder}", "dim")


# ---- examples ----------------------------------------------------------------------------------


def examples_table(examples: Sequence[tuple[str, str]], theme: Theme, width: int) -> Screen:
    """`mplp examples`: (name, what it shows) pairs."""
    rows = [(Line(name, "key"), Line(says)) for name, says in examples]
    return grid(("EXAMPLE", "WHAT IT SHOWS"), rows, theme=theme, width=width)
