"""The rows of a timeline: one for each step that did something, and one for many where they are too many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from mplp_cli.observe.picture import Mark, Picture, is_wait
from mplp_cli.render.report.words import name
from mplp_cli.render.view import RunView, failure_text, is_leaf, shown, took
from mplp_cli.workflow.plan import Plan, PlanStep
from mplp_cli.workflow.values import duration_text

#: Rows beyond which those are folded that are like many others; so many of the longest and of the critical path stay.
MOST: Final = 150
_LONGEST: Final = 20
_CRITICAL: Final = 60
#: Marks of one row, and steps that the table of all steps has.
MARKS: Final = 120
LISTED: Final = 5_000


class Row(Struct, frozen=True, kw_only=True):
    """One row. `steps` is how many it stands for; `status` is empty if they differ."""

    label: str
    status: str
    depth: int
    marks: Sequence[Mark]
    note: str = ""
    took: str = ""
    critical: bool = False
    steps: int = 1


class Listed(Struct, frozen=True):
    """One step in the table of all steps."""

    step: str
    kind: str
    status: str
    attempts: str
    begun: str
    waited: str
    took: str
    why: str


def rows_of(plan: Plan, state: RunView, picture: Picture, critical: Iterable[int], now: int) -> list[Row]:
    """The rows in the order of the file. Every failed step has its own."""
    path = set(critical)
    steps = [step for step in shown(plan, state) if picture.marks.get(step.id)]
    kept = _kept(plan, state, steps, path)
    depth = _depths(plan)
    made: list[Row] = []
    folded: list[PlanStep] = []
    for step in steps:
        if step.number in kept:
            made += _folded(folded, state, picture, depth)
            folded = []
            made.append(
                _row(
                    step, state, picture.marks[step.id], depth[step.number], now, critical=step.number in path
                )
            )
        else:
            folded.append(step)
    return [*made, *_folded(folded, state, picture, depth)]


def _depths(plan: Plan) -> list[int]:
    depths: list[int] = []
    for step in plan.steps:
        depths.append(min(depths[step.parent] + 1, 8) if step.parent >= 0 else 0)
    return depths


def _kept(plan: Plan, state: RunView, steps: Sequence[PlanStep], path: set[int]) -> set[int]:
    """The numbers of the steps that have a row of their own."""
    if len(steps) <= MOST:
        return {step.number for step in steps}
    leaves = [step for step in steps if is_leaf(step)]

    def length(number: int) -> int:
        return -took(state, number)

    longest = sorted((step.number for step in leaves if length(step.number)), key=length)[:_LONGEST]
    kept = {*longest, *sorted(filter(length, path), key=length)[:_CRITICAL]}
    for step in steps:
        status = state.step_status[step.number]
        busy = status in ("running", "retrying", "waiting") and is_leaf(step)
        if status == "failed" or (busy and len(kept) < 4 * MOST) or (step.parent < 0 and not is_leaf(step)):
            kept.add(step.number)
    around = set()
    for number in kept:
        outer = plan.steps[number].parent
        while outer >= 0:
            around.add(outer)
            outer = plan.steps[outer].parent
    return kept | around


def _row(
    step: PlanStep, state: RunView, marks: Sequence[Mark], depth: int, now: int, *, critical: bool
) -> Row:
    i = step.number
    status = state.step_status[i]
    tries = sum(mark.what == "attempt" for mark in marks)
    said = [f"{tries:,} attempts"] if tries > 1 else []
    if waited := sum(mark.length for mark in marks if is_wait(mark)):
        said.append(f"waited {duration_text(waited)}")
    if status == "failed" and (error := failure_text(state.errors.get(i))):
        said.append(error)
    spent = took(state, i, now)
    return Row(
        label=name(step.id),
        status=status,
        depth=depth,
        marks=_fewer(marks),
        note=", ".join(said),
        took=duration_text(spent) if state.started_at[i] else "",
        critical=critical,
    )


def _fewer(marks: Sequence[Mark]) -> Sequence[Mark]:
    """As many marks as a row can show: the longest, and those of attempts that did not succeed."""
    if len(marks) <= MARKS:
        return marks
    order = sorted(range(len(marks)), key=lambda n: (marks[n].outcome == "completed", -marks[n].length))
    return [marks[n] for n in sorted(order[:MARKS])]


def _folded(
    steps: Sequence[PlanStep], state: RunView, picture: Picture, depth: Sequence[int]
) -> Iterable[Row]:
    """One row for steps that follow each other."""
    if not steps:
        return
    statuses = sorted({state.step_status[step.number] for step in steps})
    spans: list[tuple[int, int]] = []
    for step in steps:
        spans += [(m.begun, m.ended) for m in picture.marks[step.id] if m.what == "attempt"]
    marks = [Mark(what="attempt", begun=a, ended=b, outcome="completed") for a, b in _merged(spans)]
    lengths = [took(state, step.number) for step in steps if is_leaf(step)]
    between = ""
    if lengths:
        low, high = duration_text(min(lengths)), duration_text(max(lengths))
        between = low if low == high else f"{low} to {high}"
    yield Row(
        label=f"{len(steps):,} more step{'' if len(steps) == 1 else 's'}",
        status=statuses[0] if len(statuses) == 1 else "",
        depth=min(depth[step.number] for step in steps),
        marks=marks,
        note=", ".join(statuses) + (f"; each took {between}" if between else ""),
        steps=len(steps),
    )


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    ordered = sorted(spans)
    apart = (ordered[-1][1] - ordered[0][0]) // MARKS if ordered else 0
    for begun, ended in ordered:
        if found and begun <= found[-1][1] + apart:
            found[-1] = found[-1][0], max(found[-1][1], ended)
        else:
            found.append((begun, ended))
    return found


def listed(plan: Plan, state: RunView, picture: Picture, now: int) -> list[Listed]:
    """All steps, for the table; of too many those that have failed and the first."""
    steps = shown(plan, state)
    if len(steps) > LISTED:
        bad = [step for step in steps if state.step_status[step.number] == "failed"]
        steps = [*bad, *(step for step in steps if state.step_status[step.number] != "failed")][:LISTED]
    return [_listed(step, state, picture.marks, picture.begun, now) for step in steps]


def _listed(
    step: PlanStep, state: RunView, marks: Mapping[str, Sequence[Mark]], begun: int, now: int
) -> Listed:
    i, own = step.number, marks.get(step.id, ())
    status, start = state.step_status[i], state.started_at[i]
    why = failure_text(state.errors.get(i)) if status == "failed" else state.reasons.get(i, "")
    waited = sum(mark.length for mark in own if is_wait(mark))
    return Listed(
        name(step.id),
        step.kind,
        status,
        f"{state.attempts[i]:,}" if state.attempts[i] and is_leaf(step) else "",
        f"+{duration_text(max(start - begun, 0))}" if start else "",
        duration_text(waited) if waited else "",
        duration_text(took(state, i, now)) if start else "",
        why[:200],
    )
