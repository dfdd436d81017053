"""What hangs on a step: what stands inside it, what waits for it, and the containers around it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mplp_cli.workflow.fold.statuses import CANCELLED, COMPLETED, ENDED, FAILED, OMITTED, SKIPPED
from mplp_cli.workflow.model import CountJoin
from mplp_cli.workflow.plan import CONTAINERS, Plan

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


def inside(plan: Plan, i: int) -> Iterator[int]:
    """Step `i` and every step in it, at any depth."""
    stack = [i]
    while stack:
        i = stack.pop()
        yield i
        stack.extend(plan.steps[i].children)


def following(plan: Plan, i: int) -> Iterator[int]:
    """The steps that wait for the end of step `i` itself."""
    yield from plan.dependants[i]
    if (after := plan.next_in_block.get(i, -1)) >= 0:
        yield after


def around(plan: Plan, i: int) -> Iterator[int]:
    """The steps that step `i` stands in, the innermost first."""
    while (i := plan.steps[i].parent) >= 0:
        yield i


def tried_again(state: RunState, i: int) -> set[int]:
    """What starts once more in a failed run if only step `i` is tried again: it, and what waits on it.

    The containers around it open again, too. What ended well is passed over, and so is what waits on that.
    """
    plan, chosen = state.plan, set(around(state.plan, i))
    waiting = [i, *(d for outer in chosen for d in following(plan, outer))]
    while waiting:
        d = waiting.pop()
        if d in chosen or state.step_status[d] in (COMPLETED, SKIPPED):
            continue
        chosen.update(inside(plan, d))
        waiting += [n for member in inside(plan, d) for n in following(plan, member)]
    return chosen


def retried(state: RunState, i: int) -> int:
    """The step that is tried again when step `i` is named: itself, or one around it that has to begin anew."""
    steps = state.plan.steps
    for outer in around(state.plan, i):
        opened = steps[outer].kind in CONTAINERS and outer in state.branches
        if not opened or state.step_status[outer] in (COMPLETED, SKIPPED):
            i = outer
    return i


def standing(state: RunState, chosen: Iterable[int]) -> list[int]:
    """The steps of the top level that keep a failed run failed when only `chosen` are tried again."""
    again = set(chosen)
    return [i for i in state.plan.top if i not in again and state.step_status[i] in (FAILED, CANCELLED)]


def obstacle(plan: Plan, i: int, statuses: dict[int, str]) -> int:
    """The first dependency without which step `i` cannot run, given how steps stand; -1 if it can.

    A step without a status in `statuses` is going to run.
    """
    step = plan.steps[i]
    if step.breaks and statuses.get(step.after, "") in (FAILED, CANCELLED):
        return step.after
    ended = {d: statuses[d] for d in step.needs if statuses.get(d, "") in ENDED}
    bad = [d for d, status in ended.items() if status is not COMPLETED]
    if not bad:
        return -1
    hopeful = len(step.needs) - len(bad)
    match step.join:
        case "all-completed":
            return bad[0]
        case "any-completed":
            return -1 if hopeful else bad[0]
        case "none-failed":
            return next((d for d in bad if ended[d] in (FAILED, CANCELLED, OMITTED)), -1)
        case CountJoin(count=count):
            return -1 if hopeful >= count else bad[0]
        case _:
            return -1
