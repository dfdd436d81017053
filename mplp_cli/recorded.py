"""What the store holds of a run, for those who only look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.fold.history import Event
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.plan import Plan
    from mplp_cli.workflow.resources import Demand


class Recorded(Struct, frozen=True, kw_only=True):
    """A run as its history tells it. `now` is the present, or its last moment if nobody drives it."""

    plan: Plan
    state: RunState
    #: The status for people: `interrupted` if it says `running` but nobody holds it.
    status: str
    now: int
    #: The plan as it was before anything was added to it; None if this version plans it differently.
    first: Plan | None
    #: What a reader should know first; empty if there is nothing.
    warning: str = ""


_PLANNED_DIFFERENTLY = (
    "this version of mplp plans the stored definition differently than the one that began the run;"
    " it is shown as its history tells it"
)


def recorded(runtime: Runtime, record: RunRecord) -> Recorded:
    """Fold the history of a run; one that this version plans differently is taken at its word, with a warning."""
    from mplp_cli.again import past
    from mplp_cli.render.tables import status_of

    facts = [fact for _, fact in runtime.store.history(record.id)]
    state, same = past(runtime, record.id, facts)
    status = status_of(record)
    if status == "running":
        state.shortage = shortage_of(runtime, record.id)
    return Recorded(
        plan=state.plan,
        state=state,
        first=same,
        warning="" if same is not None else _PLANNED_DIFFERENTLY,
        status=status,
        now=facts[-1].at if status == "interrupted" and facts else runtime.clock.now(),
    )


def shortage_of(runtime: Runtime, run_id: str) -> Callable[[Demand], str]:
    """What a run that is driven lacks of what an attempt asks for, and who holds that; see `RunState.shortage`."""
    from mplp_cli.workflow.shortage import shortage

    def lacks(demand: Demand) -> str:
        store = runtime.store
        shares = [*store.shares.all(), *(one.share for one in store.shares.allocations())]
        return shortage(runtime.pool, demand, run_id, shares, runtime.clock.now())

    return lacks


def check_step(plan: Plan, facts: Iterable[Event], record: RunRecord, step: str) -> None:
    """UsageError if the run has no step of that name, or has it once for each item."""
    from mplp_cli.errors import UsageError
    from mplp_cli.render.view import short_id
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.revision.telling import replay
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
