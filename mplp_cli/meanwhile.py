"""Driving a run, and what is done meanwhile. What is not declared costs nothing, nor is it imported."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final

from mplp_cli.sampling import Watch, nobody, sampling

if TYPE_CHECKING:
    from mplp_cli.events.dispatch import Scope
    from mplp_cli.runtime import Run, Runtime
    from mplp_cli.workflow.events.routes import Routing
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.published import Published

#: Seconds until it is looked again whether another process still delivers.
_AGAIN: Final = 0.5


async def driven(runtime: Runtime, run: Run, *, project: bool = True) -> RunState:
    """Drive a run to where only a person can take it on, and deliver meanwhile: what is published in the project,
    unless another process does, and for the routes of the run's own workflow what the run tells. What happens is
    measured. Without `project` a server does for all its runs what is the project's."""
    if not project:
        return await _driven(runtime, run, None, nobody)
    async with sampling(runtime, f"run:{run.state.run_id}") as watch:
        return await _driven(runtime, run, runtime.settings.routing, watch)


async def _driven(runtime: Runtime, run: Run, declared: Routing | None, watch: Watch) -> RunState:
    own = run.plan.routing
    if own is None and declared is None:
        return await run.go()
    from mplp_cli.delivering import delivering
    from mplp_cli.events.dispatch import Scope

    scope = _scope_of(runtime, run)
    over = asyncio.Event()
    try:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            if declared is not None:
                # A route that is new begins with the run that is, not after what the run has told already.
                everything, opened = Scope(begin=scope.begin), asyncio.Event()
                tasks.create_task(_for_the_project(runtime, declared, everything, watch, (opened, over)))
                await opened.wait()
            if own is not None:
                known = run.drive.world.secrets
                of_run = delivering(runtime, own, strict=False, scope=scope, secrets=known)
                if (delivers := await stack.enter_async_context(of_run)) is not None:
                    watch(delivers.dispatcher, delivers.correlating)
            try:
                return await run.go()
            finally:
                over.set()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def _for_the_project(
    runtime: Runtime,
    declared: Routing,
    scope: Scope,
    watch: Watch,
    moments: tuple[asyncio.Event, asyncio.Event],
) -> None:
    """Deliver for the project whenever no other process does, until it is over, and then what is left. `moments`: it
    has begun (or another process delivers), and it is over."""
    from mplp_cli.delivering import delivering

    opened, over = moments
    rules = runtime.settings.correlation_rules
    try:
        while True:
            last = over.is_set()
            async with delivering(runtime, declared, strict=False, scope=scope, rules=rules) as delivers:
                if delivers is not None:
                    watch(delivers.dispatcher, delivers.correlating)
                opened.set()
                await _until(over, None if delivers is not None else _AGAIN)
            if last or (over.is_set() and delivers is not None):
                return
    finally:
        opened.set()


async def _until(moment: asyncio.Event, seconds: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await moment.wait()


def _scope_of(runtime: Runtime, run: Run) -> Scope:
    """The scope of the routes of a run's own workflow: what this run tells, from its first event on."""
    from mplp_cli.engine.announcing import first_told
    from mplp_cli.events.dispatch import Scope

    of = f"mplp/{run.plan.workflow.id}/{run.state.run_id}"

    def is_own(event: Published) -> bool:
        return event.source == of or event.source.startswith(f"{of}/")

    first = first_told(run.state.run_id, next(iter(run.journal.read())))
    told = [number for number, event in runtime.store.board.find(first) if is_own(event)]
    return Scope(name=f"run:{run.state.run_id}/", only=is_own, begin=told[0] - 1 if told else None)
