"""How containers open and end: the branch of a conditional, the items of a foreach, whether a loop goes on."""

from __future__ import annotations

from mplp_cli.engine.judging import branch_of
from mplp_cli.engine.world import World
from mplp_cli.errors import Failure, StepError, failure_of
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.composites import conclusion, inside
from mplp_cli.workflow.fold.growth import EACH
from mplp_cli.workflow.fold.outcomes import LoopExhaustedError
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.fold.statuses import FAILED
from mplp_cli.workflow.language.references import kind_of
from mplp_cli.workflow.language.templates import Formula, fill, holds
from mplp_cli.workflow.plan import PlanStep
from mplp_cli.workflow.planning.repeats import MOST_ITEMS
from mplp_cli.workflow.values import Json, duration_ms


def opened(step: PlanStep, attempt: int, scope: RunScope, world: World, at: int) -> h.StepStarted:
    """The start of a container: a conditional with its branch, a foreach with its items."""
    if step.kind == "conditional":
        return h.StepStarted(at, step.id, attempt, branch_of(step, scope, world))
    if step.kind == "foreach":
        return h.StepStarted(at, step.id, attempt, EACH, _items(step, scope))
    return h.StepStarted(at, step.id, attempt, "" if step.kind == "parallel" else EACH)


def concluded(step: PlanStep, scope: RunScope, at: int) -> h.Event | Failure:
    """What follows when all that a container has opened has ended."""
    if step.kind != "loop":
        return conclusion(scope.state, step.number, at)
    try:
        return _goes_on(step, scope, at)
    except Exception as error:  # noqa: BLE001 - whatever a condition raises is the step's failure
        return failure_of(error)


def _items(step: PlanStep, scope: RunScope) -> list[Json]:
    """StepError if the items are no list, or too many."""
    assert step.repeat is not None
    items = fill(step.repeat.items, scope)
    if not isinstance(items, list):
        raise StepError(
            f"`items` is {kind_of(items)}, not a list", hint="refer to a list, or make one: `${x | list}`"
        )
    if len(items) > MOST_ITEMS:
        raise StepError(f"{len(items):,} items are more than one foreach takes ({MOST_ITEMS:,})")
    return items


def _goes_on(step: PlanStep, scope: RunScope, at: int) -> h.StepRepeated | h.StepCompleted | h.StepFailed:
    """What follows an iteration of a loop, or its start: the next one, or its end.

    StepError if a condition cannot be judged.
    """
    state, repeat = scope.state, step.repeat
    assert repeat is not None
    attempt, result = state.attempts[step.number], state.results[step.number]
    done = len(step.children)
    if done:
        last = step.children[-1]
        if state.step_status[last] is FAILED:
            return h.StepFailed(at, step.id, attempt, inside(state, last), result)
        scope = scope.at(state.plan.steps[last + 1])  # the conditions see the steps of the last iteration
        if repeat.until is not None and _is(repeat.until, scope):
            return h.StepCompleted(at, step.id, attempt, result)
    if repeat.while_ is not None and not _is(repeat.while_, scope):
        return h.StepCompleted(at, step.id, attempt, result)
    if done < repeat.most:
        return h.StepRepeated(at, step.id, done, at + _pause(repeat.delay, scope) if done else 0)
    if repeat.until is None and repeat.while_ is None:
        return h.StepCompleted(at, step.id, attempt, result)
    raise LoopExhaustedError(
        f"{done} iterations were not enough: its condition says that it should go on",
        hint="raise `max-iterations`, or mend what the loop waits for",
        details={"iterations": done},
    )


def _is(condition: Formula | bool, scope: RunScope) -> bool:
    return condition if isinstance(condition, bool) else holds(condition, scope)


def _pause(delay: Json, scope: RunScope) -> int:
    value = fill(delay, scope)
    try:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError(f"{value!r} is not a duration")
        return duration_ms(value)
    except ValueError as error:
        raise StepError(f"`delay`: {error}") from None
