"""An explanation in sentences: how a step came to start, and why it is what it is. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mplp_cli.observe.explanation import Explanation
from mplp_cli.workflow.fold.joins import good_end
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import ENDED, OMITTED, SKIPPED
from mplp_cli.workflow.language.references import either
from mplp_cli.workflow.language.templates import Formula
from mplp_cli.workflow.model import CountJoin, Join
from mplp_cli.workflow.plan import CONTAINERS
from mplp_cli.workflow.retry import fallback_for
from mplp_cli.workflow.values import duration_text

#: What each join rule asks for.
_RULES = {
    "all-completed": "every dependency completed",
    "all-ended": "every dependency ended",
    "any-completed": "one dependency completed",
    "none-failed": "every dependency ended and none failed",
}


def rule_name(join: Join) -> str:
    """The join rule as it stands in the file."""
    return f"count: {join.count}" if isinstance(join, CountJoin) else join


def came_to_start(told: Explanation) -> list[str]:
    """Why the step became ready, or what it still waits for; empty if something else decided."""
    return list(_came_to_start(told))


def _came_to_start(told: Explanation) -> Iterator[str]:
    plan, step, state = told.plan, told.step, told.state
    yield from _turn(told)
    if not told.ready_at:
        if told.status == "pending":
            waits = [f"`{need.step}`" for need in told.needs if need.status not in ENDED]
            if waits:
                yield f"It waits for the end of {', '.join(waits)}."
            elif step.parent >= 0:
                yield f"It waits for `{plan.steps[step.parent].id}`, which it stands in."
        return
    if step.parent >= 0:
        outer = plan.steps[step.parent].id
        match step.branch:
            case "each" if step.kind == "item":
                yield f"`{outer}` came to it."
            case "each":
                yield f"`{outer}`, in which it stands, began."
            case "then" | "else":
                yield f"`{outer}` took its branch `{step.branch}`."
            case "fallback":
                yield f"`{outer}` failed, and this step is its fallback."
            case _:
                yield f"`{outer}`, which it stands in, began."
    elif step.branch == "finally":
        how = state.finalizing.status if state.finalizing else "over"
        yield f"It is a `finally` step; the other steps had ended, and the run was {how}."
    if step.after >= 0:
        yield f"`{plan.steps[step.after].id}` before it in the same block had ended."
    if step.needs:
        yield from _join_met(told)
    elif step.parent < 0 and step.branch != "finally":
        yield "It needs no other step, so it was ready when the run started."


def _turn(told: Explanation) -> Iterator[str]:
    turn, admitted = told.state.turn, told.admitted
    if turn is None or (admitted is not None and not admitted.behind):
        return
    under = f'its turn under the concurrency key "{turn.key}" (at most {turn.max})'
    if admitted is None:
        over = told.state.status in ENDED
        yield f"The run {'ended before it had' if over else 'waits for'} {under}."
        return
    had = f"run{'s' if len(admitted.behind) > 1 else ''} {', '.join(admitted.behind)} had the place"
    yield f"The run waited {duration_text(admitted.waited)} for {under}: {had}."


def _join_met(told: Explanation) -> Iterator[str]:
    plan, step, state = told.plan, told.step, told.state
    asks = (
        f"{step.join.count} dependencies completed" if isinstance(step.join, CountJoin) else _RULES[step.join]
    )
    yield f"Its join rule `{rule_name(step.join)}` was met: {asks}."
    stood_in = [f"`{plan.steps[d].id}`" for d in step.needs if _stands_in(state, d)]
    if stood_in:
        yield f"The `default` of {', '.join(stood_in)} stands in, which counts as completed."


def why_missed(told: Explanation) -> str:
    """Why the cache had no result when the step began, as a sentence; empty if it had, or was not asked."""
    return _MISSES.get(told.looked.missed, "") if told.looked is not None else ""


_MISSES = {
    "none": "The cache had no result for it: nothing was stored under its key.",
    "expired": "The cache had no result for it: the one under its key had expired.",
    "changed": "The cache had no result for it: the one under its key was made by a step that did something else.",
    "off": "The cache was not asked: the run was started with `--no-cache`.",
}


def why_so(told: Explanation) -> str:
    """The reason of the state that the step is in, as one sentence or two."""
    i, state = told.step.number, told.state
    reason = state.reasons.get(i, "")
    match told.status:
        case "completed":
            return _completed(told)
        case "failed":
            return _failed(told)
        case "skipped" | "omitted" | "cancelled":
            said = f"It was {told.status}: {reason or 'no reason was recorded'}."
            return f"{said} Its `default` stands in for its result." if _stands_in(state, i) else said
        case "waiting":
            return _waiting(told)
        case "retrying":
            error = state.errors.get(i)
            said = f": {error.message}" if error else ""
            return (
                f"Attempt {state.attempts[i]} of {told.step.max_attempts} failed{said}. The next one is due."
            )
        case "running" if told.step.kind in CONTAINERS:
            return "It holds steps that have not ended."
        case "running" if state.branches.get(i):
            return f"It failed and fell back to `{state.branches[i]}`, which has not ended."
        case "running":
            return f"Attempt {state.attempts[i]} of {told.step.max_attempts} is at work."
        case "queued" if state.pausing is not None:
            return "It is ready, but the run is paused: nothing new starts until it is resumed."
        case "queued" if told.step.demand is not None and (lacks := state.shortage(told.step.demand)):
            return f"It is ready, and waits for {lacks}."
        case "queued":
            return "It is ready, and waits for a free slot: as many attempts as the run may have are at work."
        case _:
            return "It has not become ready yet."


def _stands_in(state: RunState, i: int) -> bool:
    """Whether the default of step `i` is used as its result."""
    return state.step_status[i] in (SKIPPED, OMITTED) and good_end(state, i)


def _completed(told: Explanation) -> str:
    i, state, step = told.step.number, told.state, told.step
    if (origin := state.kept.get(i)) is not None:
        return f"This run is a rerun; the step completed in run {origin[:8]}, and its result was kept from there."
    if (mended := state.mended.get(i)) is not None and step.kind != "foreach":
        fallback = fallback_for(step.fallbacks, mended)
        how = f"its fallback `{fallback.action}`" if fallback else "a fallback"
        instead = f" (`{state.branches[i]}`)" if step.kind not in CONTAINERS and state.branches.get(i) else ""
        return f"It failed ({mended.message}), and {how}{instead} made that good."
    if step.kind == "conditional":
        taken = state.branches.get(i, "")
        empty = not any(told.plan.steps[c].branch == taken for c in step.children)
        return f"It took its branch `{taken}`{', which is empty' if empty else ', which ended well'}."
    if (winner := state.winners.get(i)) is not None:
        return f"`{told.plan.steps[winner].id}` was the first to complete, and so decided the race."
    if step.kind == "loop":
        return f"It ended after {_times(len(step.children), 'iteration')}."
    if step.kind in CONTAINERS:
        bad = [c for c in step.children if state.step_status[c] in ("failed", "cancelled")]
        if step.kind == "foreach":
            failed = f"; {len(bad)} failed, which its settings tolerate" if bad else ""
            return f"All of its {_times(len(step.children), 'item')} have ended{failed}."
        tolerated = f"; {len(bad)} failed, which its settings tolerate" if bad else ""
        return f"All steps in it have ended{tolerated}."
    if told.looked is not None and (hit := told.looked.hit) is not None:
        age = duration_text(told.looked.at - hit.stored)
        return f"Its result was in the cache: run {hit.run} had stored it {age} before. No attempt was made."
    if said := _own_end(told):
        return said
    attempt = state.attempts[i]
    return f"Its attempt {attempt} succeeded." if attempt > 1 else "It succeeded at the first attempt."


def _own_end(told: Explanation) -> str:
    """How a step ended that does no work of its own: what it waited for, or what it told."""
    result = told.state.results[told.step.number]
    match told.step.kind, result:
        case "approval", {"by": by, "inputs": inputs}:
            given = f", with {', '.join(inputs)}" if inputs else ""
            return f"It was approved by {by or 'somebody'}{given}."
        case "wait", {"event": {"id": name, "type": kind, "source": source}}:
            return f"The event {name} ({kind}, from {source}) ended its wait."
        case "emit", {"eventId": name}:
            return f"It published the event {name}."
    return ""


def _times(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _failed(told: Explanation) -> str:
    error = told.state.errors.get(told.step.number)
    if error is None:
        return "It failed."
    said = f"{error.type}: {error.message.rstrip('.')}."
    if told.step.kind in CONTAINERS:
        return said
    return " ".join(filter(None, (said, _not_again(told), _no_fallback(told))))


def _not_again(told: Explanation) -> str:
    i, state, step = told.step.number, told.state, told.step
    error = state.errors[i]
    if not told.tries:
        return "It failed before its first attempt."
    if error.type == "RejectedError":
        return ""
    if not error.retryable:
        return "Such an error is never tried again."
    counted = state.attempts[i] - state.uncounted.get(i, 0)
    if counted > step.retry.max_retries:
        if not step.retry.max_retries:
            return "It has no retries."
        return f"All {step.max_attempts} attempts are used up."
    if not step.retry.may_retry(error, counted):
        return f"Its `retry-on` ({either(step.retry.retry_on or ())}) does not fit."
    return ""


def _no_fallback(told: Explanation) -> str:
    step, error = told.step, told.state.errors[told.step.number]
    if not step.fallbacks:
        return ""
    fallback = fallback_for(step.fallbacks, error)
    if fallback is None:
        return "No fallback action fits."
    return "Its fallback action ends the run." if fallback.action == "abort" else ""


def _fitting(told: Explanation) -> str:
    where = told.step.condition
    return f" that fits `{where.expression.source}`" if isinstance(where, Formula) else ""


def _waiting(told: Explanation) -> str:
    i, state = told.step.number, told.state
    if (asked := state.approvals.get(i)) is not None:
        who = f" ({', '.join(asked.approvers)})" if asked.approvers else ""
        if asked.run and not asked.step:
            return f"It waits for its sub-workflow: {asked.message}."
        if asked.run:
            return f"It waits for its sub-workflow, in which run {asked.run} waits for a person{who}: {asked.message}"
        return f"It waits for a person{who}: {asked.message}"
    due = state.due.get(i)
    if (awaited := state.awaited.get(i)) is not None:
        limit = f" for {duration_text(max(due - told.tries[-1].started_at, 0))} at most" if due else ""
        return f"It waits for an event {awaited.type}{_fitting(told)}{limit}."
    if due:
        return f"It waits for a time, {duration_text(max(due - told.tries[-1].started_at, 0))} in all."
    return "It waits."
