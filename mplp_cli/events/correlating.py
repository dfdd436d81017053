"""Correlation rules read the board: what belongs together is published, and followed by actions, once.

`correlation.found` and what an action publishes are on the board in the same transaction in which the reader `rule:ID`
moves on; runs are started before, with ids that follow from the correlation. What a rule held when its process was lost
is read back from the board: events that are part of a correlation which is there already are used up.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from mplp_cli.errors import ConcurrencyLimitError, MplpError, QueueFullError, StoreError
from mplp_cli.events.bus import Bus
from mplp_cli.events.causes import DEPTH, LIMIT, depth_of
from mplp_cli.events.recalling import FOUND, recall
from mplp_cli.events.rule_lane import Lane, come, reader_of
from mplp_cli.protocols import Clock, Store
from mplp_cli.workflow.events.judging import EventError, filled
from mplp_cli.workflow.events.rules import CorrelationRule, EmitAction, EventCorrelation
from mplp_cli.workflow.published import Cause, Published
from mplp_cli.workflow.values import Json, RunId, derived_uuid

FAILED: Final = "correlation.failed"
#: Correlations of one rule whose actions are to be carried out; a rule with more of them reads no further.
WINDOW: Final = 1_000
#: Seconds until actions that wait are tried again, and until readers are moved past events that came to nothing.
AGAIN: Final = 0.2
IDLE: Final = 1.0
#: The last events of a correlation whose causes are looked at.
_ASKED: Final = 8


class Start(Protocol):
    """Starts runs."""

    async def __call__(self, file: str, inputs: Mapping[str, Json], run_id: RunId, cause: Cause) -> None:
        """The run is stored when it returns. If it is there already, nothing happens. QueueFullError and
        ConcurrencyLimitError if it has to wait, other MplpErrors if it cannot be started."""
        ...


class Correlating:
    """Works for the rules of a project. One process at a time may (`Deliveries.own`)."""

    def __init__(
        self,
        rules: Sequence[CorrelationRule],
        store: Store,
        bus: Bus,
        clock: Clock,
        start: Start,
        begin: int | None = None,
    ) -> None:
        """Rules that are new begin after the event with the number `begin`; None: after the last one.
        DeclarationError for what cannot be compiled, StoreError."""
        self._store, self._bus, self._clock, self._start = store, bus, clock, start
        known = store.deliveries.readers()
        first = store.board.last() if begin is None else begin
        self._lanes = [Lane(rule, known.get(reader_of(rule.id), first)) for rule in rules]
        if new := {lane.reader: first for lane in self._lanes if lane.reader not in known}:
            store.deliveries.settle(new)
        #: The number of the last event that we were told of.
        self._heard = bus.heard
        self._ready = False
        self._news = asyncio.Event()
        self._idle_at = 0.0

    # ---- the loop

    async def work(self) -> None:
        """Correlate, until cancelled."""
        unsubscribe = self._bus.subscribe(self._hear)
        # What was told before is read from the board.
        self._heard = max(self._heard, self._bus.heard)
        try:
            while not self._ready:
                await self._recall()
            while True:
                if await self._turns():
                    await asyncio.sleep(0)
                    continue
                self._settle_now_and_then()
                await self._rest()
        finally:
            unsubscribe()
            if self._ready:
                self._settle_idle()

    async def _recall(self) -> None:
        try:
            await recall(self._lanes, self._store.board, self._clock)
            for lane in self._lanes:
                lane.take_counts()  # what is read back was counted by an earlier process
            self._ready = True
        except StoreError:
            await asyncio.sleep(AGAIN)

    async def drain(self, seconds: float) -> bool:
        """Wait, so long at most, until all that was heard is dealt with; whether it is."""
        end = self._clock.monotonic() + seconds
        while not self._quiet():
            if self._clock.monotonic() >= end:
                return False
            self._news.set()
            await asyncio.sleep(0.01)
        return True

    def _quiet(self) -> bool:
        return self._ready and all(not lane.found and lane.read >= self._bus.heard for lane in self._lanes)

    def behind(self) -> dict[str, int]:
        """Reader -> how many events it has not dealt with."""
        return {lane.reader: max(self._bus.heard - lane.done, 0) for lane in self._lanes}

    def take_counts(self) -> dict[str, Counter[str]]:
        """Rule -> what became of the events that it means, since this was asked last (`Correlator.counts`)."""
        return {lane.rule.id: lane.take_counts() for lane in self._lanes} if self._ready else {}

    def _hear(self, events: Sequence[tuple[int, Published]]) -> None:
        before, self._heard = self._heard, events[-1][0]
        if self._ready:
            these = come(events)
            for lane in self._lanes:
                if lane.read >= before and len(lane.found) < WINDOW:
                    lane.take(these)
        self._news.set()

    async def _turns(self) -> bool:
        """Do what there is to do; whether there may be more at once."""
        more = False
        for lane in self._lanes:
            try:
                more |= self._read(lane)
                more |= await self._act(lane)
            except StoreError:
                lane.again = self._clock.monotonic() + AGAIN
        return more

    def _read(self, lane: Lane) -> bool:
        if lane.read >= self._heard or len(lane.found) >= WINDOW:
            return False
        heard, page = self._heard, self._store.board.following(lane.read)
        lane.take(come(page))
        if not page:  # what was told is gone
            lane.read = heard
        return True

    async def _rest(self) -> None:
        """Wait for news, or until something is due because nothing comes."""
        dues = [
            due for lane in self._lanes if self._is_here(lane) and (due := lane.correlator.due()) is not None
        ]
        wait = AGAIN if any(lane.found for lane in self._lanes) else IDLE
        if dues:
            wait = min(wait, max(min(dues) - self._clock.now(), 0) / 1000)
        try:
            async with asyncio.timeout(wait):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
        now = self._clock.now()
        if any(due <= now for due in dues):
            await self._pass_time(now)

    def _is_here(self, lane: Lane) -> bool:
        """Whether it has taken all that came."""
        return lane.read >= self._bus.heard and len(lane.found) < WINDOW

    async def _pass_time(self, now: int) -> None:
        try:
            while self._bus.look():
                pass
        except StoreError:
            await asyncio.sleep(AGAIN)
            return
        for lane in self._lanes:
            if self._is_here(lane):
                lane.pass_time(now)

    # ---- what follows

    async def _act(self, lane: Lane) -> bool:
        """Carry out what follows from what was found first; whether anything was done."""
        if not lane.found or self._clock.monotonic() < lane.again:
            return False
        number, found = lane.found[0]
        told: list[Published] = []
        for one in found:
            follows = await self._follow(lane, one)
            if follows is None:
                lane.again = self._clock.monotonic() + AGAIN
                return False
            told += follows
        self._store.deliveries.settle({lane.reader: number}, (), told)
        lane.found.popleft()
        lane.settled = max(lane.settled, number)
        self._bus.look()
        return True

    async def _follow(self, lane: Lane, found: EventCorrelation) -> list[Published] | None:
        """Start the runs that follow from a correlation. What is to be published of it; None if it has to wait."""
        last, depth = self._origin(found)
        more: dict[str, Any] = {"correlationid": last, DEPTH: depth + 1}
        if depth >= LIMIT:
            # Said once; whoever listens to that hears no more of it.
            reason = (
                f"{depth} runs or rules have led to this, each by the one before; it goes round in a circle"
            )
            said = {"type": "EndlessRulesError", "message": reason}
            return [] if depth > LIMIT else [self._failed(lane, found, more, error=said)]
        value: dict[str, Json] = msgspec.to_builtins(found)
        told = [self._told(lane, FOUND, found.id, value, more)]
        scope = {"correlation": {**value, "key": found.insights[0].data["key"]}}
        for place, (action, template) in enumerate(zip(lane.rule.actions, lane.actions, strict=True)):
            name = derived_uuid(lane.reader, place, found.id)
            try:
                given = filled(template, scope, f"action {place + 1}")
                if isinstance(action, EmitAction):
                    told.append(self._told(lane, action.type, name, given, more))
                else:
                    await self._start(action.file, given, name, Cause(by=lane.reader, event=found.id))
            except (StoreError, QueueFullError, ConcurrencyLimitError):
                return None
            except Exception as error:  # noqa: BLE001 - one that cannot be carried out never stops the next
                told.append(self._failed(lane, found, more, action=place + 1, error=_said(error)))
        return told

    def _origin(self, found: EventCorrelation) -> tuple[str, int]:
        """What the last event of a correlation belongs to, and how many runs and rules have led to it."""
        last, depth = found.events[-1], 0
        for name in found.events[-_ASKED:]:
            for _, event in self._store.board.find(name):
                depth = max(depth, depth_of(self._store, event))
                last = str(event.more.get("correlationid", event.id))
        return last, depth

    def _failed(self, lane: Lane, found: EventCorrelation, more: dict[str, Any], **said: Any) -> Published:
        name = derived_uuid(lane.reader, FAILED, found.id, said.get("action", 0))
        data = {"rule": lane.rule.id, "correlation": found.id, **said}
        return self._told(lane, FAILED, name, data, more)

    def _told(self, lane: Lane, kind: str, name: str, data: Json, more: dict[str, Any]) -> Published:
        return Published(id=name, type=kind, source=lane.source, at=self._clock.now(), data=data, more=more)

    def _settle_now_and_then(self) -> None:
        now = self._clock.monotonic()
        if now >= self._idle_at:
            self._idle_at = now + IDLE
            self._settle_idle()

    def _settle_idle(self) -> None:
        """Move the readers past events with which nothing was found."""
        moved = {lane.reader: lane.done for lane in self._lanes if lane.done > lane.settled}
        try:
            if moved:
                self._store.deliveries.settle(moved, durable=False)
        except StoreError:
            return
        for lane in self._lanes:
            lane.settled = max(lane.settled, lane.done)


def _said(error: Exception) -> dict[str, str]:
    if isinstance(error, MplpError):
        return {"type": error.type_name, "message": error.message}
    if isinstance(error, EventError):
        return {"type": "InputError", "message": error.reason}
    return {"type": type(error).__name__, "message": str(error)}
