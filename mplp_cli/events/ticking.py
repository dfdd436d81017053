"""The ticks of schedules, published as events: each once, however often the process dies or the clock is changed.

A row among the readers of the board says up to which moment (ms since the epoch) everything of a schedule is dealt
with. It moves in the transaction that publishes the ticks. The name of the row has the schedule in it: one that was
changed begins with the moment of the change.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence

from mplp_cli.errors import StoreError
from mplp_cli.events.bus import Bus
from mplp_cli.protocols import Clock, Deliveries
from mplp_cli.workflow.events.arming import TICK
from mplp_cli.workflow.events.schedules import Due, due
from mplp_cli.workflow.events.triggers import CronTrigger, tick_id, trigger_source
from mplp_cli.workflow.published import Published, enriched
from mplp_cli.workflow.values import rfc3339

#: Seconds that a wait takes at most: then the clock is looked at again, which may have been set, or stood still.
NAP = 10.0
#: Seconds until the store is tried again.
AGAIN = 1.0


#: A workflow, and a trigger of it.
Scheduled = tuple[str, CronTrigger]


class Ticking:
    """Publishes the ticks of the triggers that there are at the time (`triggers` gives them)."""

    def __init__(
        self,
        triggers: Callable[[], Sequence[Scheduled]],
        deliveries: Deliveries,
        bus: Bus,
        clock: Clock,
        tell: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`tell`: what is said of ticks that are too many."""
        self._triggers = triggers
        self._deliveries = deliveries
        self._bus = bus
        self._clock = clock
        self._tell = tell
        #: Row -> up to which moment everything is dealt with; only of schedules that were served before.
        self._upto: dict[str, int] | None = None
        #: Row -> the tick that comes next, and the moment for which that was found out.
        self._next: dict[str, tuple[int | None, int]] = {}

    async def work(self) -> None:
        """Publish, until cancelled."""
        while True:
            try:
                following = self.publish_due()
            except StoreError:  # whoever needs the store says what is wrong with it
                await asyncio.sleep(AGAIN)
                continue
            pause = NAP if following is None else (following - self._clock.now()) / 1000
            await asyncio.sleep(min(max(pause, 0.0), NAP))

    def publish_due(self) -> int | None:
        """Publish every tick that is due; when the next one is (ms since the epoch), None if none ever comes."""
        now = self._clock.now()
        if self._upto is None:
            self._upto = self._deliveries.readers()
        rows: dict[str, int] = {}
        nexts: dict[str, tuple[int | None, int]] = {}
        events: list[Published] = []
        said: list[tuple[str, CronTrigger, Due]] = []
        for workflow, trigger in self._triggers():
            row = row_of(workflow, trigger)
            upto = self._upto.get(row)
            if upto is None:
                upto = rows[row] = now
            following, found_at = nexts[row] = self._next.get(row, (0, 0))
            if following is not None and not found_at <= now < following:
                found = due(trigger.schedule, trigger.time_zone, trigger.catch_up, upto, now)
                if found.upto != upto:
                    rows[row] = found.upto
                events += [_tick(workflow, trigger, at, now) for at in found.ticks]
                nexts[row] = found.next, now
                said.append((workflow, trigger, found))
        if rows or events:
            self._deliveries.settle(rows, (), events)
        # Only what is stored is dealt with: if that failed, it is all found again.
        self._upto.update(rows)
        self._next.update(nexts)
        for one in said:
            self._say(*one)
        if rows or events:
            self._bus.look()
        return min((following for following, _ in nexts.values() if following is not None), default=None)

    def _say(self, workflow: str, trigger: CronTrigger, found: Due) -> None:
        if found.missed > len(found.ticks) or found.more:
            missed = f"more than {found.missed:,}" if found.more else f"{found.missed:,}"
            policy = trigger.catch_up
            self._tell(
                f"{missed} times of trigger `{trigger.id}` of {workflow} have passed while nobody served;"
                f" {len(found.ticks):,} are made up for (catch-up: {policy})"
            )


def row_of(workflow: str, trigger: CronTrigger) -> str:
    """The name of the reader that says up to which moment a schedule is dealt with."""
    text = f"{trigger.schedule}\0{trigger.time_zone}".encode()
    return f"schedule:{workflow}/{trigger.id}@{hashlib.sha256(text).hexdigest()[:12]}"


def _tick(workflow: str, trigger: CronTrigger, at: int, now: int) -> Published:
    data = {"workflow": workflow, "trigger": trigger.id, "scheduled": rfc3339(at), "late": now - at}
    tick = Published(
        id=tick_id(workflow, trigger.id, at),
        type=TICK,
        source=trigger_source(workflow, trigger.id),
        at=at,
        data=data,
    )
    return enriched(tick, now)
