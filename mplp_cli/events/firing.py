"""Triggers read the board and start runs: for each event that is meant one run, however often the process dies.

The id of the run follows from the trigger and the event; a reader of the board says up to which event a trigger has
dealt with all. An event for which there can be no run yet (its turn has not come, too many wait) stays where it is, on
the board, and only its own trigger waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec import Struct

from mplp_cli.errors import MplpError, QueueFullError, RunExistsError, StoreError
from mplp_cli.events.bus import Bus
from mplp_cli.events.causes import LIMIT, depth_of
from mplp_cli.protocols import Clock, Control, RunRecord, Store
from mplp_cli.workflow.events.arming import Aim, aim
from mplp_cli.workflow.events.judging import EventError
from mplp_cli.workflow.events.triggers import (
    CronTrigger,
    FileTrigger,
    Trigger,
    fired_run,
    reader_of,
    trigger_source,
)
from mplp_cli.workflow.published import Cause, Published
from mplp_cli.workflow.values import RunId, derived_uuid

FAILED = "trigger.failed"
SKIPPED = "trigger.skipped"
#: Events that wait for one trigger in memory; more of them wait on the board.
WINDOW = 1_000
#: Seconds until a trigger that waits is looked at again, and until readers are moved past events that nobody meant.
AGAIN = 0.2
IDLE = 1.0
#: Statuses of a run that has not ended.
_UNENDED = ("pending", "running", "waiting", "paused")


class Armed(Struct, frozen=True):
    """A trigger of a workflow that is served."""

    workflow: str
    trigger: Trigger


class Start(Protocol):
    """Stores a run of a served workflow, to be driven."""

    def __call__(self, workflow: str, inputs: Mapping[str, Any], cause: Cause, run_id: RunId) -> object:
        """Nothing happens if there is a run of that id. InputError, QueueFullError, ConcurrencyLimitError."""
        ...


@dataclass(kw_only=True)
class _Lane:
    """How far a trigger is. `read`: the number of the last event it has looked at; those before `settled` are dealt
    with; `pending` are those in between that it means."""

    armed: Armed
    aim: Aim
    reader: str
    read: int
    settled: int
    pending: deque[tuple[int, Published]] = field(default_factory=deque)
    #: When it is looked at again (monotonic seconds).
    again: float = 0.0
    #: Runs that it has asked to end.
    ended: set[RunId] = field(default_factory=set)

    def look(self, events: Sequence[tuple[int, Published]]) -> None:
        """Take the events that it means, or of which that cannot be said."""
        for number, event in events:
            if number > self.read:
                self.read = number
                try:
                    if not self.aim.means(event):
                        continue
                except EventError:
                    pass  # it is judged once more when its turn comes
                self.pending.append((number, event))

    @property
    def done(self) -> int:
        """The number of the event up to which all are dealt with."""
        return self.pending[0][0] - 1 if self.pending else self.read


class Firing:
    """Starts runs for the events that triggers mean (`armed` gives those that there are at the time)."""

    def __init__(
        self, armed: Callable[[], Sequence[Armed]], start: Start, store: Store, bus: Bus, clock: Clock
    ) -> None:
        self._armed = armed
        self._start = start
        self._store = store
        self._bus = bus
        self._clock = clock
        self._lanes: dict[str, _Lane] = {}
        #: The number of the last event that we were told of.
        self._heard = bus.heard
        self._news = asyncio.Event()
        self._idle_at = 0.0

    # ---- who is there

    def rearm(self) -> None:
        """Take the triggers as they are declared now. A new one begins at the end of the board, durably."""
        found = {reader_of(one.workflow, one.trigger.id): one for one in self._armed()}
        if {reader: lane.armed for reader, lane in self._lanes.items()} == found:
            return
        for reader in [reader for reader in self._lanes if reader not in found]:
            self._settle_idle([self._lanes.pop(reader)])
        known = self._store.deliveries.readers()
        last = self._store.board.last()
        new = {reader: last for reader in found if reader not in known}
        if new:
            self._store.deliveries.settle(new)
        for reader, one in found.items():
            lane = self._lanes.get(reader)
            if lane is None or lane.armed != one:
                at = lane.done if lane is not None else known.get(reader, last)
                target = aim(one.workflow, one.trigger)
                self._lanes[reader] = _Lane(armed=one, aim=target, reader=reader, read=at, settled=at)

    def scheduled(self) -> list[tuple[str, CronTrigger]]:
        """The triggers with schedules, and their workflows; each hears of what is published from now on."""
        return [(one.workflow, one.trigger) for one in self._there() if isinstance(one.trigger, CronTrigger)]

    def watching(self) -> list[tuple[str, FileTrigger]]:
        """The triggers on changes of files, and their workflows; each hears of what is published from now on."""
        return [(one.workflow, one.trigger) for one in self._there() if isinstance(one.trigger, FileTrigger)]

    def _there(self) -> list[Armed]:
        self.rearm()
        return [lane.armed for lane in self._lanes.values()]

    def behind(self) -> dict[str, int]:
        """Reader -> how many events wait for a run."""
        return {reader: len(lane.pending) for reader, lane in self._lanes.items()}

    # ---- the loop

    async def work(self) -> None:
        """Start runs, until cancelled."""
        unsubscribe = self._bus.subscribe(self._hear)
        self._heard = max(self._heard, self._bus.heard)
        try:
            while True:
                await self._round()
        finally:
            unsubscribe()
            with suppress(StoreError):
                self._settle_idle(list(self._lanes.values()))

    async def _round(self) -> None:
        try:
            self.rearm()
            if sum(self._turn(lane) for lane in list(self._lanes.values())):
                await asyncio.sleep(0)
                return
            self._settle_now_and_then()
        except (
            StoreError
        ):  # whoever needs the store says what is wrong with it; nothing is lost by trying again
            await asyncio.sleep(IDLE)
        await self._rest()

    def once(self) -> None:
        """Deal with all that is on the board, but for what has to wait: for somebody who does not stay."""
        self.rearm()
        while self._bus.look():
            pass
        self._heard = self._bus.heard
        while sum(self._turn(lane) for lane in list(self._lanes.values())):
            pass
        self._settle_idle(list(self._lanes.values()))

    async def _rest(self) -> None:
        waits = any(lane.pending for lane in self._lanes.values())
        try:
            async with asyncio.timeout(AGAIN if waits else IDLE):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

    def _hear(self, events: Sequence[tuple[int, Published]]) -> None:
        before, self._heard = self._heard, events[-1][0]
        for lane in self._lanes.values():
            if lane.read >= before and len(lane.pending) < WINDOW:
                lane.look(events)
        self._news.set()

    def _turn(self, lane: _Lane) -> bool:
        """Deal with the next event of a trigger; whether there may be more to do at once."""
        if lane.read < self._heard and len(lane.pending) < WINDOW:
            heard, found = self._heard, self._store.board.following(lane.read)
            lane.look(found)
            if not found:  # what was told is gone
                lane.read = heard
            elif not lane.pending:
                return True
        if not lane.pending or self._clock.monotonic() < lane.again:
            return False
        number, event = lane.pending[0]
        told = self._deal(lane, event)
        if told is None:
            lane.again = self._clock.monotonic() + AGAIN
            return False
        self._store.deliveries.settle({lane.reader: number}, (), told, durable=bool(told))
        lane.pending.popleft()
        lane.settled = number
        if told:
            self._bus.look()
        return True

    def _settle_now_and_then(self) -> None:
        now = self._clock.monotonic()
        if now >= self._idle_at:
            self._idle_at = now + IDLE
            self._settle_idle(list(self._lanes.values()))

    def _settle_idle(self, lanes: Sequence[_Lane]) -> None:
        """Move the readers past events that nobody meant."""
        moved = {lane.reader: lane.done for lane in lanes if lane.done > lane.settled}
        if moved:
            self._store.deliveries.settle(moved, durable=False)
        for lane in lanes:
            lane.settled = max(lane.settled, lane.done)

    # ---- one event

    def _deal(self, lane: _Lane, event: Published) -> list[Published] | None:
        """Start the run of an event. What is to be told of it; None if it has to wait."""
        workflow, trigger = lane.armed.workflow, lane.armed.trigger
        run_id = fired_run(workflow, trigger.id, f"{event.source}#{event.id}")
        if self._run(run_id) is not None:
            return []
        depth = depth_of(self._store, event)
        try:
            if depth >= LIMIT:
                raise _EndlessError(
                    f"{depth} runs have led to this event, each started by a trigger; it goes round in a circle"
                )
            inputs = lane.aim.inputs(event)
            others = [] if trigger.overlap == "allow" else self._unended(workflow, trigger.id)
            if others and trigger.overlap == "skip":
                return [self._told(lane, SKIPPED, event, depth, run=others[0].id)]
            if others:
                self._make_way(lane, others)
                return None
            self._start(workflow, inputs, Cause(by=f"trigger:{trigger.id}", event=event.id), run_id)
        except StoreError:
            raise
        except QueueFullError:
            return None
        except RunExistsError:  # another process was faster
            return []
        except Exception as error:  # noqa: BLE001 - an event that nobody can do anything with never stops the next
            if event.type in (FAILED, SKIPPED) and depth >= LIMIT:
                return []
            said = {"type": _name(error), "message": getattr(error, "reason", str(error))}
            return [self._told(lane, FAILED, event, depth, error=said)]
        return []

    def _run(self, run_id: RunId) -> RunRecord | None:
        return next((one for one in self._store.find_runs(run_id) if one.id == run_id), None)

    def _unended(self, workflow: str, trigger: str) -> list[RunRecord]:
        by = f"trigger:{trigger}"
        return [
            one
            for status in _UNENDED
            for one in self._store.runs(workflow_id=workflow, status=status, children=False, limit=10_000)
            if one.cause is not None and one.cause.by == by
        ]

    def _make_way(self, lane: _Lane, others: Sequence[RunRecord]) -> None:
        """Ask the earlier runs to end, if the trigger says so."""
        if lane.armed.trigger.overlap == "cancel":
            for one in others:
                if one.id not in lane.ended:
                    lane.ended.add(one.id)
                    by, why = f"trigger {lane.armed.trigger.id}", "a new event takes its place"
                    self._store.request(one.id, Control(seq=0, verb="cancel", by=by, reason=why))
        lane.ended &= {one.id for one in others}

    def _told(self, lane: _Lane, name: str, event: Published, depth: int, **more: Any) -> Published:
        workflow, trigger = lane.armed.workflow, lane.armed.trigger.id
        return Published(
            id=derived_uuid(lane.reader, name, f"{event.source}#{event.id}"),
            type=name,
            source=trigger_source(workflow, trigger),
            at=self._clock.now(),
            data={"workflow": workflow, "trigger": trigger, "event": event.id, **more},
            more={"correlationid": event.more.get("correlationid", event.id), "mplpdepth": depth + 1},
        )


class _EndlessError(MplpError):
    """Triggers start each other without end."""

    machine_name = "EndlessTriggersError"


def _name(error: Exception) -> str:
    if isinstance(error, MplpError):
        return error.type_name
    return "InputError" if isinstance(error, EventError) else type(error).__name__
