"""Delivering in a server: as long as it runs, whenever no other process of the state does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mplp_cli.delivering import delivering
from mplp_cli.sampling import Watch, nobody
from mplp_cli.serving.parts import Parts
from mplp_cli.workflow.events.routes import Routing
from mplp_cli.workflow.published import Cause
from mplp_cli.workflow.values import Json, RunId

if TYPE_CHECKING:
    from mplp_cli.events.dispatch import Dispatcher

#: Seconds until it is asked again whether another process still delivers, and for what is left at the end.
_AGAIN = 0.5
_PATIENCE = 5.0


class Delivery:
    """The delivering of a server. It tells the doors how far the routes are."""

    def __init__(self, parts: Parts, watch: Watch = nobody) -> None:
        self._parts, self._watch = parts, watch
        self._dispatcher: Dispatcher | None = None
        #: Set when it delivers, or another process does; and by others when it is to end.
        self.opened, self.over = asyncio.Event(), asyncio.Event()
        parts.behind = self._behind

    async def work(self) -> None:
        """Deliver until it is over, and then what has been published by then. InputError, UsageError, StoreError."""
        settings = self._parts.runtime.settings
        routing, rules = settings.routing or Routing(), settings.correlation_rules
        while not self.over.is_set():
            async with delivering(
                self._parts.runtime,
                routing,
                start=self._start,
                patience=_PATIENCE,
                secrets=self._parts.secrets,
                bus=self._parts.bus,
                rules=rules,
            ) as open_:
                self._dispatcher = None if open_ is None else open_.dispatcher
                if open_ is not None:
                    self._watch(open_.dispatcher, open_.correlating)
                self.opened.set()
                try:
                    async with asyncio.timeout(
                        None if open_ is not None or not (routing.routes or rules) else _AGAIN
                    ):
                        await self.over.wait()
                except TimeoutError:
                    pass  # the other process may be gone by now

    def _behind(self) -> int:
        progress = self._dispatcher.progress() if self._dispatcher is not None else ()
        return max((route.behind for route in progress), default=0)

    async def _start(self, file: str, inputs: Mapping[str, Json], run_id: RunId, cause: Cause) -> None:
        self._parts.fleet.start(self._parts.catalogue.at(Path(file)), inputs, cause, run_id=run_id)
