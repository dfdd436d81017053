"""A process that delivers, on virtual time: targets that do as they are told, and a store that outlives the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from mplp_cli.errors import Failure, StoreError
from mplp_cli.events.bus import Bus
from mplp_cli.events.dispatch import PROJECT, Dispatcher, Scope
from mplp_cli.protocols import Delivery
from mplp_cli.store.memory import MemoryStore
from mplp_cli.workflow.events.routes import FileTarget, Match, Route, Routing
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.retry import Retry
from tests.virtual import VirtualClock

#: What a target does with (number, event).
Act = Callable[[int, Published], Awaitable[Failure | None]]


class Target:
    """Takes events one at a time, or in batches, and notes each try: when (virtual seconds), and which."""

    def __init__(self, clock: VirtualClock, act: Act | None = None, at_most: int = 1) -> None:
        self._clock, self._act, self.at_most = clock, act, at_most
        self.tries: list[tuple[float, int, Published]] = []
        #: Those that it has, each time that it got them.
        self.has: list[str] = []
        #: Sources that are being delivered, and the most there were at a time.
        self.under_way: list[str] = []
        self.most = 0

    async def send(self, events: Sequence[tuple[int, Published]]) -> list[Failure | None]:
        outcome = []
        for number, event in events:
            self.tries.append((self._clock.monotonic(), number, event))
            assert event.source not in self.under_way, "one of a source at a time"
            self.under_way.append(event.source)
            self.most = max(self.most, len(self.under_way))
            try:
                failure = await self._act(number, event) if self._act else None
            finally:
                self.under_way.remove(event.source)
            if failure is None:
                self.has.append(event.id)
            outcome.append(failure)
        return outcome


class Mortal:
    """The deliveries of a store that can be taken away, as a crash does."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.gone = inner, ""

    def settle(self, *args: Any, **more: Any) -> None:
        if self.gone:
            raise StoreError(self.gone)
        self._inner.settle(*args, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Project:
    """A store, a clock and routes: what stays when processes come and go."""

    def __init__(self, routing: Routing, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.store = MemoryStore(self.clock)
        self.mortal = Mortal(self.store.deliveries)
        self.board, self.deliveries, self.routing = self.store.board, self.store.deliveries, routing
        self.targets = {route.id: Target(self.clock) for route in routing.routes}
        self.bus = Bus(self.board, 0)

    @asynccontextmanager
    async def delivering(
        self, chance: float = 0.5, scope: Scope = PROJECT, **more: Any
    ) -> AsyncIterator[Dispatcher]:
        """A process, that ends with the block."""
        self.mortal.gone = ""
        self.bus = Bus(self.board, self.board.last())
        seen: Any = self
        dispatcher = Dispatcher(
            more.get("routing", self.routing),
            seen,
            lambda route: self.targets[route.id],
            more.get("clock", self.clock),
            lambda: chance,
            self.bus.heard,
            scope,
        )
        self.bus.subscribe(dispatcher.hear)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(dispatcher.work()), group.create_task(self.bus.listen())]
            try:
                yield dispatcher
            finally:
                for task in tasks:
                    task.cancel()

    def states(self, route: str) -> Mapping[int, str]:
        """Number -> state."""
        return {one.event: one.state for one in self.records(route)}

    def records(self, route: str) -> list[Delivery]:
        """What became of events on a route."""
        return self.deliveries.of(route, limit=1_000_000)


class Crashed(Project):
    """As `Project`, where the dispatcher sees a store that can be taken away."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.deliveries = self.mortal  # type: ignore[assignment] # it behaves as one


def event(
    name: str, source: str = "a", kind: str = "it.happened", data: Any = None, at: int = 0
) -> Published:
    return Published(id=name, type=kind, source=source, at=at, data=data)


def route(name: str = "r", **more: Any) -> Route:
    more.setdefault("retry", Retry(max_retries=3, initial_delay=1_000))
    match = Match(**more.pop("match", {}))
    return Route(id=name, match=match, target=FileTarget(path="/nowhere"), **more)


def routing(*routes: Route, **more: Any) -> Routing:
    return Routing(routes=routes, **more)


def refused(message: str = "no", *, retryable: bool = True, **details: Any) -> Failure:
    return Failure(type="RefusedError", message=message, retryable=retryable, details=details or None)
