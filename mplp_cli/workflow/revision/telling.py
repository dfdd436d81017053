"""A history read as it was told: every fact says how a step stands, and nothing is concluded from it.

So a history can be read with a plan that is not the one it was made with, because the definition has changed
since or this version plans it differently: facts go by step id, those of steps that are not there are passed
over. Every consequence stands in the history as a fact of its own, so nothing is lost by it; only the counters
are not kept, which `run.resumed` works out afresh, nor how long steps have queued.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mplp_cli.workflow.fold import answers, course, pausing, replies
from mplp_cli.workflow.fold import facts as fold
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.ends import add_usage, mark_ended
from mplp_cli.workflow.fold.growth import add_items, repeat, so_far
from mplp_cli.workflow.fold.joins import bad_end
from mplp_cli.workflow.fold.limits import limit_container
from mplp_cli.workflow.fold.redefining import redefine
from mplp_cli.workflow.fold.resume import reclaim
from mplp_cli.workflow.fold.spending import agent_asked, raise_limit
from mplp_cli.workflow.fold.statuses import (
    CANCELLED,
    COMPLETED,
    FAILED,
    OMITTED,
    PENDING,
    RETRYING,
    RUNNING,
    SKIPPED,
    WAITING,
)
from mplp_cli.workflow.plan import CONTAINERS

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


def as_told(state: RunState, history: Iterable[h.Event]) -> RunState:
    """Read a whole history so."""
    for fact in history:
        retell(state, fact)
    return state


def told_before(history: Sequence[h.Event]) -> int:
    """How many facts, from the first, were made with an earlier definition of the run."""
    for n in range(len(history) - 1, -1, -1):
        if type(history[n]) is h.RunRedefined:
            return n + 1
    return 0


def retell(state: RunState, fact: h.Event) -> None:
    """Take one fact at its word."""
    step = getattr(fact, "step", None)
    if step is None or type(fact) is h.AgentAsked:  # spent is spent, whatever became of the step
        _OF_THE_RUN[type(fact)](state, fact)
    elif (i := state.plan.number.get(step)) is not None:
        if (usage := getattr(fact, "usage", None)) is not None:
            add_usage(state, step, usage)
        _OF_A_STEP[type(fact)](state, i, fact)


def replay(state: RunState, history: Iterable[h.Event]) -> RunState:
    """Fold a history that was recorded; what it asked for has been done or is asked for again by a resume.

    What was made with an earlier definition is taken at its word.
    """
    facts = history if isinstance(history, list) else list(history)
    earlier = told_before(facts)
    as_told(state, facts[:earlier])
    handle = state.handle
    for fact in facts[earlier:] if earlier else facts:
        handle(fact)
    return state


# ---- facts of the run


def _started(state: RunState, fact: h.RunStarted) -> None:
    state.run_id, state.inputs, state.env, state.cwd = fact.run, fact.inputs, fact.env, fact.cwd
    state.status, state.turn, state.rerun = RUNNING if fact.turn is None else PENDING, fact.turn, fact.rerun
    state.started = state.limited_from = fact.at
    state.slots = state.all_slots = fact.slots


def _admitted(state: RunState, fact: h.RunAdmitted) -> None:
    state.status = RUNNING
    state.started = state.limited_from = fact.at


def _resumed(state: RunState, fact: h.RunResumed) -> None:
    reclaim(state, fact.at, fact.retry)


def _continued(state: RunState, _fact: h.RunContinued) -> None:
    state.pausing, state.withheld = None, []


def _stopping(state: RunState, fact: h.RunStopping) -> None:
    withdraws = fact.cause == "cancel" and bool(state.approvals)
    if fact.cause == "kill" or state.status is PENDING:
        state.killed, state.status = True, RUNNING
    elif not withdraws if state.finalizing is not None else state.stopping is not None:
        return
    state.stopping = state.stopping or fact
    if pausing.is_called_off(state):
        state.pausing = None


def _finalizing(state: RunState, fact: h.RunFinalizing) -> None:
    state.finalizing, state.outputs, state.error = fact, fact.outputs, fact.error


def _nothing(state: RunState, fact: h.Event) -> None:
    """Means nothing to how steps stand."""


# ---- facts of a step


def _kept(state: RunState, _i: int, fact: h.StepKept) -> None:
    fold.step_kept(state, fact)


def _queued(state: RunState, i: int, _fact: h.StepQueued) -> None:
    state.judged.add(i)


def _step_started(state: RunState, i: int, fact: h.StepStarted) -> None:
    _at_work(state, i, RUNNING, fact)
    kind = state.plan.steps[i].kind
    if kind in CONTAINERS:
        state.branches[i] = fact.branch
        if kind == "loop":
            state.results[i] = so_far(state, i)
        if kind == "foreach" and fact.items is not None and state.plan.steps[i].repeat is not None:
            add_items(state, i, fact.items)
        limit_container(state, i, fact.at)
    elif state.plan.steps[i].effect:
        state.measures.begun[i] = fact.at


def _repeated(state: RunState, i: int, fact: h.StepRepeated) -> None:
    if state.plan.steps[i].kind == "loop" and state.plan.steps[i].repeat is not None:
        repeat(state, i, fact)


def _completed(state: RunState, i: int, fact: h.StepCompleted) -> None:
    _at_work(state, i, COMPLETED, fact)
    if fact.hit is not None:
        state.measures.forget(i)
    state.results[i] = fact.result
    if fact.usage is not None:
        state.measures.used[i] = fact.usage
    _over(state, i, COMPLETED, fact)
    outer = state.plan.steps[i].parent
    if outer >= 0 and state.plan.steps[outer].race and state.step_status[outer] is RUNNING:
        state.winners.setdefault(outer, i)
    if fact.mended is not None:
        state.mended[i] = fact.mended
    else:
        state.errors.pop(i, None)
    state.advice.pop(i, None)


def _failed(state: RunState, i: int, fact: h.StepFailed) -> None:
    if i in state.approvals:
        state.refused.add(i)
    state.attempts[i] = fact.attempt
    state.errors[i] = fact.error
    answers.doubt_advice(state, i, fact.error)
    if fact.result is not None:
        state.results[i] = fact.result
    _over(state, i, FAILED, fact)


def _retrying(state: RunState, i: int, fact: h.StepRetrying) -> None:
    state.step_status[i], state.attempts[i] = RETRYING, fact.attempt
    state.due[i] = fact.due
    replies.tried(state, i, fact.error)
    answers.doubt_advice(state, i, fact.error)


def _retry_due(state: RunState, i: int, _fact: h.StepRetryDue) -> None:
    state.step_status[i] = PENDING
    state.due.pop(i, None)


def _skipped(state: RunState, i: int, fact: h.StepSkipped) -> None:
    _over(state, i, SKIPPED, fact)
    if fact.error is not None:
        state.errors[i] = state.mended[i] = fact.error


def _omitted(state: RunState, i: int, fact: h.StepOmitted) -> None:
    _over(state, i, OMITTED, fact)
    state.because[i] = fact.because
    because, steps = state.plan.number.get(fact.because, -1), state.plan.steps
    # A step that was omitted with its container was not omitted by a failure of its own.
    if because >= 0 and steps[because].parent == steps[i].parent and bad_end(state, because):
        state.tainted.add(i)


def _cancelled(state: RunState, i: int, fact: h.StepCancelled) -> None:
    _over(state, i, CANCELLED, fact)


def _waiting(state: RunState, i: int, fact: h.StepWaiting) -> None:
    _at_work(state, i, WAITING, fact)
    state.doubtful.discard(i)
    if fact.error is not None:
        state.errors[i] = fact.error
    if fact.approval is not None:
        state.approvals[i] = fact.approval
    if fact.event is not None:
        state.awaited[i] = fact.event
    state.due.pop(i, None)
    if fact.until:
        state.due[i] = fact.until


def _decided(state: RunState, i: int, fact: h.StepDecided) -> None:
    asked = state.approvals.pop(i, None)
    state.due.pop(i, None)
    if asked is not None and asked.own:
        if fact.decision != "approved":  # else its end follows
            state.errors[i], state.due[i] = answers.failure_of(state, i, fact), fact.at
    elif fact.decision == "approved":
        raise_limit(state, i, fact)
        replies.may_go_on(state, i, fact)
        state.step_status[i] = PENDING
        state.doubtful.discard(i)
    else:
        state.refused.add(i)


def _woken(state: RunState, i: int, _fact: h.StepWoken) -> None:
    state.approvals.pop(i, None)
    state.uncounted[i] = state.uncounted.get(i, 0) + 1
    state.step_status[i] = PENDING


def _advised(state: RunState, i: int, fact: h.StepAdvised) -> None:
    state.advice.setdefault(i, {})[fact.key] = fact


def _emitted(state: RunState, i: int, fact: h.StepEmitted) -> None:
    state.emitted[fact.event.id] = len(state.emitted)
    state.attempts[i] = fact.attempt
    state.started_at[i] = state.started_at[i] or fact.at


def _fell_back(state: RunState, i: int, fact: h.StepFellBack) -> None:
    state.step_status[i], state.attempts[i] = RUNNING, fact.attempt
    state.errors[i], state.branches[i] = fact.error, fact.instead
    state.due.pop(i, None)


def _at_work(state: RunState, i: int, status: str, fact: Any) -> None:
    state.step_status[i] = status
    state.attempts[i] = fact.attempt
    if not state.started_at[i]:
        state.started_at[i] = fact.at


def _over(state: RunState, i: int, status: str, fact: Any) -> None:
    mark_ended(state, i, status, fact.at)
    state.due.pop(i, None)
    state.approvals.pop(i, None)
    if reason := getattr(fact, "reason", ""):
        state.reasons[i] = reason
    outer = state.plan.steps[i].parent
    if outer >= 0 and state.plan.steps[outer].kind == "loop" and state.step_status[outer] is RUNNING:
        state.results[outer] = so_far(state, outer)


_OF_THE_RUN: dict[type, Callable[[RunState, Any], None]] = {
    h.RunStarted: _started,
    h.RunAdmitted: _admitted,
    h.RunResumed: _resumed,
    h.RunRedefined: redefine,
    h.RunStopping: _stopping,
    h.RunWaiting: course.run_waiting,
    h.RunPausing: pausing.run_pausing,
    h.RunContinued: _continued,
    h.RunPaused: pausing.run_paused,
    h.RunFinalizing: _finalizing,
    h.RunCompleted: course.run_completed,
    h.RunFailed: course.run_failed,
    h.RunCancelled: course.run_cancelled,
    h.StepsClaimed: _nothing,
    h.AgentAsked: agent_asked,
}
_OF_A_STEP: dict[type, Callable[[RunState, int, Any], None]] = {
    h.StepKept: _kept,
    h.StepQueued: _queued,
    h.StepStarted: _step_started,
    h.StepAdvised: _advised,
    h.StepRepeated: _repeated,
    h.StepCompleted: _completed,
    h.StepFailed: _failed,
    h.StepRetrying: _retrying,
    h.StepRetryDue: _retry_due,
    h.StepSkipped: _skipped,
    h.StepOmitted: _omitted,
    h.StepCancelled: _cancelled,
    h.StepWaiting: _waiting,
    h.StepDecided: _decided,
    h.StepWoken: _woken,
    h.StepEmitted: _emitted,
    h.StepFellBack: _fell_back,
}
#: Every fact that can be read so.
TOLD = _OF_THE_RUN.keys() | _OF_A_STEP.keys()
