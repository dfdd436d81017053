"""What the store holds of a run, for the commands that only look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mplp_cli.protocols import RunRecord, Standing
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.history import Event
    from mplp_cli.workflow.plan import Plan
    from mplp_cli.workflow.state import RunState


class Recorded(Struct, frozen=True, kw_only=True):
    """A run as its history tells it. `now` is the present, or its last moment if nobody drives it."""

    plan: Plan
    state: RunState
    #: The status for people: `interrupted` if it says `running` but nobody holds it.
    status: str
    now: int


def recorded(runtime: Runtime, record: RunRecord) -> Recorded:
    """Fold the history of a run. StoreError if this version cannot."""
    from mplp_cli.engine.drive import replay
    from mplp_cli.render.tables import status_of
    from mplp_cli.workflow.state import RunState

    plan = runtime.stored_plan(record.id)
    facts = [fact for _, fact in runtime.store.history(record.id)]
    status = status_of(record)
    state = replay(RunState(plan), facts)
    return Recorded(
        plan=state.plan,
        state=state,
        status=status,
        now=facts[-1].at if status == "interrupted" and facts else runtime.clock.now(),
    )


def check_step(plan: Plan, facts: Iterable[Event], record: RunRecord, step: str) -> None:
    """UsageError if the run has no step of that name, or has it once for each item."""
    from mplp_cli.engine.drive import replay
    from mplp_cli.errors import UsageError
    from mplp_cli.render.view import short_id
    from mplp_cli.workflow.state import RunState
    from mplp_cli.workflow.suggest import did_you_mean

    if plan.grows:
        plan = replay(RunState(plan), facts).plan
    run = short_id(record.id)
    if step not in plan.number:
        hint = did_you_mean(step, list(plan.number)) or f"`mplp status {run}` lists them"
        raise UsageError(f"run {run} has no step {step!r}", hint=hint)
    if plan.steps[plan.number[step]].loop >= 0:
        copies = [name for name in plan.number if name.endswith(f"].{step}")]
        hint = f"name one of them: `{copies[0]}`" if copies else "none of them has begun"
        raise UsageError(f"`{step}` runs once for each item or iteration", hint=hint)


def run_object(run: RunRecord, standing: Standing | None = None) -> dict[str, Any]:
    """One run of the list, for machines."""
    from mplp_cli.render.tables import status_of
    from mplp_cli.workflow.values import rfc3339

    made = {
        "runId": run.id,
        "workflowId": run.workflow_id,
        "name": run.name,
        "status": status_of(run),
        "createdAt": rfc3339(run.created_at),
        "endedAt": rfc3339(run.ended_at) if run.ended_at else None,
    }
    if standing is None:
        return made
    return {**made, "concurrency": {"key": standing.key, "position": standing.position}}
