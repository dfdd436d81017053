"""What a command does that publishes, where no server is: it delivers, and starts what is triggered."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from mplp_cli.delivering import delivering
from mplp_cli.errors import MplpError
from mplp_cli.events.bus import Bus
from mplp_cli.events.firing import Armed, Firing
from mplp_cli.leaving import hand_over
from mplp_cli.running import Run, Screen
from mplp_cli.sampling import sampling
from mplp_cli.serving.catalogue import Files, default_places
from mplp_cli.serving.contract import Served
from mplp_cli.workflow.events.triggers import EventTrigger
from mplp_cli.workflow.published import Cause, Published
from mplp_cli.workflow.values import RunId

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime


async def publish_here(
    runtime: Runtime, events: Sequence[Published], tell: Callable[[str], None]
) -> list[int]:
    """The numbers of the events, which are published. Delivers what is published for some seconds at most, and starts
    the runs that event triggers ask for, each in a process of its own; unless another process delivers.

    `tell`: of what could not be done: it stays for a server, or is told by `trigger.failed`.
    """
    async with AsyncExitStack() as stack:
        declared, last = runtime.settings.routing, runtime.store.board.last()
        open_ = None
        if declared is not None:
            rules = runtime.settings.correlation_rules
            watch = await stack.enter_async_context(sampling(runtime, f"emit:{os.getpid()}"))
            open_ = await stack.enter_async_context(delivering(runtime, declared, strict=False, rules=rules))
            if open_ is not None:
                watch(open_.dispatcher, open_.correlating)
        starting = _Starting(runtime, _served(runtime, tell))
        bus = Bus(runtime.store.board, last)
        firing = Firing(starting.armed, starting.start, runtime.store, bus, runtime.clock)
        firing.rearm()
        numbers = await (bus if open_ is None else open_.bus).publish(*events)
        if starting.armed():
            firing.once()
    # Whoever drives them delivers what they tell, and can only once this does not any more.
    await starting.leave(tell)
    return numbers


def _served(runtime: Runtime, tell: Callable[[str], None]) -> Sequence[Served]:
    try:
        return Files(default_places(runtime.cwd), runtime.load, runtime.clock).all()
    except MplpError as error:
        tell(f"triggers were not looked at: {error.message}")
        return ()


class _Starting:
    """Stores the runs that triggers ask for, and leaves them to processes of their own."""

    def __init__(self, runtime: Runtime, served: Sequence[Served]) -> None:
        self._runtime = runtime
        self._served = {one.id: one for one in served}
        self._begun: list[tuple[Run, Mapping[str, str]]] = []

    def armed(self) -> list[Armed]:
        """The triggers on events; the others are a server's."""
        return [
            Armed(one.id, trigger)
            for one in self._served.values()
            for trigger in one.triggers
            if isinstance(trigger, EventTrigger)
        ]

    def start(self, workflow: str, inputs: Mapping[str, Any], cause: Cause, run_id: RunId) -> None:
        """Store a run."""
        from mplp_cli.loading import resolve_inputs
        from mplp_cli.sources import read_secrets

        plan, source = self._served[workflow].plan, self._served[workflow].source
        resolved = resolve_inputs(plan.workflow, inputs)
        secrets = read_secrets(plan.secrets, self._runtime.environ, None)
        begun = self._runtime.start(source, plan, resolved, secrets, Screen(), cause=cause, run_id=run_id)
        self._begun.append((begun, secrets))

    async def leave(self, tell: Callable[[str], None]) -> None:
        """Give each run to its process."""
        for run, secrets in self._begun:
            name, workflow = run.state.run_id, run.plan.workflow.id
            try:
                await hand_over(self._runtime, name, dict(secrets))
                tell(f"{workflow} was started, run {name}")
            except MplpError as error:
                tell(
                    f"{workflow} was stored, and not started: {error.message}; `mplp resume {name[:8]}` does"
                )
            finally:
                run.leave()
