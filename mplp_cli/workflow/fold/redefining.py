"""What another definition means for a run that was read as it was told: what can no longer go on as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mplp_cli.workflow.fold.growth import forget_items, id_in_file
from mplp_cli.workflow.fold.history import RunRedefined
from mplp_cli.workflow.fold.limits import limit_container
from mplp_cli.workflow.fold.resume import forget_end
from mplp_cli.workflow.fold.statuses import (
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    PENDING,
    RUNNING,
    SKIPPED,
    WAITING,
)
from mplp_cli.workflow.plan import CONTAINERS

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


#: Keys without which a step is another one; and a wait.
_ANOTHER = frozenset({"type", "in"})
_ANOTHER_WAIT = frozenset({"for", "until", "event"})


def redefine(state: RunState, fact: RunRedefined) -> None:
    """Fold `run.redefined`; `state` has the new plan and how its steps stood."""
    state.inputs, state.all_slots = fact.inputs, fact.slots
    state.redefined = fact
    keys = {change.step: set(change.keys) for change in fact.changes if change.change == "changed"}
    anew: set[int] = set()
    for step in list(state.plan.steps):  # containers come before their children
        i, changed = step.number, keys.get(id_in_file(step.id), set())
        # A blueprint never runs; it may have been a step before.
        if step.loop >= 0 or step.parent in anew or changed & _ANOTHER:
            _begin_anew(state, i)
            anew.add(i)
        elif changed:
            _changed(state, i, changed, fact.at)
    ending = state.finalizing is not None and state.status != FAILED
    for i, step in enumerate(state.plan.steps):  # containers come before their children
        if state.step_status[i] is not PENDING or step.loop >= 0:
            continue
        if state.status != FAILED and state.stopping is not None and (why := state.doomed(i)):
            _leave_out(state, i, CANCELLED, why, fact.at)
        elif ending and not step.final:
            _leave_out(state, i, SKIPPED, "the run was at its end when it was added", fact.at)
        elif step.parent >= 0:
            _place(state, i, fact.at)


def _changed(state: RunState, i: int, keys: set[str], at: int) -> None:
    kind, status = state.plan.steps[i].kind, state.step_status[i]
    if "when" in keys:
        state.judged.discard(i)
    if kind == "wait" and status is WAITING and i not in state.approvals:
        _changed_wait(state, i, keys, at)
    if status is RUNNING and i in state.branches and not _can_go_on(state, i):
        state.step_status[i] = PENDING
        del state.branches[i]
        state.due.pop(i, None)
    elif status is RUNNING and kind in CONTAINERS and "timeout" in keys:
        state.due.pop(i, None)
        limit_container(state, i, at)


def _changed_wait(state: RunState, i: int, keys: set[str], at: int) -> None:
    """Step `i` waits, and is to wait for something else, or for another time."""
    goes_on = (
        i in state.awaited and not keys & _ANOTHER_WAIT
    )  # it has heard what was published since it began
    if goes_on and "timeout" in keys:
        state.due.pop(i, None)
        if timeout := state.plan.steps[i].timeout:
            state.due[i] = at + timeout
    elif not goes_on and keys & {*_ANOTHER_WAIT, "timeout"}:
        forget_end(state, i)
        state.awaited.pop(i, None)


def _begin_anew(state: RunState, i: int) -> None:
    """A step of another type, or in another place, is another step: nothing of the old one holds, nor of what is in
    it."""
    if state.plan.steps[i].repeat is not None:
        forget_items(state, i)
    forget_end(state, i)
    state.attempts[i] = 0
    state.uncounted.pop(i, None)
    for known in (state.branches, state.approvals, state.awaited, state.kept, state.advice, state.usage):
        known.pop(i, None)


def _can_go_on(state: RunState, i: int) -> bool:
    """Whether the branch that an open step took is still there."""
    instead = state.plan.number.get(state.branches[i], -1)
    return state.plan.steps[i].kind in CONTAINERS or (instead >= 0 and state.plan.steps[instead].parent == i)


def _place(state: RunState, i: int, at: int) -> None:
    """A step that was added inside another: it has its turn still, or it comes too late."""
    step = state.plan.steps[i]
    outer, how = state.plan.steps[step.parent], state.step_status[step.parent]
    if how in (COMPLETED, SKIPPED):
        _leave_out(state, i, SKIPPED, f"`{outer.id}` had ended when it was added", at)
    elif how in ENDED and state.status != FAILED:
        _leave_out(state, i, CANCELLED, f"`{outer.id}` had ended when it was added", at)
    elif outer.kind in CONTAINERS and step.branch != (chose := state.branches.get(outer.number, step.branch)):
        _leave_out(state, i, SKIPPED, f"the condition of `{outer.id}` chose `{chose}`", at)


def _leave_out(state: RunState, i: int, status: str, reason: str, at: int) -> None:
    state.step_status[i], state.ended_at[i], state.reasons[i] = status, at, reason
