"""Questions to people: a pending Confirm object for each, and their answers."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import structs

from mplp_cli.engine.judging import after_failure
from mplp_cli.engine.world import World
from mplp_cli.errors import (
    Failure,
    OperationError,
    RunStateError,
    StepError,
    StepTimeoutError,
    UndecidedError,
)
from mplp_cli.protocols import Caller, ProtocolObject
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.answers import (
    NOTHING,
    Given,
    check_answerer,
    question_digest,
)
from mplp_cli.workflow.fold.commands import Withdraw
from mplp_cli.workflow.fold.outcomes import UnknownOutcomeError
from mplp_cli.workflow.fold.replies import FORM, wants_input
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.fold.spending import asks_for_more, form_for
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.language.templates import fill
from mplp_cli.workflow.plan import PlanStep
from mplp_cli.workflow.retry import Fallback, fallback_for
from mplp_cli.workflow.values import duration_text

Writes = list[ProtocolObject]
Verb = Literal["approve", "reject"]


def caller_of(state: RunState, step: PlanStep, *, settles: bool = False) -> Caller:
    """Who calls a module operation for a step; `settles`: to bring a question to its end."""
    of = state.plan.workflow
    return Caller(run=state.run_id, workflow=of.id, step=step.id, description=of.description, settles=settles)


def aftermath(
    step: PlanStep, attempt: int, failure: Failure, scope: RunScope, world: World
) -> tuple[h.Event, Writes | None]:
    """What becomes of a failed attempt, with the objects of a question if a person is to decide."""
    if why := scope.state.doomed(step.number):
        why += f"; its attempt failed: {failure.message}"
        return h.StepCancelled(world.clock.now(), step.id, attempt, why), None
    if failure.type == UndecidedError.__name__:
        return _open_question(step, attempt, failure, world), None
    if step.asks_agents and wants_input(failure):
        return _agents_question(step, attempt, failure, scope, world)
    if asks_for_more(failure):
        message = f"`{step.id}`: {failure.message}. May more be spent?"
        asks = Fallback("any", "escalate-to-human", message)
        return question(step, attempt, failure, asks, scope, world, form_for(failure))
    found = after_failure(step, attempt, failure, scope, world)
    return (
        question(step, attempt, failure, found, scope, world)
        if isinstance(found, Fallback)
        else (found, None)
    )


def question(
    step: PlanStep,
    attempt: int,
    failure: Failure,
    fallback: Fallback,
    scope: RunScope,
    world: World,
    form: dict[str, dict[str, Any]] | None = None,
) -> tuple[h.StepWaiting | h.StepFailed, Writes]:
    """A failed step asks a person whether to try again; with a `form`, what to go on with. It fails for good if that
    cannot be asked."""
    now = world.clock.now()
    message = _message(step, failure, fallback, scope)
    parameters = {"reason": message, "requestedByRole": "engine", "approvers": list(fallback.approvers)}
    try:
        outcome = world.operations.call(
            "confirm", "request-approval", parameters, caller_of(scope.state, step)
        )
    except StepError as error:
        unasked = structs.replace(
            failure, message=f"{failure.message}; nobody could be asked: {error.message}"
        )
        return h.StepFailed(now, step.id, attempt, unasked), []
    world.operations.apply(outcome.writes)
    deadline = now + fallback.timeout if fallback.timeout else 0
    confirm, approvers = outcome.result["confirmId"], list(fallback.approvers)
    approval = h.Approval(confirm, message, approvers, deadline, form=form or {})
    return h.StepWaiting(now, step.id, attempt, deadline, approval, failure), outcome.writes


def _agents_question(
    step: PlanStep, attempt: int, failure: Failure, scope: RunScope, world: World
) -> tuple[h.StepWaiting | h.StepFailed, Writes]:
    """An agent wants to know something before it goes on. Those are asked whom the step's fallback would ask, and for
    as long."""
    of_step = fallback_for(step.fallbacks, failure)
    asks = (
        of_step if of_step and of_step.action == "escalate-to-human" else Fallback("any", "escalate-to-human")
    )
    return question(
        step, attempt, failure, structs.replace(asks, message=failure.message), scope, world, FORM
    )


def _open_question(step: PlanStep, attempt: int, failure: Failure, world: World) -> h.StepWaiting:
    """A step waits for the answer to a question that the workflow has asked before; then it is tried again."""
    now, asked = world.clock.now(), failure.details or {}
    deadline = now + asked["timeout"] if asked["timeout"] else 0
    approval = h.Approval(asked["confirmId"], asked["message"], asked["approvers"], deadline, open=True)
    return h.StepWaiting(now, step.id, attempt, deadline, approval, failure)


def own_question(
    step: PlanStep, attempt: int, body: dict[str, Any], deadline: int, scope: RunScope, world: World
) -> tuple[h.StepWaiting, Writes]:
    """An `approval` step asks. OperationError if it cannot be asked."""
    message, approvers = body["message"], body["approvers"]
    parameters = {"reason": message, "requestedByRole": "engine", "approvers": approvers}
    outcome = world.operations.call("confirm", "request-approval", parameters, caller_of(scope.state, step))
    world.operations.apply(outcome.writes)
    asked = h.Approval(outcome.result["confirmId"], message, approvers, deadline, own=True, form=body["form"])
    return h.StepWaiting(world.clock.now(), step.id, attempt, deadline, asked), outcome.writes


def doubt(step: PlanStep, scope: RunScope, world: World) -> tuple[h.StepWaiting | h.StepFailed, Writes]:
    """A step that runs once was lost during an attempt: a person is asked whether to try again.

    Those are asked whom its fallback actions would ask.
    """
    attempt = scope.state.attempts[step.number]
    failure = UnknownOutcomeError(attempt).failure()
    approvers = next((f.approvers for f in step.fallbacks if f.action == "escalate-to-human"), ())
    message = (
        f"`{step.id}` was at work when the process was lost (attempt {attempt}), and may have had its effect."
        " It runs once. Try again?"
    )
    asks = Fallback("any", "escalate-to-human", message, approvers)
    return question(step, attempt, failure, asks, scope, world)


def _message(step: PlanStep, failure: Failure, fallback: Fallback, scope: RunScope) -> str:
    """What the person reads. A message that cannot be filled in is no reason not to ask."""
    usual = f"`{step.id}` failed: {failure.message}. Try again?"
    try:
        said = fill(fallback.message, scope)
    except StepError as error:
        return f"{usual} (its own message could not be filled in: {error.message})"
    return str(said) if said else usual


def expired(step: PlanStep, state: RunState, now: int) -> h.StepFailed:
    """Nobody answered in time: no yes, so the step fails."""
    i, failure = step.number, state.errors[step.number]
    fallback = fallback_for(step.fallbacks, failure)
    limit = fallback.timeout if fallback is not None else (failure.details or {}).get("timeout", 0)
    error = StepTimeoutError(step.id, limit).failure()
    message = f"{failure.message}; nobody answered within {duration_text(limit)}"
    return h.StepFailed(
        now, step.id, state.attempts[i], structs.replace(error, message=message, retryable=False)
    )


def unanswered(step: PlanStep, now: int) -> h.StepDecided:
    """Nobody answered an `approval` step in time."""
    reason = f"nobody answered within {duration_text(step.timeout)}"
    return h.StepDecided(now, step.id, "expired", reason=reason)


def withdrawn(gone: Withdraw, state: RunState, world: World) -> Writes:
    """The end of a Confirm object that nobody has answered and nobody is to answer any more."""
    parameters = {"confirmId": gone.confirm, "reason": gone.reason or "withdrawn"}
    caller = caller_of(state, state.plan.steps[gone.number], settles=True)
    try:
        outcome = world.operations.call("confirm", "cancel-approval", parameters, caller)
    except OperationError:  # it has an end already: a step of the workflow, or an answer that came too late
        return []
    world.operations.apply(outcome.writes)
    return outcome.writes


def let_go(fact: h.Event, written: Writes, state: RunState, world: World) -> Writes:
    """What is stored of a fact that comes too late: what was written with it is known to the modules already.

    A question that it asks is withdrawn.
    """
    if not isinstance(fact, h.StepWaiting) or fact.approval is None or fact.approval.run:
        return written
    i = state.plan.number[fact.step]
    return [*written, *withdrawn(Withdraw(i, fact.approval.id, state.reasons.get(i, "")), state, world)]


def answer(
    step_id: str, verb: Verb, by: str, reason: str, state: RunState, world: World, given: Given = NOTHING
) -> tuple[h.StepDecided, Writes]:
    """A person's answer as a fact. RunStateError if the step waits for no answer, or not for this one."""
    i = state.plan.number.get(step_id, -1)
    approval = state.approvals.get(i)
    if approval is None or approval.run:
        raise RunStateError(f"`{step_id}` does not wait for an approval")
    check_answerer(approval.approvers, by)
    if given.digest not in ("", digest_of(state, i)):
        raise RunStateError(f"`{step_id}` asks something else by now")
    said: Literal["approved", "rejected"] = "approved" if verb == "approve" else "rejected"
    parameters = {"confirmId": approval.id, "decidedByRole": by or "user", "reason": reason or said}
    fact = h.StepDecided(world.clock.now(), step_id, said, by, reason, given.inputs, given.at)
    caller = caller_of(state, state.plan.steps[i], settles=True)
    try:
        outcome = world.operations.call("confirm", verb, parameters, caller)
    except (
        OperationError
    ):  # a step of the workflow has settled the object; the answer to the run counts all the same
        return fact, []
    world.operations.apply(outcome.writes)
    return fact, outcome.writes


def digest_of(state: RunState, i: int) -> str:
    """What an answer to the question of step `i` is bound to."""
    asked, step = state.approvals[i], state.plan.steps[i].id
    return question_digest(
        state.run_id,
        step,
        state.attempts[i],
        asked.id,
        message=asked.message,
        approvers=asked.approvers,
        form=asked.form,
    )
