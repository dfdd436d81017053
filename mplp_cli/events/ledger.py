"""What became of events is recorded here, and how far routes have come."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mplp_cli.errors import StoreError
from mplp_cli.events.errands import Errands
from mplp_cli.events.lane import Lane
from mplp_cli.events.letters import MOST_DEAD, make_room
from mplp_cli.protocols import Clock, Deliveries, Delivery

#: Seconds between two moves of the readers, and before a store that failed is asked again.
PAUSE: Final = 1.0
#: Seconds for which records are collected, and between two commits of them.
TOGETHER: Final = 0.005
APART: Final = 0.05
#: Records that a commit has if more are left for the next one: while it is made, nothing is sent.
_PORTION: Final = 100


class Ledger:
    """Records are written together, a few times a second; readers are moved once a second.

    Of delivered events a power cut may undo the records, and then they are delivered again; dead letters are durable.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        lanes: Sequence[Lane],
        clock: Clock,
        errands: Errands,
        recovered: Callable[[], None],
    ) -> None:
        """`recovered` is called when the store can be used again."""
        self._deliveries, self._lanes, self._clock, self._errands = deliveries, lanes, clock, errands
        self._recovered = recovered
        self._records: list[Delivery] = []
        #: The moment of the last commit.
        self._written = 0.0
        #: Why the store cannot be used now, empty if it can.
        self.trouble = ""
        #: Set when something was recorded or read.
        self.moved = asyncio.Event()

    @property
    def is_written(self) -> bool:
        """Whether nothing is left to be recorded."""
        return not self._records

    def keep(self, records: Sequence[Delivery]) -> None:
        """Record these soon."""
        self._records += records
        rest = self._written + APART - self._clock.monotonic()
        self._errands.soon("write", self._write_some, max(rest, TOGETHER))
        self.come()

    def _write_some(self) -> None:
        self._write({}, max(_PORTION, len(self._records) // 10))
        if self._records and not self.trouble:
            self._errands.soon("write", self._write_some, TOGETHER)

    def come(self) -> None:
        """Events have passed, or were dealt with: readers are to be moved within a second."""
        self._errands.soon("readers", self.move, PAUSE)

    def move(self) -> None:
        """Record what there is, and where the readers are by now. StoreError if nobody comes back to it."""
        readers = {lane.reader: lane.dealt() for lane in self._lanes if lane.dealt() > lane.written}
        self._write(readers, len(self._records))

    def _write(self, readers: Mapping[str, int], count: int) -> None:
        records = self._records[:count]
        died = Counter(record.route for record in records if record.state == "dead")
        try:
            if records or readers:
                self._deliveries.settle(readers, records, durable=bool(died))
                del self._records[:count]
                self._written = self._clock.monotonic()
            for lane in self._lanes:
                lane.written = readers.get(lane.reader, lane.written)
                lane.dead += died[lane.name]
                if died[lane.name] and (excess := lane.dead - MOST_DEAD) > 0:
                    gone = make_room(self._deliveries, lane.name, excess, lane.dropped, self._clock.now())
                    lane.dropped, lane.dead = lane.dropped + gone, MOST_DEAD
        except StoreError as error:
            if not self._errands.is_open:
                raise
            self.fails(error)
            return
        self.moved.set()
        if self.trouble:
            self.trouble = ""
            self._recovered()

    def fails(self, error: StoreError) -> None:
        """The store cannot be used: nothing is begun until it can."""
        self.trouble = error.message
        self._errands.soon("recovery", self.move, PAUSE)
