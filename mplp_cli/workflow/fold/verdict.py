"""How a run ends, from how its steps have ended. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mplp_cli.errors import Failure, RunTimeoutError, StepError
from mplp_cli.workflow.fold.statuses import CANCELLED, COMPLETED, FAILED
from mplp_cli.workflow.values import duration_text

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


class AbortedError(StepError):
    """The run was stopped early by `fail-fast` or by an `abort` fallback."""

    retryable = False


def verdict(state: RunState) -> tuple[str, Failure | None]:
    """`completed`, `failed` or `cancelled` for the steps that have ended, and the error of a failed run.

    A failed step of the top level fails the run, whatever its dependents' joins say; a failure inside
    a container counts as the container judged it.
    """
    stopping = state.stopping
    if stopping is not None:
        if stopping.cause in ("cancel", "kill"):
            return CANCELLED, None
        if stopping.cause == "timeout":
            limit = duration_text(state.plan.timeout)
            return FAILED, RunTimeoutError(f"the run took longer than its timeout of {limit}").failure()
    failed = _first_failed(state, state.plan.top)
    if failed is not None:
        return FAILED, failed
    if stopping is not None:
        return FAILED, AbortedError(stopping.message).failure()
    for i in state.plan.top:
        if (
            state.step_status[i] is CANCELLED
        ):  # it was, in an earlier life of the run, and only others were retried
            message = f"`{state.plan.steps[i].id}` was cancelled and has not been tried again"
            return FAILED, AbortedError(message).failure()
    return COMPLETED, None


def final_failure(state: RunState) -> Failure | None:
    """The first failure inside `finally`."""
    return _first_failed(state, state.plan.final)


def _first_failed(state: RunState, members: tuple[int, ...]) -> Failure | None:
    failed = [i for i in members if state.step_status[i] is FAILED]
    if not failed:
        return None
    i = min(failed, key=lambda i: (state.ended_at[i], i))
    failure, step = state.errors[i], state.plan.steps[i].id
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return Failure(
        type=failure.type,
        message=f"`{step}`: {failure.message}{more}",
        details={"step": step, **(failure.details or {})},
        retryable=False,
    )


def warnings(state: RunState) -> list[str]:
    """Failures that did not fail the run: tolerated by a container or mended by a fallback."""
    found = []
    for i, failure in sorted(state.mended.items()):  # in the order of the file, whenever they failed
        step = state.plan.steps[i]
        if step.kind == "foreach":
            found.append(f"`{step.id}`: {failure.message}; that was tolerated")
        else:
            found.append(f"`{step.id}` failed ({failure.message}) and a fallback mended it")
    for i, failure in sorted(state.errors.items()):
        step = state.plan.steps[i]
        if state.step_status[i] is FAILED and step.parent >= 0 and step.item < 0 and _tolerated(state, i):
            found.append(f"`{step.id}` failed and was tolerated: {failure.message}")
    return found


def _tolerated(state: RunState, i: int) -> bool:
    """Whether some container around step `i` completed all the same."""
    while (i := state.plan.steps[i].parent) >= 0:
        if state.step_status[i] is COMPLETED and i not in state.mended:
            return True
    return False
