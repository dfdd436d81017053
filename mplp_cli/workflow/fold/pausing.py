"""Pausing: nothing new starts, what runs finishes, and then the run rests until it is taken up again."""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING

from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.commands import Arm, Judge, Start
from mplp_cli.workflow.fold.statuses import CANCELLED, PAUSED, PENDING, QUEUED, RUNNING, WAITING
from mplp_cli.workflow.plan import CONTAINERS

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


def run_pausing(state: RunState, fact: h.RunPausing) -> None:
    """Fold `run.pausing`; a run that was cancelled is not paused, and a second pause changes nothing."""
    if state.pausing is None and not is_called_off(state):
        state.pausing = fact


def run_continued(state: RunState, _fact: h.RunContinued) -> None:
    """Fold `run.continued`."""
    lift(state)


def run_paused(state: RunState, fact: h.RunPaused) -> None:
    """Fold `run.paused`. What still says that it runs was lost with its process."""
    if state.status is PENDING:  # its time has not begun to count
        state.limited_from = fact.at
    if state.status is not WAITING:  # else it has not counted its time since then
        state.waits_since = fact.at
    for i, status in enumerate(state.step_status):
        if status is RUNNING and state.plan.steps[i].kind not in CONTAINERS and i not in state.branches:
            _lose(state, i, fact.at)
    state.status = PAUSED


def lift(state: RunState) -> None:
    """Take the pause back: what it has kept from starting may start, and what came due meanwhile is due."""
    if state.pausing is None:
        return
    state.pausing = None
    withheld, state.withheld = state.withheld, []
    for i in withheld:
        if state.step_status[i] is QUEUED:
            set_off(state, i)
    for i, due in state.due.items():
        state.ask(Arm(i, due))


def set_off(state: RunState, i: int) -> None:
    """Let step `i`, which is queued, be judged, wait for a slot or start."""
    step = state.plan.steps[i]
    if step.effect and step.when is not None and i not in state.judged:
        state.opening.add(i)
        state.ask(Judge(i))
    elif step.effect or (step.parent >= 0 and step.parent in state.lanes):
        heappush(state.ready, step.rank)
        if step.effect:
            state.ready_since[i] = state.at
    else:
        if step.kind in CONTAINERS:
            state.opening.add(i)
        state.ask(Start(i, state.attempts[i] + 1))


def is_called_off(state: RunState) -> bool:
    """Whether somebody has cancelled or killed the run: there is nothing to go on with after a pause."""
    return state.stopping is not None and (state.killed or state.stopping.cause == "cancel")


def is_resting(state: RunState) -> bool:
    """Whether a run that pauses has come to its rest: nothing runs, and what is left to do would be a start."""
    if state.pausing is None or state.holding or state.status not in (RUNNING, PENDING):
        return False
    return not state.settled or (bool(state.plan.final) and state.finalizing is None and not state.killed)


def _lose(state: RunState, i: int, at: int) -> None:
    """The process of a running attempt is gone; the step is ready again, and the loss uses up no retry.

    A step that runs once waits, and a person is asked when the run goes on.
    """
    step = state.plan.steps[i]
    state.give_back(i)
    state.step_status[i] = QUEUED
    state.uncounted[i] = state.uncounted.get(i, 0) + 1
    if step.once and step.effect:
        state.step_status[i] = WAITING
        state.doubtful.add(i)
    if why := state.doomed(i):
        state.drop(i, CANCELLED, f"{why}; its attempt was lost with the process", at)
