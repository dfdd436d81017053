"""Where the time of a run went."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from mplp_cli.render.view import RunView, is_leaf, took
from mplp_cli.workflow.plan import Plan


def longest(plan: Plan, state: RunView, count: int) -> list[int]:
    """The leaf steps that took longest, the longest first; none that took no time."""
    spent = ((took(state, s.number), -s.number) for s in plan.steps if is_leaf(s))
    return [-i for ms, i in heapq.nlargest(count, spent) if ms > 0]


def critical_path(plan: Plan, state: RunView) -> list[int]:
    """The leaf steps that the end of the run waited for, in order.

    From the step that ended last, back through the dependency that ended last, and so on; inside a
    container the same among its children.
    """
    main = _chain(plan, state, plan.top)
    return [*main, *_chain(plan, state, plan.final)]


def _chain(plan: Plan, state: RunView, members: Sequence[int]) -> list[int]:
    def last(numbers: Iterable[int]) -> int:
        ran = (i for i in numbers if state.step_status[i] in {"completed", "failed"})
        return max(ran, key=lambda i: (state.ended_at[i], i), default=-1)

    at = last(members)
    chain: list[int] = []
    while at >= 0:
        step = plan.steps[at]
        inside = [] if is_leaf(step) else _chain(plan, state, step.children)
        chain += reversed(inside or [at])
        at = last(plan.before(at))
    return [i for i in reversed(chain) if is_leaf(plan.steps[i])]
