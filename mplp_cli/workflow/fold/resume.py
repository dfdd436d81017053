"""Taking a run up again: the counters are worked out afresh from the statuses.

Completed and skipped steps stay as they are and never run again. An attempt that was in flight is
lost: its step is ready again and the loss does not use up a retry; one that runs `once` is doubtful until
a person was asked. A run that had failed starts its failed, omitted and cancelled steps once more; in a run
that was merely interrupted a failure stands.
"""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING

from msgspec import UNSET, Struct

from mplp_cli.workflow.fold.commands import Arm, Ask, Tell
from mplp_cli.workflow.fold.ends import halt_after, spread
from mplp_cli.workflow.fold.growth import so_far
from mplp_cli.workflow.fold.history import Event, RunResumed
from mplp_cli.workflow.fold.limits import limit_container, limit_run, prolong
from mplp_cli.workflow.fold.onward import tried_again
from mplp_cli.workflow.fold.statuses import (
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    PAUSED,
    PENDING,
    QUEUED,
    RETRYING,
    RUNNING,
    SKIPPED,
    WAITING,
)
from mplp_cli.workflow.fold.subworkflows import starts_again
from mplp_cli.workflow.plan import CONTAINERS, Plan

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


class Onward(Struct, frozen=True):
    """How a stored run goes on: by which plan, from which facts, and what is tried again."""

    plan: Plan
    facts: list[Event]
    begin: RunResumed | None = None


def take_up(state: RunState, at: int, retry: str = "") -> None:
    """Fold `run.resumed`; `retry` is the one step of a failed run that starts once more."""
    again = state.status == FAILED
    reclaim(state, at, retry)
    state.clear()
    state.slots = state.all_slots
    _count(state)
    limit_run(state)
    if not again and state.stopping is None and state.finalizing is None:
        for i, status in enumerate(state.step_status):
            if status is FAILED and i not in state.kept and (halt := halt_after(state, i)) is not None:
                state.halting = True
                state.ask(halt)
                break


def reclaim(state: RunState, at: int, retry: str = "") -> None:
    """What taking a run up means for the statuses of its steps, the counters apart."""
    if state.status == FAILED:
        _reopen(state, at, retry)
        state.limited_from = at
    elif state.status in (WAITING, PAUSED):
        state.limited_from += at - state.waits_since
        if state.status == PAUSED:
            prolong(state, at - state.waits_since)
    state.status, state.pausing = RUNNING, None
    _lose_attempts(state, at)


def _reopen(state: RunState, at: int, retry: str) -> None:
    """A failed run: what did not end well is pending again; `finally` runs again at the next end.

    What stands inside a container that ended well stays as it is: its failures were tolerated.
    """
    chosen = tried_again(state, state.plan.number[retry]) if retry in state.plan.number else None
    state.stopping = state.finalizing = state.error = state.outputs = None
    state.killed = False
    state.ended, state.warnings = 0, []
    again: list[int] = []
    for i, status in enumerate(state.step_status):  # containers come before their children
        step = state.plan.steps[i]
        if step.loop >= 0:
            continue
        if not step.final and (status is COMPLETED or (status is SKIPPED and not _open_again(state, i))):
            continue
        if step.parent >= 0 and state.step_status[step.parent] in ENDED:
            continue
        if i in state.kept or (chosen is not None and not step.final and i not in chosen):
            continue
        forget_end(state, i)
        if step.kind in CONTAINERS and i in state.branches and not step.final:
            state.step_status[i] = RUNNING
            limit_container(state, i, at)
            again.append(i)
    for i in again:
        if state.plan.steps[i].kind == "loop":
            state.results[i] = so_far(state, i)


def _open_again(state: RunState, i: int) -> bool:
    """Whether the skipped step `i` is a fallback, not needed so far, of a step that starts once more."""
    step = state.plan.steps[i]
    return step.branch == "fallback" and state.step_status[step.parent] is PENDING


def forget_end(state: RunState, i: int) -> None:
    """Step `i` is pending again."""
    starts_again(state, i)
    state.step_status[i] = PENDING
    state.uncounted[i] = state.attempts[i]
    state.results[i] = UNSET
    state.started_at[i] = state.ended_at[i] = 0
    state.tainted.discard(i)
    state.judged.discard(i)
    state.refused.discard(i)
    for known in (state.reasons, state.because, state.errors, state.mended, state.due, state.replies):
        known.pop(i, None)
    state.measures.forget(i)
    if state.plan.steps[i].kind not in CONTAINERS:
        state.branches.pop(i, None)
    if state.plan.steps[i].final:  # else the child that won a race stays completed
        state.winners.pop(i, None)


def _lose_attempts(state: RunState, at: int) -> None:
    """Attempts in flight and places in the queue are gone with the process that held them."""
    for i, status in enumerate(state.step_status):
        if status is QUEUED:
            state.step_status[i] = PENDING
        elif status is WAITING and i in state.approvals and state.approvals[i].run:
            del state.approvals[i]  # its sub-workflow is taken up too, and asks again
            state.step_status[i] = PENDING
            state.uncounted[i] = state.uncounted.get(i, 0) + 1
        elif status is RUNNING and state.plan.steps[i].kind not in CONTAINERS and i not in state.branches:
            state.step_status[i] = PENDING
            state.uncounted[i] = state.uncounted.get(i, 0) + 1
            if state.plan.steps[i].asks_agents:
                state.spending.lose(state.plan.steps[i].id)
            if why := state.doomed(i):
                state.step_status[i] = CANCELLED
                state.ended_at[i] = at
                state.reasons[i] = f"{why}; its attempt was lost with the process"
                state.ask(Tell(i))
            elif state.plan.steps[i].once and state.plan.steps[i].effect:
                state.step_status[i] = WAITING
                state.doubtful.add(i)


def _count(state: RunState) -> None:
    """Fill the counters as the facts would have filled them, one ended or open step after the other."""
    steps, statuses = state.plan.steps, state.step_status
    final = state.finalizing is not None
    members = [s.number for s in steps if s.final == final and s.loop < 0]
    ended = [i for i in members if statuses[i] in ENDED]
    state.left = len(members) - len(ended)
    for i in state.plan.final if final else state.plan.top:
        if final:
            state.met(i)
        elif not state.unmet[i] and statuses[i] is PENDING:
            state.make_ready(i)
    chosen: set[int] = set()
    for i in members:
        status = statuses[i]
        if status is RUNNING:
            if _has_room(state, i):
                chosen.update(_reenter(state, i))
        elif status is RETRYING or status is WAITING:
            _wait_on(state, i)
    for i in ended:
        if steps[i].parent < 0 or i in chosen:  # the others' containers have judged them, or passed them over
            spread(state, i)


def _has_room(state: RunState, i: int) -> bool:
    """Whether an open container may go on. A failed run may have more of them than its parent has lanes."""
    step = state.plan.steps[i]
    if step.parent >= 0 and step.parent not in state.open:
        return False  # its own container waits
    if step.parent in state.lanes:
        if not state.lanes[step.parent]:
            state.returning.add(i)
            heappush(state.parked.setdefault(step.parent, []), step.rank)
            return False
        state.lanes[step.parent] -= 1
        state.in_lane.add(i)
    return True


def go_on(state: RunState, i: int) -> None:
    """There is a lane for a container that waited for one, and with it for what is open inside."""
    state.returning.discard(i)
    again = [i]
    while again:
        chosen = _reenter(state, again.pop())
        again += [c for c in chosen if state.step_status[c] is RUNNING and _has_room(state, c)]
        for c in chosen:
            if state.step_status[c] in ENDED:
                spread(state, c)


def _reenter(state: RunState, i: int) -> list[int]:
    """A container that was open: its chosen children may go on."""
    step = state.plan.steps[i]
    if step.kind in CONTAINERS:
        chosen = [c for c in step.children if state.plan.steps[c].branch == state.branches[i]]
    else:
        chosen = [state.plan.number[state.branches[i]]]
    if i in state.due:
        state.ask(Arm(i, state.due[i]))
    state.open[i] = len(chosen)
    for c in chosen:
        state.met(c)
    if not chosen:
        state.conclude(i)
    return chosen


def _wait_on(state: RunState, i: int) -> None:
    if i in state.approvals:
        state.asking += 1
    else:
        state.moving += 1
    if i in state.doubtful:
        state.ask(Ask(i))
    if i in state.due:
        state.ask(Arm(i, state.due[i]))
