"""The triggers of the workflows that are served: what they wait for is published, and starts runs in the fleet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mplp_cli.events.bus import Bus
from mplp_cli.events.files import Watching
from mplp_cli.events.firing import Armed, Firing
from mplp_cli.events.ticking import Ticking
from mplp_cli.serving.contract import Catalogue, Fleet
from mplp_cli.workflow.events.arming import SERVER, STARTED
from mplp_cli.workflow.events.triggers import EventTrigger, FileTrigger
from mplp_cli.workflow.published import Cause, Published, enriched
from mplp_cli.workflow.values import RunId

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime

#: Seconds between two looks at which files are to be watched.
_LOOK = 1.0


class Triggers:
    """Everything that triggers need, in one process that may serve them."""

    def __init__(
        self,
        runtime: Runtime,
        bus: Bus,
        catalogue: Catalogue,
        fleet: Fleet,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`tell`: what is said of times that were missed, and of files that cannot be watched."""
        self._runtime = runtime
        self._bus = bus
        self._catalogue = catalogue
        self._fleet = fleet
        self._tell = tell
        self.firing = Firing(self._armed, self._start, runtime.store, bus, runtime.clock)

    def _armed(self) -> list[Armed]:
        found = [Armed(served.id, trigger) for served in self._catalogue.all() for trigger in served.triggers]
        # What triggers of other workflows wait for, runs tell from then on.
        wanted = {one.trigger.where.type for one in found if isinstance(one.trigger, EventTrigger)}
        if not wanted <= set(self._runtime.listens):
            self._runtime.listens = wanted.union(self._runtime.listens)
        return found

    def _start(self, workflow: str, inputs: Mapping[str, Any], cause: Cause, run_id: RunId) -> RunId:
        return self._fleet.start(self._catalogue.find(workflow), inputs, cause, run_id=run_id)

    async def work(self) -> None:
        """Publish and start, until cancelled. The bus must be listening."""
        runtime = self._runtime
        ticking = Ticking(
            self.firing.scheduled, runtime.store.deliveries, self._bus, runtime.clock, self._tell
        )
        self.firing.rearm()
        await self._bus.publish(self._started())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.firing.work())
            tasks.create_task(ticking.work())
            await self._watch(tasks)

    def _started(self) -> Published:
        now = self._runtime.clock.now()
        data = {"workflows": [served.id for served in self._catalogue.all()]}
        event = Published(id=self._runtime.ids.uuid(), type=STARTED, source=SERVER, at=now, data=data)
        return enriched(event, now)

    async def _watch(self, tasks: asyncio.TaskGroup) -> None:
        """Watch the files of the triggers that there are at the time."""
        watched: dict[str, tuple[FileTrigger, asyncio.Task[None]]] = {}
        while True:
            wanted = {
                f"{workflow}/{trigger.id}": (workflow, trigger)
                for workflow, trigger in self.firing.watching()
            }
            for name, (trigger, task) in list(watched.items()):
                if name not in wanted or wanted[name][1] != trigger:
                    task.cancel()
                    del watched[name]
            for name, (workflow, trigger) in wanted.items():
                if name not in watched:
                    runtime = self._runtime
                    watching = Watching(workflow, trigger, self._bus, runtime.clock, runtime.ids, self._tell)
                    watched[name] = trigger, tasks.create_task(watching.work())
            await asyncio.sleep(_LOOK)
