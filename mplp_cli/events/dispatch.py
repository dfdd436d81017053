"""Delivering: what is published goes through the passage into the lanes of the routes, and from there to targets.

What became of an event is recorded after its target had it: what a crash undoes is delivered again, as the same event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from mplp_cli.errors import MplpError, StoreError
from mplp_cli.events.contract import LazySender, MakeSender, Outcomes, Sender
from mplp_cli.events.errands import Errands
from mplp_cli.events.keeping import Batch, Keeping
from mplp_cli.events.lane import FAR, WINDOW, Item, Lane, may_retry
from mplp_cli.events.ledger import Ledger
from mplp_cli.events.letters import CHANGES, REPLAYED, changed_letters, pages
from mplp_cli.events.passing import Passage
from mplp_cli.events.progress import Progress
from mplp_cli.events.trying import Trying
from mplp_cli.protocols import Clock, Delivery, Store
from mplp_cli.workflow.events.routes import Routing
from mplp_cli.workflow.published import Published

#: Seconds that a loop may ring before the time: what it rings for counts as due.
_EARLY: Final = 1e-6


class Scope(Struct, frozen=True, kw_only=True):
    """Whose routes. `name` stands before theirs: empty, or `run:ID/`. `only`: which events they may get. One that is
    new gets what comes after the event with the number `begin`; None: after the last one."""

    name: str = ""
    only: Callable[[Published], bool] | None = None
    begin: int | None = None


#: All events, from now on.
PROJECT: Final = Scope()


def reader_of(route: str, scope: Scope = PROJECT) -> str:
    """The name under which a store keeps how far a route has come."""
    return f"{scope.name}route:{route}"


class Dispatcher:
    """Delivers for the routes of a project, or of one run. One process at a time may (`Deliveries.own`)."""

    def __init__(
        self,
        routing: Routing,
        store: Store,
        send: MakeSender,
        clock: Clock,
        chance: Callable[[], float],
        after: int,
        scope: Scope = PROJECT,
    ) -> None:
        """`after`: the number of the last event of which `hear` is not told. `chance` gives fractions, for jitter.

        A route whose target cannot be used stands still, with the reason as its `trouble`, until a later dispatcher can
        use it. ValueError if the routing cannot be compiled, StoreError.
        """
        self._board, self._deliveries = store.board, store.deliveries
        self._clock, self._chance, self._only = clock, chance, scope.only
        self._passage = Passage(routing)
        deliveries = store.deliveries
        begin = store.board.last() if scope.begin is None else scope.begin
        known, counts = deliveries.readers(), deliveries.counts()
        self._lanes: list[Lane] = []
        senders: list[Sender | None] = []
        for place, route in enumerate(routing.routes):
            name, reader = scope.name + route.id, reader_of(route.id, scope)
            lane = Lane(place, route, name, reader, known.get(reader, begin))
            lane.dead = counts.get(name, {}).get("dead", 0)
            lane.lagging = lane.taken < after
            self._lanes.append(lane)
            senders.append(_sender(lane, send))
        if new := {lane.reader: begin for lane in self._lanes if lane.reader not in known}:
            deliveries.settle(new)
        self._named = {lane.name: lane for lane in self._lanes}
        #: By route: from the moment an event was heard of until its target had it, of those that needed one try.
        self.latencies = {lane.name: lane.latencies for lane in self._lanes}
        self._heard = after
        #: Dead letters that people want to have delivered again.
        self._replayed: list[tuple[Lane, tuple[int, ...]]] = []
        self._errands = Errands()
        self._ledger = Ledger(deliveries, self._lanes, clock, self._errands, self._go_on_all)
        self._group: asyncio.TaskGroup | None = None
        self._keeping: list[Keeping] = []
        self._trying = [
            self._trying_of(lane, sender) for lane, sender in zip(self._lanes, senders, strict=True) if sender
        ]
        for lane in self._lanes:
            self._recall(lane)

    def _trying_of(self, lane: Lane, sender: Sender) -> Trying:
        settle = partial(self._settle, lane)
        keeping = Keeping(lane, sender, self._clock, settle) if isinstance(sender, LazySender) else None
        if keeping is not None:
            self._keeping.append(keeping)
        return Trying(lane, sender, keeping, self._clock, settle, self._wake)

    def _recall(self, lane: Lane) -> None:
        """What an earlier process has left."""
        lane.over_already = {record.event for record in pages(self._deliveries, lane.name, None, lane.taken)}
        for record in pages(self._deliveries, lane.name, "retrying"):
            self._later(lane, record)
            event = self._board.numbered(record.event) if lane.route.ordered else None
            if event is not None:
                lane.hold(event.source, record.event)

    def _later(self, lane: Lane, record: Delivery) -> None:
        # A clock that was set back makes nobody sleep longer than was meant.
        wait = max(min(record.due - self._clock.now(), record.due - record.at), 0)
        lane.later(self._clock.monotonic() + wait / 1000, record.event, record.tries)

    # ---- hearing

    def hear(self, found: Sequence[tuple[int, Published]]) -> None:
        """Told of events in order, without gaps: a sink of the bus. They are tried with the next `hand_over`."""
        heard, of, only, lanes = self._clock.monotonic(), self._passage.of, self._only, self._lanes
        for number, event in found:
            if event.type in CHANGES:
                self._changed(event)
            if only is not None and not only(event):
                continue
            passed = of(event)
            for place in passed.routes:
                lanes[place].offer(number, passed.event, heard)
            for place, error in passed.poisoned:
                self._poisoned(lanes[place], number, error)
        self._heard = found[-1][0]
        for lane in lanes:
            if not lane.lagging and lane.taken < self._heard:
                lane.taken = self._heard
        self._ledger.come()

    def _poisoned(self, lane: Lane, number: int, error: str) -> None:
        if number > lane.taken and not lane.lagging and not lane.is_over(number):
            self._ledger.keep([lane.give_up(number, "dead", 0, self._clock.now(), error)])

    def _changed(self, event: Published) -> None:
        letters = changed_letters(event)
        lane = self._named.get(letters.route) if letters is not None else None
        if lane is not None and letters is not None:
            lane.dead = max(lane.dead - len(letters.events), 0)
            if event.type == REPLAYED:
                self._replayed.append((lane, letters.events))
                self._errands.soon("replayed", self._go_on_all)

    def _read(self, lane: Lane) -> None:
        """Take in what a lane has left on the board, as much as there is room for."""
        if not lane.lagging or lane.broken or not lane.may_begin or lane.room < WINDOW // 2:
            return
        heard, page = self._clock.monotonic(), self._board.following(lane.taken)
        lane.lagging = False
        for number, event in page:
            if self._only is None or self._only(event):
                passed = self._passage.of(event)
                if lane.place in passed.routes:
                    lane.offer(number, passed.event, heard)
                    if lane.lagging:
                        break
                for place, error in passed.poisoned:
                    if place == lane.place:
                        self._poisoned(lane, number, error)
            lane.taken = number
        if not page:
            lane.taken = max(lane.taken, self._heard)
        lane.lagging = lane.lagging or lane.taken < self._heard
        if not lane.lagging:
            lane.over_already = {number for number in lane.over_already if number > lane.taken}
        self._ledger.moved.set()
        self._errands.soon(f"read {lane.name}", lambda: self._go_on(lane))
        self._ledger.come()

    # ---- trying

    async def work(self) -> None:
        """Deliver, until cancelled; what is under way then counts as not tried. StoreError if the last records cannot
        be written: their events are delivered again by whoever comes next."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._errands.open()
                for keeping in self._keeping:
                    group.create_task(keeping.work())
                try:
                    self._ledger.keep(())
                    self._go_on_all()
                    await asyncio.get_running_loop().create_future()
                finally:
                    self._group = None
                    self._errands.close()
        finally:
            for keeping in self._keeping:
                await keeping.sync()
            self._ledger.move()

    async def drain(self, seconds: float) -> bool:
        """Wait, so long at most, until all that was heard is dealt with, but for further tries that are due later than
        that; whether nothing is left to be tried."""
        end = self._clock.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                while not (self._ledger.is_written and all(_quiet(lane, end) for lane in self._lanes)):
                    self._ledger.moved.clear()
                    await self._ledger.moved.wait()
        except TimeoutError:
            return False
        return not any(lane.broken or lane.retrying for lane in self._lanes)

    def progress(self) -> list[Progress]:
        """How the routes are doing, in the order of their declaration."""
        now = self._clock.now()
        return [lane.progress(self._heard, now, lane.broken or self._ledger.trouble) for lane in self._lanes]

    def _go_on_all(self) -> None:
        for lane in self._lanes:
            self._go_on(lane)

    def _go_on(self, lane: Lane) -> None:
        """Whatever may have become possible for a lane."""
        lane.armed = FAR
        if self._group is None or self._ledger.trouble or lane.broken:
            return
        try:
            self._take_up()
            while (due := lane.due(self._clock.monotonic() + _EARLY)) is not None:
                self._again(lane, *due)
            self._read(lane)
        except StoreError as error:
            self._ledger.fails(error)
            return
        self._arm(lane)
        self._wake()

    def _take_up(self) -> None:
        """Those that people want to have tried again."""
        while self._replayed:
            lane, numbers = self._replayed[0]
            for number in numbers:
                for record in self._deliveries.of(lane.name, state="retrying", event=number):
                    self._later(lane, record)
            del self._replayed[0]

    def _again(self, lane: Lane, number: int, tries: int) -> None:
        """Try an event again, if it is there and still meant for the route."""
        now = self._clock.now()
        try:
            event = self._board.numbered(number)
        except StoreError:
            del lane.again[number]
            lane.later(self._clock.monotonic(), number, tries)
            raise
        if event is None:
            lost = "EventGoneError: the event is not on the board any more"
            self._ledger.keep([lane.give_up(number, "dead", tries, now, lost)])
            return
        passed = self._passage.of(event)
        refused = dict(passed.poisoned).get(lane.place)
        if refused is not None:
            self._ledger.keep([lane.give_up(number, "dead", tries, now, refused)])
        elif lane.place not in passed.routes:
            error = "NotMeantError: the route does not take this event any more"
            self._ledger.keep([lane.give_up(number, "dropped", tries, now, error)])
        else:
            lane.retry(Item(number, passed.event, self._clock.monotonic(), tries))

    def _arm(self, lane: Lane) -> None:
        """Come back when the next further try is due."""
        due = lane.next_due()
        if due is None or not may_retry(lane) or due >= lane.armed:
            return
        self._errands.drop(f"due {lane.name}")
        lane.armed = due
        self._errands.soon(f"due {lane.name}", partial(self._go_on, lane), due - self._clock.monotonic())

    def _wake(self) -> None:
        """Have tried what is ready."""
        self._errands.soon("try", self.hand_over)

    def hand_over(self) -> None:
        """Try one batch of each lane that is ready; the next ones have to wait until all others had a turn."""
        group = self._group
        if group is None or self._ledger.trouble:
            return
        for over in [trying.begin(group) for trying in self._trying if trying.lane.ready]:
            if over is not None:
                over()

    def _settle(self, lane: Lane, batch: Batch, failures: Outcomes) -> None:
        """Record what became of a batch."""
        tried = lane.tried(batch.items, failures, batch.began, batch.ended, batch.at, self._chance)
        self._ledger.keep(tried)
        if lane.lagging:
            self._errands.soon(f"read {lane.name}", lambda: self._go_on(lane))
        self._arm(lane)


def _quiet(lane: Lane, end: float) -> bool:
    """Whether there is nothing to do for a lane before a moment."""
    due = lane.next_due()
    idle = not lane.fresh and not lane.again and not lane.lagging and (due is None or due >= end)
    return idle or bool(lane.broken)


def _sender(lane: Lane, send: MakeSender) -> Sender | None:
    """The sender of a lane; None, and the lane says why, if its target cannot be used."""
    try:
        return send(lane.route)
    except MplpError as error:
        lane.broken = error.message
        return None
