"""What one step is doing, in a few words: the middle column of the live view."""

from __future__ import annotations

from collections.abc import Mapping

from mplp_cli.render.view import (
    BRANCHES,
    RunView,
    attempt_text,
    awaited_text,
    failure_text,
    first_line,
    is_leaf,
    names,
    seconds_text,
    shortage_text,
    unmet,
)
from mplp_cli.workflow.plan import Plan, PlanStep

_ENDED = ("completed", "failed", "skipped", "omitted", "cancelled")


def detail(plan: Plan, state: RunView, i: int, now: int, children: Mapping[str, int]) -> str:
    """Why it stands where it stands. `children` counts a container's direct children by status."""
    step = plan.steps[i]
    match state.step_status[i]:
        case "running":
            return _running(step, state, i, now, children)
        case "retrying":
            wait = f"retry in {seconds_text(state.due.get(i, now) - now)}"
            said = failure_text(state.errors.get(i))
            return f"{wait}: {attempt_text(step, state.attempts[i])} failed" + (f": {said}" if said else "")
        case "waiting":
            return _waiting(state, i, now)
        case "pending":
            before = unmet(plan, state, i)
            when = [BRANCHES[step.branch]] if step.branch in BRANCHES else []
            when += [f"after {names(plan, before)}"] if before else []
            return ", ".join(when) or first_line(step.name)
        case "queued":
            if state.pausing is not None:
                return "waits for the end of the pause"
            return shortage_text(plan, state, i) or "waits for a free slot"
        case "failed":
            error = state.errors.get(i)
            tries = f" ({state.attempts[i]} attempts)" if state.attempts[i] > 1 else ""
            return failure_text(error) + tries
        case "skipped" | "omitted" | "cancelled":
            return first_line(state.reasons.get(i, ""))
        case _:
            tries = attempt_text(step, state.attempts[i]) if state.attempts[i] > 1 else ""
            said = first_line(state.reasons.get(i, ""))
            return tries or progress(children) or said or first_line(step.name)


def progress(children: Mapping[str, int]) -> str:
    """`3 of 12 done`; empty without children."""
    total = sum(children.values())
    return f"{sum(children.get(s, 0) for s in _ENDED):,} of {total:,} done" if total else ""


def _running(step: PlanStep, state: RunView, i: int, now: int, children: Mapping[str, int]) -> str:
    if step.repeat is not None and step.repeat.most:
        return f"iteration {len(step.children)} of at most {step.repeat.most:,}" if step.children else ""
    if not is_leaf(step):
        return progress(children)
    parts = [attempt_text(step, state.attempts[i])] if state.attempts[i] > 1 else []
    passed = now - state.started_at[i]
    # The time limit is of interest once most of it is gone; the clock of a second attempt is not known here.
    if step.timeout and state.attempts[i] <= 1 and passed * 2 > step.timeout:
        parts.append(f"times out in {seconds_text(step.timeout - passed)}")
    if step.name and not parts:
        parts.append(first_line(step.name))
    return ", ".join(parts)


def _waiting(state: RunView, i: int, now: int) -> str:
    approval = state.approvals.get(i)
    if approval is not None:
        limit = f" (within {seconds_text(approval.deadline - now)})" if approval.deadline else ""
        return f"approval: {first_line(approval.message)}{limit}"
    due = state.due.get(i, 0)
    awaited = state.awaited.get(i)
    if awaited is not None:
        return f"for {awaited_text(awaited)}" + (f" (within {seconds_text(due - now)})" if due else "")
    return f"{seconds_text(due - now)} left" if due else "waits"
