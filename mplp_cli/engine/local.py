"""Work that is done inside the turn, because it has no effect outside the journal."""

from __future__ import annotations

from msgspec import UNSET

from mplp_cli.engine.caching import keep_of
from mplp_cli.engine.keeping import kept
from mplp_cli.engine.people import caller_of
from mplp_cli.engine.world import World
from mplp_cli.errors import StepTimeoutError
from mplp_cli.protocols import ProtocolObject
from mplp_cli.workflow.fold.history import StepCompleted
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.language.templates import fill
from mplp_cli.workflow.plan import PlanStep


def assigned(step: PlanStep, attempt: int, scope: RunScope, world: World) -> StepCompleted:
    """The end of a `set` step: its values, filled in."""
    return StepCompleted(world.clock.now(), step.id, attempt, kept(step, fill(step.body, scope), world))


def stood_in(step: PlanStep, attempt: int, world: World) -> StepCompleted | None:
    """The end of a step whose work something stands in for, in a test. None: it does its work."""
    given = UNSET if step.effect else world.instead(step.id, attempt)
    return (
        None
        if given is UNSET
        else StepCompleted(world.clock.now(), step.id, attempt, kept(step, given, world))
    )


def operate(
    step: PlanStep, attempt: int, scope: RunScope, world: World
) -> tuple[StepCompleted, list[ProtocolObject]]:
    """A local module operation: its result and its objects are stored in one commit."""
    assert step.target is not None
    began = world.clock.monotonic()
    outcome = world.operations.call(*step.target, fill(step.body, scope), caller_of(scope.state, step))
    if step.timeout and (world.clock.monotonic() - began) * 1000 > step.timeout:
        raise StepTimeoutError(step.id, step.timeout)
    result = kept(step, outcome.result, world)
    world.operations.apply(outcome.writes)
    now = world.clock.now()
    return StepCompleted(now, step.id, attempt, result, keep=keep_of(step, scope, now)), outcome.writes
