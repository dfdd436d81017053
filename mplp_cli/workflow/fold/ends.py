"""What the end of one step means for the others, and for the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mplp_cli.workflow.fold.commands import Halt, Tell, Withdraw
from mplp_cli.workflow.fold.history import AgentAsked, Event, StepRetryDue
from mplp_cli.workflow.fold.joins import Tally, bad_end, good_end, omission, verdict_of
from mplp_cli.workflow.fold.statuses import (
    CANCELLED,
    COMPLETED,
    ENDED,
    OMITTED,
    PENDING,
    RETRYING,
    RUNNING,
    SKIPPED,
    WAITING,
)
from mplp_cli.workflow.plan import CONTAINERS
from mplp_cli.workflow.resources import Usage
from mplp_cli.workflow.retry import fallback_for

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


def mark_ended(state: RunState, i: int, status: str, at: int) -> None:
    """Step `i` has ended; if it was passed over, its default stands in for its result."""
    state.step_status[i] = status
    state.ended_at[i] = at
    state.doubtful.discard(i)
    if status is SKIPPED or status is OMITTED:
        state.results[i] = state.plan.steps[i].default


def comes_too_late(state: RunState, fact: Event) -> bool:
    """Whether the step of a fact has been ended from outside in the meantime, or tried again already."""
    step = getattr(fact, "step", None)
    if step is None or isinstance(fact, AgentAsked):
        return False
    status = state.step_status[state.plan.number[step]]
    return status in ENDED or (isinstance(fact, StepRetryDue) and status not in (RETRYING, WAITING))


def add_usage(state: RunState, step: str, usage: Usage) -> None:
    """An attempt of a step has used this."""
    i = state.plan.number[step]
    before = state.usage.get(i)
    state.usage[i] = usage if before is None else before + usage


def spread(state: RunState, i: int) -> None:
    """What the end of step `i` means for others."""
    steps, status = state.plan.steps, state.step_status
    good = good_end(state, i)
    if status[i] is COMPLETED and steps[i].parent in state.open and steps[steps[i].parent].race:
        _win(state, steps[i].parent, i)
    for d in state.plan.dependants[i]:
        if status[d] is not PENDING:
            continue
        if steps[d].join == "all-completed" and steps[d].after < 0:
            if good:
                state.unmet[d] -= 1
                if not state.unmet[d]:
                    state.make_ready(d)
            else:
                omit(state, d, i)
        else:
            _join(state, d, i)
    step = steps[i]
    following = state.plan.next_in_block.get(i, -1)
    if following >= 0:
        if step.breaks and bad_end(state, i):
            if status[i] is not OMITTED:  # else whatever omitted it has omitted the rest too
                _break_block(state, following, i)
        else:
            state.met(following)
    if step.children and step.kind not in CONTAINERS:
        state.close_inside(i, SKIPPED, f"`{step.id}` did not fall back to it", state.ended_at[i])
    if step.parent in state.open:
        close_one(state, step.parent)


def close_one(state: RunState, container: int) -> None:
    """A child of an open container has ended."""
    state.open[container] -= 1
    if not state.open[container] and state.step_status[container] is RUNNING:
        state.conclude(container)


def _win(state: RunState, race: int, winner: int) -> None:
    """The first child of a race to complete ends the others; what runs is stopped."""
    if state.winners.setdefault(race, winner) != winner:
        return
    reason = f"`{state.plan.steps[winner].id}` was first"
    children = state.plan.steps[race].children
    for c in children:
        if state.step_status[c] in ENDED:
            continue
        state.drop(c, CANCELLED, reason, state.ended_at[winner])
        if state.step_status[c] is CANCELLED:
            state.open[race] -= 1
            state.close_inside(c, CANCELLED, reason, state.ended_at[winner])


def _join(state: RunState, d: int, i: int) -> None:
    step = state.plan.steps[d]
    tally = state.tallies.get(d)
    if tally is None:
        tally = state.tallies[d] = Tally(len(step.needs))
    tally.count(good_end(state, i), bad_end(state, i))
    verdict = verdict_of(step.join, tally)
    if verdict is True:
        tally.decided = True
        state.met(d)
    elif verdict is False and step.after < 0:
        omit(state, d, i)
    elif verdict is False:  # in a block every step has its turn, also one that will be omitted
        tally.decided = True
        state.denied[d] = i
        state.met(d)


def omit(state: RunState, d: int, because: int) -> None:
    """Step `d` cannot run because of how another has ended."""
    state.reasons[d] = omission(state, d, because)
    state.because[d] = state.plan.steps[because].id
    if bad_end(state, because):
        state.tainted.add(d)
    at = state.ended_at[because]
    inside = f"`{state.plan.steps[d].id}` was omitted: {state.reasons[d]}"
    state.close_inside(d, OMITTED, inside, at, state.because[d])
    state.close(d, OMITTED, at)
    state.ask(Tell(d))


def _break_block(state: RunState, following: int, failed: int) -> None:
    while following >= 0:
        if state.step_status[following] is PENDING:
            omit(state, following, failed)
        following = state.plan.next_in_block.get(following, -1)


def withdraw(state: RunState, i: int, reason: str) -> None:
    """Step `i` does not wait for a person any more, and nobody has answered."""
    confirm = state.approvals[i].id
    state.answered(i)
    state.ask(Withdraw(i, confirm, reason))


def halt_after(state: RunState, i: int) -> Halt | None:
    """Whether the failure of step `i` stops the whole run."""
    step = state.plan.steps[i]
    fallback = None if i in state.refused else fallback_for(step.fallbacks, state.errors[i])
    if fallback is not None and fallback.action == "abort":
        return Halt("abort", f"`{step.id}` failed and its fallback is `abort`")
    if state.plan.workflow.fail_fast and step.parent < 0 and step.branch != "finally":
        return Halt("fail-fast", f"`{step.id}` failed and the workflow says `fail-fast`")
    return None
