"""Decisions that become facts: conditions before an attempt, and what becomes of a failed one."""

from __future__ import annotations

from msgspec import UNSET

from mplp_cli.engine.keeping import kept
from mplp_cli.engine.world import World
from mplp_cli.errors import (
    ExpressionError,
    Failure,
    StepError,
    UnresolvedReferenceError,
    UnsupportedConditionTypeError,
    failure_of,
)
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.language.conditions import judge_step_result
from mplp_cli.workflow.language.references import follow
from mplp_cli.workflow.language.templates import Formula, fill, holds
from mplp_cli.workflow.plan import Custom, Judgement, PlanStep, StepResult
from mplp_cli.workflow.retry import Fallback, fallback_for
from mplp_cli.workflow.values import Json


def may_run(step: PlanStep, scope: RunScope) -> bool:
    """Whether the step's `when` is true; StepError if it cannot be judged."""
    when = step.when
    return when if isinstance(when, bool) else holds(when, scope)  # type: ignore[arg-type]


def judged(step: PlanStep, scope: RunScope, at: int) -> h.Event | Failure:
    """What follows from the `when` of a step that would queue for a slot."""
    try:
        runs = may_run(step, scope)
    except Exception as error:  # noqa: BLE001 - whatever a value raises is the step's failure
        return failure_of(error)
    return h.StepQueued(at, step.id) if runs else h.StepSkipped(at, step.id, skip_reason(step))


def skip_reason(step: PlanStep) -> str:
    """Why a step with a false `when` did not run."""
    if isinstance(step.when, Formula):
        return f"its condition was false: {step.when.expression.source}"
    return "its condition was false"


def branch_of(step: PlanStep, scope: RunScope, world: World) -> str:
    """The branch that a conditional takes: `then` or `else`."""
    return "then" if _judge(step.condition, scope, world) else "else"


def _judge(condition: Judgement | None, scope: RunScope, world: World) -> bool:
    match condition:
        case bool():
            return condition
        case Formula():
            return holds(condition, scope)
        case StepResult():
            return _compare(condition, scope)
        case Custom():
            handler = world.conditions.get(condition.handler)
            if handler is None:
                raise UnsupportedConditionTypeError(f"no condition handler is called `{condition.handler}`")
            answer = handler(fill(condition.arguments, scope), View(scope))
            if not isinstance(answer, bool):
                raise ExpressionError(
                    f"the condition handler `{condition.handler}` gave {answer!r}, not true or false"
                )
            return answer
    raise UnsupportedConditionTypeError("the condition has no type that can be judged")


def _compare(condition: StepResult, scope: RunScope) -> bool:
    result = scope.results[condition.number]
    found: Json = None
    missing = result is UNSET
    if not missing:
        try:
            found = follow(result, condition.path, "result")
        except UnresolvedReferenceError:
            if condition.operator != "exists":
                raise
            missing = True
    return judge_step_result(condition.operator, found, fill(condition.value, scope), missing)


class View:
    """What a condition handler may look at."""

    def __init__(self, scope: RunScope) -> None:
        self._scope = scope
        self.inputs = scope.state.inputs

    def status(self, step_id: str) -> str:
        """The status of a step; StepError if there is none of that id."""
        return self._scope.state.step_status[self._number(step_id)]

    def result(self, step_id: str) -> Json:
        """The result of a step, None if it has none."""
        value = self._scope.results[self._number(step_id)]
        return None if value is UNSET else value

    def statuses(self) -> dict[str, str]:
        """The status of every step by id."""
        state = self._scope.state
        return {step.id: state.step_status[step.number] for step in state.plan.steps if step.loop < 0}

    def _number(self, step_id: str) -> int:
        number = self._scope.state.plan.number.get(step_id)
        if number is None:
            raise UnresolvedReferenceError(f"there is no step `{step_id}`")
        return number


def after_failure(
    step: PlanStep, attempt: int, failure: Failure, scope: RunScope, world: World
) -> h.Event | Fallback:
    """What becomes of a failed attempt: a retry, the end of the step, or the fallback that asks a person."""
    at, fraction = world.clock.now(), world.ids.fraction()
    counted = attempt - scope.state.uncounted.get(step.number, 0)
    if step.retry.may_retry(failure, counted):
        delay = step.retry.wait(failure, counted - 1, fraction)
        return h.StepRetrying(at, step.id, attempt, failure, delay, at + delay)
    fallback = fallback_for(step.fallbacks, failure)
    if fallback is None or fallback.action == "abort":
        return h.StepFailed(at, step.id, attempt, failure)
    match fallback.action:
        case "skip":
            return h.StepSkipped(at, step.id, f"its fallback skips it: {failure.message}", failure)
        case "use-value":
            return _use_value(step, attempt, failure, fallback, scope, world)
        case "run-step":
            instead = scope.state.plan.steps[scope.number(fallback.instead)].id
            return h.StepFellBack(at, step.id, attempt, failure, instead)
        case _:
            return fallback


def _use_value(
    step: PlanStep, attempt: int, failure: Failure, fallback: Fallback, scope: RunScope, world: World
) -> h.Event:
    at = world.clock.now()
    try:
        value = kept(step, fill(fallback.value, scope), world)
    except StepError as error:
        other = Failure(
            type=failure.type,
            message=f"{failure.message}; its fallback value failed too: {error.message}",
            details=failure.details,
            retryable=False,
        )
        return h.StepFailed(at, step.id, attempt, other)
    return h.StepCompleted(at, step.id, attempt, value, failure)
