"""Work that is done inside the turn, because it has no effect outside the journal."""

from __future__ import annotations

from msgspec import UNSET

from mplp_cli.engine.caching import keep_of
from mplp_cli.engine.containers import opened
from mplp_cli.engine.judging import may_run, skip_reason
from mplp_cli.engine.keeping import kept
from mplp_cli.engine.people import caller_of
from mplp_cli.engine.waiting import WAITS, begun
from mplp_cli.engine.world import World
from mplp_cli.errors import StepTimeoutError
from mplp_cli.protocols import ProtocolObject
from mplp_cli.workflow.fold.history import Event, StepCompleted, StepSkipped
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.language.templates import fill
from mplp_cli.workflow.plan import CONTAINERS, PlanStep
from mplp_cli.workflow.values import Json


def done_at_once(
    step: PlanStep, attempt: int, scope: RunScope, world: World
) -> tuple[Event, list[ProtocolObject] | None] | None:
    """The fact that a step is skipped, set, open or waiting, with its objects; None if an attempt has to begin."""
    if step.when is not None and not step.effect and not may_run(step, scope):
        return StepSkipped(world.clock.now(), step.id, skip_reason(step)), None
    if (given := stood_in(step, attempt, world)) is not None:
        return given, None
    if step.kind == "set":
        return assigned(step, attempt, scope, world), None
    if step.kind in CONTAINERS:
        return opened(step, attempt, scope, world, world.clock.now()), None
    return begun(step, attempt, scope, world) if step.kind in WAITS else None


def assigned(step: PlanStep, attempt: int, scope: RunScope, world: World) -> StepCompleted:
    """The end of a `set` step: its values, filled in."""
    return StepCompleted(world.clock.now(), step.id, attempt, kept(step, fill(step.body, scope), world))


def stood_in(step: PlanStep, attempt: int, world: World) -> StepCompleted | None:
    """The end of a step whose work something stands in for, in a test. None: it does its work, or a runner does."""
    given = world.instead(step.id, attempt) if step.target is not None or not step.effect else UNSET
    if given is UNSET:
        return None
    return StepCompleted(world.clock.now(), step.id, attempt, kept(step, given, world))


def operate(
    step: PlanStep, attempt: int, scope: RunScope, world: World, filled: Json = None
) -> tuple[StepCompleted, list[ProtocolObject]]:
    """A local module operation: its result and its objects are stored in one commit.

    `filled` are its parameters, if agents had a say in them.
    """
    assert step.target is not None
    began = world.clock.monotonic()
    given = fill(step.body, scope) if filled is None else filled
    outcome = world.operations.call(*step.target, given, caller_of(scope.state, step))
    if step.timeout and (world.clock.monotonic() - began) * 1000 > step.timeout:
        raise StepTimeoutError(step.id, step.timeout)
    result = kept(step, outcome.result, world)
    world.operations.apply(outcome.writes)
    now = world.clock.now()
    return StepCompleted(now, step.id, attempt, result, keep=keep_of(step, scope, now)), outcome.writes
