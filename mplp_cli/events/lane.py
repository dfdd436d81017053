"""The lane of one route: which of its events wait, which are being tried, and which come again later. Nothing here
waits or stores: `dispatch` carries out what a lane decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Final, Literal

from mplp_cli.errors import Failure
from mplp_cli.events.progress import Latencies, Progress
from mplp_cli.protocols import Delivery
from mplp_cli.workflow.events.routes import Route
from mplp_cli.workflow.published import Published

#: Events of a route in memory; the others are on the board.
WINDOW: Final = 1_000
#: Events of a route that wait for another try; while there are more, it begins with no new ones.
MOST_RETRYING: Final = 10_000
#: A moment that never comes.
FAR: Final = float("inf")


class Item:
    """An event on its way to a target. `heard` is in seconds of the monotonic clock, `tries` those that failed."""

    __slots__ = ("event", "heard", "number", "tries")

    def __init__(self, number: int, event: Published, heard: float, tries: int = 0) -> None:
        self.number = number
        self.event = event
        self.heard = heard
        self.tries = tries


class Lane:
    """Of one route. A source has one event under way at a time; `ready` are sources with something to try and nothing
    under way."""

    def __init__(self, place: int, route: Route, name: str, reader: str, taken: int) -> None:
        """`name` is what deliveries call the route, `reader` what the store calls the reader, which is at `taken`."""
        self.place = place
        self.route = route
        self.name = name
        self.reader = reader
        #: The number up to which every event is dealt with or in `fresh`.
        self.taken = taken
        #: What the store knows the reader to be at.
        self.written = taken
        #: Whether it reads the board itself, since what was published is more than its window holds.
        self.lagging = False
        #: Why its target cannot be used at all; then it stands still.
        self.broken = ""
        #: The moment for which somebody has promised to look after further tries.
        self.armed = FAR
        #: Numbers after `taken` that an earlier process has dealt with.
        self.over_already: set[int] = set()
        #: First tries that wait or are under way, by number, in order.
        self.fresh: dict[int, Item] = {}
        #: Further tries that wait for a place or are under way: number -> failed tries so far.
        self.again: dict[int, int] = {}
        #: (moment, number, failed tries) of those that wait for their time.
        self._later: list[tuple[float, int, int]] = []
        self._later_numbers: set[int] = set()
        self.ready: deque[str] = deque()
        #: Source -> its events that wait, if one is under way, or it is ready, or held.
        self._queues: dict[str, deque[Item]] = {}
        #: Source -> numbers that are to come again before others of it begin, as an ordered route wants it.
        self._held: dict[str, set[int]] = {}
        #: Sources that stand still for it: they are in `_queues`, and neither ready nor under way.
        self._still: set[str] = set()
        self.latencies = Latencies()
        self.delivered = self.failed = self.died = self.dropped = 0
        #: Dead letters of the route in the store.
        self.dead = 0

    # ---- what comes in

    @property
    def room(self) -> int:
        """How many more events may be in memory."""
        return WINDOW - len(self.fresh) - len(self.again)

    @property
    def may_begin(self) -> bool:
        """Whether it takes new events."""
        return len(self.fresh) + len(self.again) < WINDOW and len(self._later) < MOST_RETRYING

    def offer(self, number: int, event: Published, heard: float) -> None:
        """An event that it is to deliver, by number in order. If there is no room, it lags from here on."""
        if number <= self.taken or self.lagging:
            return
        if not self.may_begin:
            self.lagging, self.taken = True, number - 1
        elif not self.over_already or not self.is_over(number):
            item = self.fresh[number] = Item(number, event, heard)
            self._queue(item)

    def is_over(self, number: int) -> bool:
        """Whether an earlier process has dealt with it; asked once for each."""
        if number in self.over_already:
            self.over_already.discard(number)
            return True
        return False

    def _queue(self, item: Item) -> None:
        source = item.event.source
        queue = self._queues.get(source)
        if queue is None:
            self._queues[source] = deque((item,))
            self.ready.append(source)
        else:
            queue.append(item)

    # ---- further tries

    def later(self, moment: float, number: int, tries: int) -> None:
        """Try an event again at a moment of the monotonic clock, unless that is going to happen anyhow."""
        if number not in self._later_numbers and number not in self.again:
            self._later_numbers.add(number)
            heappush(self._later, (moment, number, tries))

    def hold(self, source: str, number: int) -> None:
        """Begin with nothing of a source until that one has come again. Before anything was taken."""
        self._held.setdefault(source, set()).add(number)
        self._queues[source] = deque()
        self._still.add(source)

    def next_due(self) -> float | None:
        """When the next further try is due; None if there is none."""
        return self._later[0][0] if self._later else None

    def due(self, now: float) -> tuple[int, int] | None:
        """The next (number, failed tries) that is to be tried again by now, if it may be; it is `again` then."""
        if not self._later or self._later[0][0] > now or not may_retry(self):
            return None
        _, number, tries = heappop(self._later)
        self._later_numbers.discard(number)
        self.again[number] = tries
        return number, tries

    def retry(self, item: Item) -> None:
        """Try one again that was due: before the others of its source."""
        source = item.event.source
        queue = self._queues.get(source)
        if queue is None:
            self._queues[source] = deque((item,))
            self.ready.append(source)
            return
        queue.appendleft(item)
        self._freed(source, item.number)
        if source in self._still:
            self._still.discard(source)
            self.ready.append(source)

    def _freed(self, source: str, number: int) -> None:
        if held := self._held.get(source):
            held.discard(number)
            if not held:
                del self._held[source]

    # ---- trying

    def take(self, at_most: int) -> list[Item]:
        """What is to be tried now, in the order of the board; its sources have something under way then."""
        items: list[Item] = []
        while self.ready and len(items) < at_most:
            queue = self._queues[self.ready.popleft()]
            items.append(queue.popleft())
            # One of a source that failed would be overtaken by those behind it.
            while queue and not self.route.ordered and len(items) < at_most:
                items.append(queue.popleft())
        if len(items) > 1:
            items.sort(key=_number)
        return items

    def tried(
        self,
        items: Sequence[Item],
        failures: Sequence[Failure | None],
        began: float,
        ended: float,
        at: int,
        chance: Callable[[], float],
    ) -> list[Delivery]:
        """What became of them. `began` and `ended` are of the monotonic clock, `at` is the time of `ended`. Their
        sources stand still until `release`."""
        made = []
        took = round((ended - began) * 1000)
        name, add = self.name, self.latencies.add
        for item, failure in zip(items, failures, strict=True):
            if failure is None:
                if not item.tries:
                    add(ended - item.heard)
                record = Delivery(
                    route=name, event=item.number, state="delivered", tries=item.tries + 1, at=at, took=took
                )
                self.delivered += 1
            else:
                record = self._failed(item, failure, at, took, chance)
            if self.fresh.pop(item.number, None) is None:
                self.again.pop(item.number, None)
            if record.state == "retrying":
                self.later(ended + (record.due - at) / 1000, item.number, record.tries)
                if self.route.ordered:
                    self._held.setdefault(item.event.source, set()).add(item.number)
            made.append(record)
        return made

    def _failed(
        self, item: Item, failure: Failure, at: int, took: int, chance: Callable[[], float]
    ) -> Delivery:
        self.failed += 1
        retry, tries = self.route.retry, item.tries + 1
        again = retry.may_retry(failure, tries)
        self.died += not again
        return Delivery(
            route=self.name,
            event=item.number,
            state="retrying" if again else "dead",
            tries=tries,
            at=at,
            due=at + retry.wait(failure, tries - 1, chance()) if again else 0,
            took=took,
            error=f"{failure.type}: {failure.message}",
        )

    def release(self, source: str) -> None:
        """Nothing of a source is under way any more."""
        if source in self._held:
            self._still.add(source)
        elif self._queues[source]:
            self.ready.append(source)
        else:
            del self._queues[source]

    def give_up(
        self, number: int, state: Literal["dead", "dropped"], tries: int, at: int, error: str
    ) -> Delivery:
        """An event that no target gets, though it is this route's."""
        self.fresh.pop(number, None)
        self.again.pop(number, None)
        self.died += state == "dead"
        for source in [source for source, held in self._held.items() if number in held]:
            self._freed(source, number)
            if source not in self._held and source in self._still:
                self._still.discard(source)
                self.release(source)
        return Delivery(route=self.name, event=number, state=state, tries=tries, at=at, error=error)

    # ---- what is known of it

    def dealt(self) -> int:
        """The number up to which every event is dealt with, further tries aside."""
        return next(iter(self.fresh)) - 1 if self.fresh else self.taken

    @property
    def retrying(self) -> int:
        """How many events are to be tried again, or are being."""
        return len(self._later) + len(self.again)

    def progress(self, heard: int, now: int, trouble: str) -> Progress:
        """How it is doing. `heard`: the number of the last event; `now`: ms since the epoch."""
        first = next(iter(self.fresh.values()), None)
        return Progress(
            route=self.name,
            delivered=self.delivered,
            failed=self.failed,
            dead=self.died,
            dropped=self.dropped,
            behind=max(heard - self.dealt(), 0),
            waiting=len(self.fresh) + len(self.again),
            retrying=self.retrying,
            oldest=0 if first is None else max(now - first.event.at, 0),
            mean=self.latencies.mean * 1000,
            p99=self.latencies.quantile(0.99) * 1000,
            trouble=trouble,
        )


def may_retry(lane: Lane) -> bool:
    """Whether a lane has room for one that is tried again, or others wait in it for that."""
    return lane.room > 0 or bool(lane._still)  # noqa: SLF001 - a method in all but number


def _number(item: Item) -> int:
    return item.number
