"""Sampling: what a process has counted, and how the machine stands, brought to the store now and then.

A run that is over before the first sample is due leaves one small sample. What a process had counted since its last
sample is lost with it if it is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from mplp_cli.errors import MplpError, StoreError
from mplp_cli.workflow.metrics import Labels, Sample, together

if TYPE_CHECKING:
    from pathlib import Path

    from mplp_cli.events.correlating import Correlating
    from mplp_cli.events.dispatch import Dispatcher
    from mplp_cli.observe.tally import Tally
    from mplp_cli.resources.gauges import Gauges
    from mplp_cli.runtime import Runtime

#: Milliseconds between two looks at what has become old.
_COMPACT: Final = 60_000
#: What everybody sees alike: whoever looks tells it as this source.
MACHINE: Final = "machine"


class Watch(Protocol):
    """Is told of each dispatcher that begins, and of what works for rules beside it."""

    def __call__(self, dispatcher: Dispatcher, correlating: Correlating) -> None: ...


def nobody(dispatcher: Dispatcher, correlating: Correlating) -> None:
    """Where nothing is measured."""


@asynccontextmanager
async def sampling(runtime: Runtime, source: str) -> AsyncIterator[Watch]:
    """Take samples as long as it is open, and the last one at the end. It gives what is told of those who deliver.

    Nothing that goes wrong with it is an error of anything else: what could not be stored comes with the next sample.
    """
    if runtime.ephemeral or not runtime.settings.metrics.on:
        yield nobody
        return
    sampler = Sampler(runtime, source, runtime.tally)
    try:
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(sampler.work())
            try:
                yield sampler.watch
            finally:
                work.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        sampler.last()


class Sampler:
    """Takes samples of one process, as `source`."""

    def __init__(
        self,
        runtime: Runtime,
        source: str,
        tally: Tally,
        look: Callable[[Path], Callable[[], Awaitable[tuple[Gauges, Gauges]]]] | None = None,
    ) -> None:
        """`look` makes what looks at the machine and this process, of where the state is."""
        self._look_at = look or _looking
        self._runtime, self._source, self._tally = runtime, source, tally
        self._since = runtime.clock.now()
        self._compacted = 0
        self._routes = _Routes(tally)
        #: What could not be stored, added up.
        self._unsent: list[Sample] = []
        self._rules: list[Correlating] = []

    def watch(self, dispatcher: Dispatcher, correlating: Correlating) -> None:
        """Count from now on what these do: a `Watch`."""
        self._routes.watch(dispatcher)
        self._rules.append(correlating)

    async def work(self) -> None:
        """Take a sample every few seconds, until cancelled. One that takes longer lets those pass that were due
        meanwhile, and counts them."""
        monotonic, interval = self._runtime.clock.monotonic, self._runtime.settings.metrics.interval / 1000
        due = monotonic() + interval
        await asyncio.sleep(interval)
        look = self._look_at(self._runtime.existing_state_dir() or self._runtime.cwd)
        while True:
            machine, process = await look()
            self._store(machine=machine, process=process)
            self._compact()
            due += interval
            if (late := monotonic() - due) > 0:
                missed = int(late // interval) + 1
                self._tally.count("mplp_samples_skipped_total", number=missed)
                due += missed * interval
            await asyncio.sleep(due - monotonic())

    def last(self) -> None:
        """The last sample, of what was counted only."""
        self._store()
        self._compact()

    def _store(self, machine: Gauges | None = None, process: Gauges | None = None) -> None:
        self._routes.look()
        self._count_rules()
        now = self._runtime.clock.now()
        samples = self._unsent
        if process is not None or not self._tally.is_empty:
            samples = [*samples, self._tally.take(self._source, self._since, now, process or {})]
            self._since = now
        try:
            if machine is not None:
                gauges = {**machine, **self._pool(now), **self._left()}
                samples = [*samples, Sample(source=MACHINE, since=now, at=now, gauges=gauges)]
            self._runtime.store.samples.add(*samples)
            self._unsent = []
        except StoreError:
            own = [sample for sample in samples if sample.source != MACHINE]
            self._unsent = [together(self._source, own)] if own else []

    def _count_rules(self) -> None:
        for correlating in self._rules:
            for rule, counts in correlating.take_counts().items():
                for state, number in counts.items():
                    self._tally.count("mplp_rule_events_total", (("rule", rule), ("state", state)), number)

    def _compact(self) -> None:
        now = self._runtime.clock.now()
        if now - self._compacted < _COMPACT:
            return
        self._compacted = now
        with suppress(StoreError):  # the next one tries it again
            self._runtime.store.samples.compact(now, self._runtime.settings.metrics.retention)

    def _left(self) -> Gauges:
        """Deliveries that are not over, also of routes that have none."""
        left = self._runtime.store.deliveries.left()
        routing = self._runtime.settings.routing
        for route in routing.routes if routing is not None else ():
            left.setdefault(route.id, {})
        found: Gauges = {"mplp_events_pending": {}, "mplp_dead_letters": {}}
        for name, states in left.items():
            labels = (("route", _route(name)),)
            for metric, state in (("mplp_events_pending", "retrying"), ("mplp_dead_letters", "dead")):
                found[metric][labels] = found[metric].get(labels, 0.0) + states.get(state, 0)
        return found

    def _pool(self, now: int) -> Gauges:
        """What there is in the pool, and what is held of it."""
        from mplp_cli.resources.utilization import utilization
        from mplp_cli.workflow.resources import in_use

        shares = self._runtime.store.shares
        try:
            kinds = utilization(self._runtime.pool, in_use(shares.all(), shares.allocations(), now))
        except StoreError:
            raise
        except MplpError:
            return {}  # whoever uses the pool is told what is wrong with it
        used: dict[Labels, float] = {(("kind", name),): float(one.allocated) for name, one in kinds.items()}
        there: dict[Labels, float] = {(("kind", name),): float(one.total) for name, one in kinds.items()}
        return {"mplp_resource_used": used, "mplp_resource_capacity": there}


def _looking(place: Path) -> Callable[[], Awaitable[tuple[Gauges, Gauges]]]:
    from mplp_cli.engine.threads import in_thread
    from mplp_cli.resources.gauges import Looks

    looks = Looks(place)
    # In a thread: a file system may be slow to answer.
    return lambda: in_thread(looks.both, lambda late: None)


class _Routes:
    """Counts what dispatchers have delivered since the last look."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        #: What each had counted at the last look: by route the states, and the latencies by class with their sum.
        self._before: dict[Dispatcher, dict[str, tuple[Mapping[str, int], list[int], float]]] = {}

    def watch(self, dispatcher: Dispatcher) -> None:
        """One that delivers from now on."""
        self._before.setdefault(dispatcher, {})

    def look(self) -> None:
        """Add what is new to the tally."""
        for dispatcher, before in self._before.items():
            latencies = dispatcher.latencies
            for one in dispatcher.progress():
                states = {
                    "delivered": one.delivered, "failed": one.failed, "dead": one.dead, "dropped": one.dropped
                }  # fmt: skip
                found = latencies[one.route]
                classes = found.classes()
                old, counts, total = before.get(one.route, ({}, [0] * len(classes), 0.0))
                route = ("route", _route(one.route))
                for state, number in states.items():
                    if number > old.get(state, 0):
                        more = number - old.get(state, 0)
                        self._tally.count("mplp_event_deliveries_total", (route, ("state", state)), more)
                if sum(counts) < found.count:
                    values = self._tally.values("mplp_event_delivery_seconds", (route,))
                    for (end, count), earlier in zip(classes, counts, strict=True):
                        values.add_to(end, count - earlier)
                    values.sum += found.total - total
                before[one.route] = states, [count for _, count in classes], found.total


def _route(name: str) -> str:
    """The route that deliveries call `run:ID/ROUTE`, or as it is."""
    return name.rpartition("/")[2]
