"""Taking a run up again: the counters are worked out afresh from the statuses.

Completed and skipped steps stay as they are and never run again. An attempt that was in flight is
lost: its step is ready again and the loss does not use up a retry. A run that had failed starts its
failed, omitted and cancelled steps once more; in a run that was merely interrupted a failure stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mplp_cli.workflow.commands import Arm, Tell
from mplp_cli.workflow.ends import halt_after, spread
from mplp_cli.workflow.plan import CONTAINERS
from mplp_cli.workflow.statuses import (
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    PENDING,
    QUEUED,
    RETRYING,
    RUNNING,
    SKIPPED,
    WAITING,
)

if TYPE_CHECKING:
    from mplp_cli.workflow.state import RunState


def take_up(state: RunState, at: int) -> None:
    """Fold `run.resumed`."""
    again = state.status == FAILED
    state.status = RUNNING
    if again:
        _reopen(state)
    _lose_attempts(state, at)
    state.clear()
    state.slots = state.all_slots
    _count(state)
    if not again and not state.stopping:
        for i, status in enumerate(state.step_status):
            if status is FAILED and (halt := halt_after(state, i)) is not None:
                state.ask(halt)
                break


def _reopen(state: RunState) -> None:
    """A failed run: what did not end well is pending again; `finally` runs again at the next end."""
    state.stopping = state.finalizing = state.error = state.outputs = None
    state.ended, state.warnings = 0, []
    first_final = state.plan.final[0] if state.plan.final else len(state.step_status)
    for i, status in enumerate(state.step_status):
        if i < first_final and status in (COMPLETED, SKIPPED):
            continue
        _forget_end(state, i)
    for i in state.branches:
        if state.step_status[i] is PENDING and state.plan.steps[i].kind in CONTAINERS and i < first_final:
            state.step_status[i] = RUNNING


def _forget_end(state: RunState, i: int) -> None:
    step = state.plan.steps[i]
    if step.parent >= 0 and step.branch and state.step_status[step.parent] is SKIPPED:
        return
    state.step_status[i] = PENDING
    state.uncounted[i] = state.attempts[i]
    state.ended_at[i] = 0
    state.tainted.discard(i)
    for known in (state.reasons, state.because, state.errors, state.due):
        known.pop(i, None)
    if step.kind not in CONTAINERS:
        state.branches.pop(i, None)


def _lose_attempts(state: RunState, at: int) -> None:
    """Attempts in flight and places in the queue are gone with the process that held them."""
    stopping = state.stopping is not None and state.finalizing is None
    for i, status in enumerate(state.step_status):
        step = state.plan.steps[i]
        if status is QUEUED:
            state.step_status[i] = PENDING
        elif status is RUNNING and step.kind not in CONTAINERS and i not in state.branches:
            state.step_status[i] = CANCELLED if stopping else PENDING
            state.uncounted[i] = state.uncounted.get(i, 0) + 1
            if stopping:
                state.ended_at[i] = at
                state.reasons[i] = "its attempt was lost while the run was stopping"
                state.ask(Tell(i))


def _count(state: RunState) -> None:
    """Fill the counters as the facts would have filled them, one ended or open step after the other."""
    steps, statuses = state.plan.steps, state.step_status
    first_final = state.plan.final[0] if state.plan.final else len(steps)
    final = state.finalizing is not None
    members = range(first_final, len(steps)) if final else range(first_final)
    state.left = sum(statuses[i] not in ENDED for i in members)
    for i in state.plan.final if final else state.plan.top:
        if final:
            state.met(i)
        elif not state.unmet[i] and statuses[i] is PENDING:
            state.make_ready(i)
    opened = []
    for i in members:
        status = statuses[i]
        if status is RUNNING:
            opened.append((i, _reenter(state, i)))
        elif status is RETRYING or status is WAITING:
            _wait_on(state, i)
    for i in members:
        if statuses[i] in ENDED:
            spread(state, i)
    for i, chosen in opened:
        state.open[i] = sum(statuses[c] not in ENDED for c in chosen)
        if not state.open[i]:
            state.conclude(i)


def _reenter(state: RunState, i: int) -> list[int]:
    """A container that was open: its chosen children may go on."""
    step = state.plan.steps[i]
    if step.kind in CONTAINERS:
        chosen = [c for c in step.children if state.plan.steps[c].branch == state.branches[i]]
    else:
        chosen = [state.plan.number[state.branches[i]]]
    if step.parent in state.lanes:
        state.lanes[step.parent] -= 1
        state.in_lane.add(i)
    for c in chosen:
        state.met(c)
    return chosen


def _wait_on(state: RunState, i: int) -> None:
    if i in state.approvals:
        state.asking += 1
    else:
        state.moving += 1
    if i in state.due:
        state.ask(Arm(i, state.due[i]))
