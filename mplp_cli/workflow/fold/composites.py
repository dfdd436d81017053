"""Facts that follow from state alone: the end of a container, and of a step that ended with another. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, structs, to_builtins

from mplp_cli.errors import Failure, ParallelExecutionError
from mplp_cli.workflow.fold.history import (
    Event,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepOmitted,
    StepSkipped,
)
from mplp_cli.workflow.fold.joins import bad_end, good_end
from mplp_cli.workflow.fold.outcomes import ItemsFailedError
from mplp_cli.workflow.fold.statuses import CANCELLED, COMPLETED, FAILED, OMITTED, SKIPPED
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.plan import PlanStep


def consequence(state: RunState, i: int) -> Event:
    """The record of a step that the fold has ended as the consequence of something else."""
    step, status, at = state.plan.steps[i].id, state.step_status[i], state.ended_at[i]
    reason = state.reasons.get(i, "")
    if status is COMPLETED:
        return StepCompleted(at, step, state.attempts[i], state.results[i])
    if status is OMITTED:
        return StepOmitted(at, step, reason, state.because.get(i, ""))
    if status is SKIPPED:
        return StepSkipped(at, step, reason)
    if status is FAILED:
        return StepFailed(at, step, state.attempts[i], state.errors[i])
    assert status is CANCELLED, status
    return StepCancelled(at, step, state.attempts[i], reason)


def conclusion(state: RunState, i: int, at: int) -> StepCompleted | StepFailed:
    """The end of container `i` (or of a step that fell back to another)."""
    step = state.plan.steps[i]
    if step.kind == "parallel":
        return _parallel(state, step, at)
    if step.kind in ("conditional", "item"):
        return _branch(state, step, at)
    if step.kind == "foreach":
        return _each(state, step, at)
    return _fallback(state, step, at)


def _parallel(state: RunState, step: PlanStep, at: int) -> StepCompleted | StepFailed:
    settled = [_settled(state, c) for c in step.children]
    bad = sum(bad_end(state, c) for c in step.children)
    result: dict[str, Any] = {"status": "completed", "results": settled}
    if step.race:
        result |= {"winner": None, "value": None}
    attempt = state.attempts[step.number]
    if step.race and (winner := state.winners.get(step.number)) is not None:
        first = {"winner": state.plan.steps[winner].id, "value": _value(state, winner)}
        return StepCompleted(at, step.id, attempt, {**result, **first})
    failed = bool(bad) if step.fail_on == "any" else step.fail_on == "all" and bad == len(settled)
    if failed:
        names = [state.plan.steps[c].id for c in step.children if state.step_status[c] in (FAILED, CANCELLED)]
        return StepFailed(at, step.id, attempt, ParallelExecutionError(names).failure(), result)
    return StepCompleted(at, step.id, attempt, result)


def _settled(state: RunState, c: int) -> dict[str, Any]:
    """One child, in the shape that the specification gives it. What did not run has no value."""
    rejected = bad_end(state, c)
    error = _error_of(state, c) if rejected else None
    value = state.results[c] if good_end(state, c) else None
    return {
        "stepId": state.plan.steps[c].id,
        "status": "rejected" if rejected else "fulfilled",
        "value": value,
        "error": error,
    }


def _error_of(state: RunState, c: int) -> Json:
    failure = state.errors.get(c)
    if failure is not None:
        return to_builtins(failure)
    return {"type": state.step_status[c], "message": state.reasons.get(c, "")}


def _branch(state: RunState, step: PlanStep, at: int) -> StepCompleted | StepFailed:
    taken = [c for c in step.children if state.plan.steps[c].branch == state.branches[step.number]]
    attempt = state.attempts[step.number]
    for c in taken:
        if state.step_status[c] is FAILED:
            return StepFailed(at, step.id, attempt, inside(state, c))
    return StepCompleted(at, step.id, attempt, _value(state, taken[-1]) if taken else None)


def _each(state: RunState, step: PlanStep, at: int) -> StepCompleted | StepFailed:
    """The results in item order, null for an item that failed."""
    assert step.repeat is not None
    results = [_value(state, c) if state.step_status[c] is COMPLETED else None for c in step.children]
    attempt = state.attempts[step.number]
    items = [
        {"index": state.items[c].index, "error": _error_of(state, c)}
        for c in step.children
        if bad_end(state, c)
    ]
    if not items:
        return StepCompleted(at, step.id, attempt, results)
    failure = ItemsFailedError(len(results), items).failure()
    tolerated = max(step.repeat.tolerated, int(step.repeat.tolerated_share * len(results) + 1e-9))
    failed = len(items) == len(results) if step.fail_on == "all" else step.fail_on == "any"
    if failed and len(items) > tolerated:
        return StepFailed(at, step.id, attempt, failure, results)
    return StepCompleted(at, step.id, attempt, results, failure)


def _fallback(state: RunState, step: PlanStep, at: int) -> StepCompleted | StepFailed:
    i = step.number
    child = state.plan.number[state.branches[i]]
    if bad_end(state, child):
        own, instead = state.errors[i], state.errors.get(child)
        tail = f"; its fallback `{state.branches[i]}` failed too: {instead.message}" if instead else ""
        return StepFailed(at, step.id, state.attempts[i], structs.replace(own, message=own.message + tail))
    return StepCompleted(at, step.id, state.attempts[i], _value(state, child), state.errors[i])


def inside(state: RunState, c: int) -> Failure:
    """The failure of a child as its container's own."""
    failure = state.errors[c]
    return structs.replace(failure, message=f"`{state.plan.steps[c].id}`: {failure.message}", retryable=False)


def _value(state: RunState, c: int) -> Json:
    return None if state.results[c] is UNSET else state.results[c]
