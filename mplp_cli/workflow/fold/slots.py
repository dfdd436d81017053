"""Who gets a slot of the run, a lane of its parallel, and room in the pool."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from mplp_cli.workflow.fold.commands import Start
from mplp_cli.workflow.fold.resume import go_on
from mplp_cli.workflow.fold.statuses import QUEUED
from mplp_cli.workflow.plan import CONTAINERS, PlanStep

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


def release(state: RunState) -> None:
    """Start what is ready, by rank, while there are slots, lanes and room."""
    ready, plan, room = state.ready, state.plan, state.room
    while True:
        waits = None if room is None else room.best()
        if waits is None and not ready:
            return
        in_line = waits is not None and not (ready and ready[0] < waits)
        rank = waits if waits is not None and in_line else ready[0]
        i = plan.by_rank[rank]
        step = plan.steps[i]
        back = i in state.returning
        idle = not back and (state.step_status[i] is not QUEUED or i in state.holding or i in state.in_lane)
        if step.effect and not state.slots and not idle:
            break
        if room is not None and in_line:
            room.leave()
        else:
            heappop(ready)
        if idle:
            continue
        demand = step.demand if step.effect and room is not None else None
        if room is not None and demand is not None and not in_line and not room.enter(demand, rank):
            continue
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
            if room is not None and demand is not None:
                room.take(i, demand, rank)
        state.ask(Start(i, state.attempts[i] + 1))
        if step.kind in CONTAINERS:
            state.opening.add(i)
            break


def needs_room(step: PlanStep) -> bool:
    """Whether an attempt of the step holds something of the pool."""
    return step.effect and step.demand is not None


def free(state: RunState, i: int) -> None:
    """Step `i` gives back its slot and its room, if it has them."""
    if i in state.holding:
        state.holding.discard(i)
        state.slots += 1
        if state.room is not None:
            state.room.stock.give(i)


def put_back(state: RunState, i: int) -> None:
    """Step `i`, whose attempt has not begun, has no room after all: it is queued as before."""
    if state.step_status[i] is QUEUED and i in state.holding:
        if state.room is not None:
            state.room.stock.undo(i)
        state.give_back(i)
        heappush(state.ready, state.plan.steps[i].rank)


def unpark(state: RunState, parent: int) -> None:
    """A lane of `parent` is free: the first child that waits for one may try for a slot."""
    waiting = state.parked.get(parent)
    while waiting:
        rank = heappop(waiting)
        i = state.plan.by_rank[rank]
        if state.step_status[i] is QUEUED or i in state.returning:
            heappush(state.ready, rank)
            return
