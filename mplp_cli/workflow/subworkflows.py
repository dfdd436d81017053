"""Workflows that are run by steps of others: what they need, and the ids of their runs. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mplp_cli.errors import SubworkflowError
from mplp_cli.workflow.history import Approval
from mplp_cli.workflow.plan import Included, Plan
from mplp_cli.workflow.values import RunId, StepId

if TYPE_CHECKING:
    from mplp_cli.workflow.state import RunState

#: The step type.
KIND = "workflow"


def every_included(plan: Plan) -> Iterator[Included]:
    """The workflows that a run may lead to, at any depth, each once."""
    known: set[str] = set()
    waiting = list(plan.included.values())
    while waiting:
        found = waiting.pop()
        if found.path not in known:
            known.add(found.path)
            yield found
            waiting.extend(found.plan.included.values())


def included_texts(plan: Plan) -> dict[str, bytes]:
    """The files that must be stored with a run, so that it never asks the disk for them again."""
    return {found.path: found.text for found in every_included(plan)}


def secrets_of(plan: Plan) -> list[str]:
    """The secrets that a run needs, those of its sub-workflows included."""
    declared = [plan.workflow.secrets, *(found.plan.workflow.secrets for found in every_included(plan))]
    return list(dict.fromkeys(name for names in declared for name in names))


def child_id(state: RunState, step: StepId) -> RunId:
    """The id of the run that a `workflow` step drives: the same after a crash, another one for each retry."""
    number = state.renewed.get(state.plan.number[step], 0)
    digest = hashlib.sha256(f"{state.run_id}\0{step}\0{number}".encode()).hexdigest()
    variant = "89ab"[int(digest[16], 16) % 4]
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def starts_again(state: RunState, i: int, *, retried: bool = False) -> None:
    """Step `i` is about to start once more after an end that was recorded.

    A run that failed is taken up again where it failed, as `mplp resume` does; a retry, and whatever has
    ended otherwise, gets a new one.
    """
    if state.plan.steps[i].kind != KIND:
        return
    error = state.errors.get(i)
    if not retried and error is not None and error.type == SubworkflowError.__name__:
        state.taken_up_again.add(i)
    else:
        state.taken_up_again.discard(i)
        state.renewed[i] = state.renewed.get(i, 0) + 1


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
