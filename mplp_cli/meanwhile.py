"""Driving a run, and what is done meanwhile. What is not declared costs nothing, nor is it imported."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mplp_cli.events.dispatch import Scope
    from mplp_cli.runtime import Run, Runtime
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.published import Published

#: Events among which the first ones of a new run are looked for.
_RECENT: Final = 1_000


async def driven(runtime: Runtime, run: Run, *, project: bool = True) -> RunState:
    """Drive a run to where only a person can take it on, and deliver meanwhile: what is published in the project,
    unless another process does (or not `project`), and for the routes of the run's own workflow what the run tells."""
    own = run.plan.routing
    declared = runtime.settings.routing if project else None
    if own is None and declared is None:
        return await run.go()
    from mplp_cli.delivering import delivering
    from mplp_cli.events.dispatch import Scope

    async with AsyncExitStack() as stack:
        scope = _scope_of(runtime, run)
        if declared is not None:
            # A route that is new begins with the run that is, not after what the run has told already.
            everything = Scope(begin=scope.begin)
            rules = runtime.settings.correlation_rules
            opened = delivering(runtime, declared, strict=False, scope=everything, rules=rules)
            await stack.enter_async_context(opened)
        if own is not None:
            known = run.drive.world.secrets
            opened = delivering(runtime, own, strict=False, scope=scope, secrets=known)
            await stack.enter_async_context(opened)
        return await run.go()


def _scope_of(runtime: Runtime, run: Run) -> Scope:
    """The scope of the routes of a run's own workflow: what this run tells, from its first event on."""
    from mplp_cli.events.dispatch import Scope

    of = f"mplp/{run.plan.workflow.id}/{run.state.run_id}"

    def is_own(event: Published) -> bool:
        return event.source == of or event.source.startswith(f"{of}/")

    # If it has just begun, what it has told is among the last events; else its routes are known.
    told = [number for number, event in runtime.store.board.newest(_RECENT) if is_own(event)]
    return Scope(name=f"run:{run.state.run_id}/", only=is_own, begin=told[0] - 1 if told else None)
