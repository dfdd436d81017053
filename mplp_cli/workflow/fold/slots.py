"""Who gets a slot of the run, and a lane of its parallel."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from mplp_cli.workflow.fold.commands import Start
from mplp_cli.workflow.fold.resume import go_on
from mplp_cli.workflow.fold.statuses import QUEUED
from mplp_cli.workflow.plan import CONTAINERS

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


def release(state: RunState) -> None:
    """Start what is ready, by rank, while there are slots and lanes."""
    ready, plan = state.ready, state.plan
    while ready:
        i = plan.by_rank[ready[0]]
        back = i in state.returning
        if not back and (state.step_status[i] is not QUEUED or i in state.holding or i in state.in_lane):
            heappop(ready)
            continue
        step = plan.steps[i]
        if step.effect and not state.slots:
            break
        heappop(ready)
        if step.parent in state.lanes:
            if not state.lanes[step.parent]:
                heappush(state.parked.setdefault(step.parent, []), step.rank)
                continue
            state.lanes[step.parent] -= 1
            state.in_lane.add(i)
        if back:
            go_on(state, i)
            continue
        if step.effect:
            state.slots -= 1
            state.holding.add(i)
        state.ask(Start(i, state.attempts[i] + 1))
        if step.kind in CONTAINERS:
            state.opening.add(i)
            break


def unpark(state: RunState, parent: int) -> None:
    """A lane of `parent` is free: the first child that waits for one may try for a slot."""
    waiting = state.parked.get(parent)
    while waiting:
        rank = heappop(waiting)
        i = state.plan.by_rank[rank]
        if state.step_status[i] is QUEUED or i in state.returning:
            heappush(state.ready, rank)
            return
