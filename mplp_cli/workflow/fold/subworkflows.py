"""The runs of workflows that are steps of others: which run a step gets, and what such a run asks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from mplp_cli.errors import SubworkflowError
from mplp_cli.workflow.fold.history import Approval
from mplp_cli.workflow.values import RunId, StepId, derived_uuid

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState

#: The step type.
KIND = "workflow"


class Renewals(Struct):
    """Of `workflow` steps, by id: how often they began a new run after their first; which go on with a failed one."""

    numbers: dict[str, int] = {}
    again: set[str] = set()


def child_id(state: RunState, step: StepId) -> RunId:
    """The id of the run that a `workflow` step drives: the same after a crash, another one for each retry."""
    number = state.renewals.numbers.get(step, 0)
    return derived_uuid(state.run_id, step, number)


def starts_again(state: RunState, i: int, *, retried: bool = False) -> None:
    """Step `i` is about to start once more after an end that was recorded.

    A run that failed is taken up again where it failed, as `mplp resume` does; a retry, and whatever has
    ended otherwise, gets a new one.
    """
    step = state.plan.steps[i]
    if step.kind != KIND:
        return
    error = state.errors.get(i)
    if not retried and error is not None and error.type == SubworkflowError.__name__:
        state.renewals.again.add(step.id)
    else:
        state.renewals.again.discard(step.id)
        numbers = state.renewals.numbers
        numbers[step.id] = numbers.get(step.id, 0) + 1


def question_of(state: RunState) -> Approval:
    """What a run that waits asks, as its parent tells it; the run that asks may be further down."""
    for i, asked in state.approvals.items():
        more = f" (and {len(state.approvals) - 1} more)" if len(state.approvals) > 1 else ""
        return Approval(
            asked.id,
            asked.message + more,
            asked.approvers,
            asked.deadline,
            run=asked.run or state.run_id,
            step=asked.step if asked.run else state.plan.steps[i].id,
        )
    return Approval("", f"run {state.run_id} is {state.status}", run=state.run_id)
