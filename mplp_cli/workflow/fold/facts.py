"""The fold, one function per kind of fact: what it changes in RunState. Those of the run are in `course`."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import TYPE_CHECKING, Any

from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold import replies
from mplp_cli.workflow.fold.answers import answer_of_own, complete, doubt_advice
from mplp_cli.workflow.fold.commands import Arm, Tell
from mplp_cli.workflow.fold.course import (
    run_admitted,
    run_cancelled,
    run_completed,
    run_failed,
    run_finalizing,
    run_resumed,
    run_started,
    run_stopping,
    run_waiting,
)
from mplp_cli.workflow.fold.ends import close_one, withdraw
from mplp_cli.workflow.fold.growth import add_items, repeat
from mplp_cli.workflow.fold.limits import limit_container
from mplp_cli.workflow.fold.pausing import run_continued, run_paused, run_pausing
from mplp_cli.workflow.fold.redefining import redefine
from mplp_cli.workflow.fold.resume import go_on
from mplp_cli.workflow.fold.slots import free
from mplp_cli.workflow.fold.spending import agent_asked, raise_limit, refusal_of
from mplp_cli.workflow.fold.statuses import (
    CANCELLED,
    COMPLETED,
    ENDED,
    FAILED,
    PENDING,
    RETRYING,
    RUNNING,
    SKIPPED,
    WAITING,
)
from mplp_cli.workflow.fold.subworkflows import starts_again
from mplp_cli.workflow.plan import CONTAINERS

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState

_WORDS = {word: word for word in (RUNNING, *ENDED)}


def step_kept(state: RunState, fact: h.StepKept) -> None:
    i = state.plan.number[fact.step]
    status = state.step_status[i] = _WORDS[fact.status]
    state.attempts[i] = fact.attempt
    if fact.branch or (state.plan.steps[i].kind in CONTAINERS and status in (RUNNING, COMPLETED)):
        state.branches[i] = fact.branch
    if status is RUNNING:
        if fact.items is not None:
            add_items(state, i, fact.items)
        state.started_at[i] = fact.at
        limit_container(state, i, fact.at)
        return
    state.kept[i] = fact.origin
    state.ended_at[i] = fact.at
    if status is COMPLETED or fact.result is not None:
        state.results[i] = fact.result
    told = (state.reasons, fact.reason), (state.because, fact.because)
    for texts, text in told:
        if text:
            texts[i] = text
    for failures, failure in ((state.errors, fact.error), (state.mended, fact.mended)):
        if failure is not None:
            failures[i] = failure


def step_queued(state: RunState, fact: h.StepQueued) -> None:
    i = state.plan.number[fact.step]
    state.judged.add(i)
    heappush(state.ready, state.plan.steps[i].rank)
    state.ready_since[i] = fact.at


def step_started(state: RunState, fact: h.StepStarted) -> None:
    i = state.plan.number[fact.step]
    state.step_status[i] = RUNNING
    state.attempts[i] = fact.attempt
    if not state.started_at[i]:
        state.started_at[i] = fact.at
    kind = state.plan.steps[i].kind
    if kind in CONTAINERS:
        state.branches[i] = fact.branch
        if fact.items is not None:
            add_items(state, i, fact.items)
        limit_container(state, i, fact.at)
        _open(state, i, fact.branch, fact.at)
    elif state.plan.steps[i].effect:
        state.measures.begun[i] = fact.at
        state.measures.waited[i] = max(fact.at - state.ready_since.pop(i, fact.at), 0)


def _open(state: RunState, i: int, branch: str, at: int) -> None:
    """The children of `branch` (parallel: all) may start; the others are skipped."""
    step = state.plan.steps[i]
    state.moving -= 1
    chosen = []
    for c in step.children:
        if state.plan.steps[c].branch == branch:
            chosen.append(c)
        elif state.step_status[c] is PENDING:
            reason = f"the condition of `{step.id}` chose `{branch}`" if branch else "not chosen"
            state.drop(c, SKIPPED, reason, at)
            state.close_inside(c, SKIPPED, reason, at)
    state.open[i] = len(chosen)
    for c in chosen:
        state.met(c)
    if not chosen:
        state.conclude(i)


def step_advised(state: RunState, fact: h.StepAdvised) -> None:
    state.advice.setdefault(state.plan.number[fact.step], {})[fact.key] = fact


def step_repeated(state: RunState, fact: h.StepRepeated) -> None:
    repeat(state, state.plan.number[fact.step], fact)


def step_completed(state: RunState, fact: h.StepCompleted) -> None:
    if state.step_status[state.plan.number[fact.step]] is COMPLETED:
        return  # a consequence that was folded with its cause
    i = state.ending(fact.step)
    state.results[i] = fact.result
    state.attempts[i] = fact.attempt
    if not state.started_at[i]:
        state.started_at[i] = fact.at
    if fact.mended is not None:
        state.mended[i] = fact.mended
    elif state.errors:
        state.errors.pop(i, None)
    state.advice.pop(i, None)
    if fact.hit is not None:
        state.measures.forget(i)
        state.reasons[i] = f"its result was in the cache, from run {fact.hit.run}"
    if fact.usage is not None:
        state.measures.used[i] = fact.usage
    state.close(i, COMPLETED, fact.at)


def step_failed(state: RunState, fact: h.StepFailed) -> None:
    if state.step_status[state.plan.number[fact.step]] is FAILED:
        return
    if (i := state.plan.number[fact.step]) in state.approvals:
        state.refused.add(i)
    state.ending(fact.step)
    state.attempts[i] = fact.attempt
    doubt_advice(state, i, fact.error)
    state.fail(i, fact.error, fact.at, fact.result)


def step_retrying(state: RunState, fact: h.StepRetrying) -> None:
    i = state.plan.number[fact.step]
    state.give_back(i)
    starts_again(state, i, retried=True)
    state.step_status[i] = RETRYING
    state.attempts[i] = fact.attempt
    replies.tried(state, i, fact.error)
    doubt_advice(state, i, fact.error)
    if _cut_short(state, i, fact.at):
        return
    state.due[i] = fact.due
    state.ask(Arm(i, fact.due))


def step_retry_due(state: RunState, fact: h.StepRetryDue) -> None:
    i = state.plan.number[fact.step]
    state.due.pop(i, None)
    state.moving -= 1
    state.make_ready(i)


def step_skipped(state: RunState, fact: h.StepSkipped) -> None:
    i = state.plan.number[fact.step]
    if state.step_status[i] is SKIPPED:
        return
    state.ending(fact.step)
    state.reasons[i] = fact.reason
    if fact.error is not None:
        state.errors[i] = state.mended[i] = fact.error
    state.close_inside(i, SKIPPED, f"`{fact.step}` was skipped", fact.at)
    state.close(i, SKIPPED, fact.at)


def nothing_more(state: RunState, fact: h.StepOmitted | h.StepsClaimed) -> None:
    """A consequence that was folded with its cause, or a promise of the driver to the journal."""


def step_cancelled(state: RunState, fact: h.StepCancelled) -> None:
    i = state.plan.number[fact.step]
    if state.step_status[i] is CANCELLED:
        return
    state.ending(fact.step)
    state.reasons[i] = fact.reason
    state.close(i, CANCELLED, fact.at)


def step_waiting(state: RunState, fact: h.StepWaiting) -> None:
    i = state.plan.number[fact.step]
    state.give_back(i)
    state.step_status[i] = WAITING
    state.attempts[i] = fact.attempt
    if not state.started_at[i]:
        state.started_at[i] = fact.at
    if fact.error is not None:
        state.errors[i] = fact.error
    state.doubtful.discard(i)
    if fact.approval is not None:
        state.approvals[i] = fact.approval
        state.asking += 1
        state.moving -= 1
    if fact.event is not None:
        state.awaited[i] = fact.event
    state.due.pop(i, None)
    if _cut_short(state, i, fact.at):
        return
    if fact.until:
        state.due[i] = fact.until
        state.ask(Arm(i, fact.until))


def step_decided(state: RunState, fact: h.StepDecided) -> None:
    i = state.plan.number[fact.step]
    asked = state.approvals[i]
    if fact.decision == "expired":
        withdraw(state, i, fact.reason)
    else:
        state.answered(i)
    state.due.pop(i, None)
    if asked.own:
        answer_of_own(state, i, fact)
    elif asked.open or fact.decision == "approved":
        raise_limit(state, i, fact)
        replies.may_go_on(state, i, fact)
        starts_again(state, i)
        state.make_ready(i)
    else:
        state.refused.add(i)
        state.fail(i, refusal_of(state, i, fact), fact.at)
        state.ask(Tell(i))


def step_emitted(state: RunState, fact: h.StepEmitted) -> None:
    i = state.ending(fact.step)
    state.emitted[fact.event.id] = len(state.emitted)
    state.attempts[i] = fact.attempt
    state.started_at[i] = state.started_at[i] or fact.at
    complete(state, i, {"eventId": fact.event.id}, fact.at)


def step_woken(state: RunState, fact: h.StepWoken) -> None:
    i = state.plan.number[fact.step]
    state.answered(i)
    state.uncounted[i] = state.uncounted.get(i, 0) + 1
    state.make_ready(i)


def step_fell_back(state: RunState, fact: h.StepFellBack) -> None:
    i = state.plan.number[fact.step]
    free(state, i)  # a lane stays taken: the fallback runs in its place
    state.step_status[i] = RUNNING
    state.attempts[i] = fact.attempt
    state.errors[i] = fact.error
    state.branches[i] = fact.instead
    state.due.pop(i, None)
    state.moving -= 1
    state.open[i] = 1
    if _cut_short(state, i, fact.at):
        return
    instead = state.plan.number[fact.instead]
    if state.step_status[instead] is RUNNING:  # a container that was open when the run failed
        go_on(state, instead)
    else:
        state.met(instead)
    if state.step_status[instead] in ENDED:  # it ended well before the run was taken up again
        state.open[i] = 0
        state.conclude(i)


def _cut_short(state: RunState, i: int, at: int) -> bool:
    """Whether step `i`, which would have gone on, was told to stop while its attempt ended."""
    why = state.doomed(i)
    if why:
        state.drop(i, CANCELLED, why, at)
        if (
            state.plan.steps[i].parent in state.open
        ):  # a race that another has won; any other has ended with it
            state.close_inside(i, SKIPPED, f"`{state.plan.steps[i].id}` did not fall back to it", at)
            close_one(state, state.plan.steps[i].parent)
    return bool(why)


FOLD: dict[type, Callable[[RunState, Any], None]] = {
    h.RunStarted: run_started,
    h.RunAdmitted: run_admitted,
    h.RunResumed: run_resumed,
    h.RunRedefined: redefine,
    h.RunStopping: run_stopping,
    h.RunWaiting: run_waiting,
    h.RunPausing: run_pausing,
    h.RunContinued: run_continued,
    h.RunPaused: run_paused,
    h.RunFinalizing: run_finalizing,
    h.RunCompleted: run_completed,
    h.RunFailed: run_failed,
    h.RunCancelled: run_cancelled,
    h.StepKept: step_kept,
    h.StepQueued: step_queued,
    h.StepsClaimed: nothing_more,
    h.StepStarted: step_started,
    h.StepAdvised: step_advised,
    h.StepRepeated: step_repeated,
    h.StepCompleted: step_completed,
    h.StepFailed: step_failed,
    h.StepRetrying: step_retrying,
    h.StepRetryDue: step_retry_due,
    h.StepSkipped: step_skipped,
    h.StepOmitted: nothing_more,
    h.StepCancelled: step_cancelled,
    h.StepWaiting: step_waiting,
    h.StepDecided: step_decided,
    h.StepWoken: step_woken,
    h.StepEmitted: step_emitted,
    h.StepFellBack: step_fell_back,
    h.AgentAsked: agent_asked,
}
