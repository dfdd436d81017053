"""Everything that a report shows, put together from a stored run: what the page and the picture are drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from mplp_cli.observe.axis import Axis, axis
from mplp_cli.observe.explanation import Explanation, explain_each
from mplp_cli.observe.graph import Graph, graph_of
from mplp_cli.observe.levels import Level, levels
from mplp_cli.observe.picture import Picture, picture
from mplp_cli.render.report.rows import Listed, Row, listed, rows_of
from mplp_cli.render.spent import critical_path
from mplp_cli.workflow.fold.history import Event
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.published import Cause

#: Failed steps that are told with their reasons and the end of their log; all others with their message.
EXPLAINED: Final = 20

#: The last lines that an attempt of a step wrote.
Wrote = Callable[[str, int], Sequence[str]]


class Reported(Struct, frozen=True, kw_only=True):
    """A run as a report shows it. `now` is the present, or the last moment of a run that nobody drives."""

    plan: Plan
    state: RunState
    status: str
    now: int
    cause: Cause | None
    warning: str
    picture: Picture
    axis: Axis
    critical: Sequence[int]
    rows: Sequence[Row]
    steps: Sequence[Listed]
    graph: Graph
    levels: Sequence[Level]
    #: The failed steps, those that failed by themselves before those around them; of the first, why.
    failed: Sequence[int]
    why: Mapping[int, Explanation]
    masker: Masker
    wrote: Wrote


def gathered(  # noqa: PLR0913 - all that is known of a run
    plan: Plan | None,
    state: RunState,
    facts: Sequence[Event],
    *,
    status: str,
    now: int,
    cause: Cause | None = None,
    warning: str = "",
    masker: Masker | None = None,
    wrote: Wrote = lambda _step, _attempt: (),
) -> Reported:
    """Put a report together. `plan` is the one that the run began with, None if nobody knows it."""
    drawn = picture(plan, state, facts, now)
    course = state.plan
    critical = critical_path(course, state)
    bad = [
        step.number for step in course.steps if state.step_status[step.number] == "failed" and step.loop < 0
    ]
    failed = sorted(bad, key=lambda i: (bool(course.steps[i].children), state.ended_at[i], i))
    named = [course.steps[i].id for i in failed[:EXPLAINED]]
    told = explain_each(plan, facts, named) if named and plan is not None else []
    work = (
        (mark.begun, mark.ended) for marks in drawn.marks.values() for mark in marks if mark.what == "attempt"
    )
    return Reported(
        plan=course,
        state=state,
        status=status,
        now=now,
        cause=cause,
        warning=warning,
        picture=drawn,
        axis=axis(drawn.begun, drawn.ended, work),
        critical=critical,
        rows=rows_of(course, state, drawn, critical, now),
        steps=listed(course, state, drawn, now),
        graph=graph_of(course, state, critical),
        levels=levels(drawn, course, state.all_slots),
        failed=failed,
        why=dict(zip(failed, told, strict=False)),
        masker=masker or Masker({}),
        wrote=wrote,
    )
