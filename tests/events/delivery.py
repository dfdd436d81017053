"""A process that delivers, on virtual time: targets that do as they are told, and a store that outlives the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from mplp_cli.errors import Failure, StoreError
from mplp_cli.events.bus import Bus
from mplp_cli.events.contract import Sender
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


async def sent(sender: Sender, *events: tuple[int, Published]) -> Sequence[Failure | None]:
    """What became of events, waited for if need be."""
    told = sender.send(events)
    return await told if isinstance(told, Coroutine) else told


class Mortal:
    """A part of a store that can be taken away, as a crash does. Notes which dead letters might not outlast a power
    cut."""

    def __init__(self, inner: Any, state: dict[str, str]) -> None:
        self._inner, self._state = inner, state
        self.careless: list[Delivery] = []

    def settle(self, readers: Any, deliveries: Any = (), events: Any = (), *, durable: bool = True) -> None:
        self._look()
        self.careless += [one for one in deliveries if one.state == "dead" and not durable]
        self._inner.settle(readers, deliveries, events, durable=durable)

    def numbered(self, number: int) -> Any:
        self._look()
        return self._inner.numbered(number)

    def _look(self) -> None:
        if self._state["gone"]:
            raise StoreError(self._state["gone"])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Project:
    """A store, a clock and routes: what stays when processes come and go."""

    def __init__(self, routing: Routing, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.store = MemoryStore(self.clock)
        self.state = {"gone": ""}
        self.board: Any = Mortal(self.store.board, self.state)
        self.deliveries: Any = Mortal(self.store.deliveries, self.state)
        self.routing = routing
        self.targets = {route.id: Target(self.clock) for route in routing.routes}
        self.bus = Bus(self.board, 0)

    @asynccontextmanager
    async def delivering(
        self, chance: float = 0.5, scope: Scope = PROJECT, **more: Any
    ) -> AsyncIterator[Dispatcher]:
        """A process, that ends with the block."""
        self.fails("")
        self.bus = Bus(self.board, more.get("after", self.board.last()))
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
        self.bus.subscribe(dispatcher.hear, dispatcher.hand_over)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(dispatcher.work()), group.create_task(self.bus.listen())]
            try:
                yield dispatcher
            finally:
                for task in tasks:
                    task.cancel()

    def fails(self, why: str) -> None:
        """From now on the store does, or not (empty)."""
        self.state["gone"] = why

    def states(self, route: str) -> Mapping[int, str]:
        """Number -> state."""
        return {one.event: one.state for one in self.records(route)}

    def records(self, route: str) -> list[Delivery]:
        """What became of events on a route."""
        found: list[Delivery] = self.deliveries.of(route, limit=1_000_000)
        return found


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
