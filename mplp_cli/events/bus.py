"""What one process publishes, and how it hears of all that is published."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from mplp_cli.errors import StoreError
from mplp_cli.protocols import Board
from mplp_cli.workflow.published import Published

#: Takes events with their numbers, in order and without gaps. It does not wait, and does not fail.
Sink = Callable[[Sequence[tuple[int, Published]]], None]
#: Seconds between two looks at what others have published.
POLL = 0.05


class Bus:
    """The events of a state, for one event loop.

    What is published in one turn of the loop shares a transaction. Everybody who subscribes is told of every event in
    the order of the board: of those of this process as soon as they are durable, of those of others (and of what runs
    commit) by a look now and then.
    """

    def __init__(self, board: Board, after: int) -> None:
        """`after`: the number of the last event that is known already."""
        self._board = board
        #: The number of the last event that was told.
        self.heard = after
        self._sinks: list[Sink] = []
        self._waiting: list[tuple[Sequence[Published], asyncio.Future[list[int]]]] = []

    def subscribe(self, sink: Sink) -> Callable[[], None]:
        """Tell `sink` of every event from now on, until what is returned is called."""
        self._sinks.append(sink)
        return lambda: self._sinks.remove(sink)

    def publish(self, *events: Published) -> asyncio.Future[list[int]]:
        """To be awaited for the numbers of the events, which are durable by then. StoreError if they cannot be
        stored."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[int]] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append((events, done))
        return done

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            self._publish(waiting)
        except Exception as error:  # noqa: BLE001 - whoever published is told
            if len(waiting) == 1:
                [(_, done)] = waiting
                if not done.done():
                    done.set_exception(error)
                return
            for one in waiting:  # it need not be the fault of all
                self._waiting = [one]
                self._flush()

    def _publish(self, waiting: Sequence[tuple[Sequence[Published], asyncio.Future[list[int]]]]) -> None:
        events = [event for some, _ in waiting for event in some]
        numbers = self._board.publish(*events)
        begin = 0
        for some, done in waiting:
            if not done.done():
                done.set_result(numbers[begin : begin + len(some)])
            begin += len(some)
        if numbers == list(range(self.heard + 1, self.heard + 1 + len(numbers))):
            self._tell(list(zip(numbers, events, strict=True)))
        else:
            self.look()

    def look(self) -> bool:
        """Tell of what was published since the last look, 1,000 events at most; whether there was anything."""
        found = self._board.following(self.heard)
        if found:
            self._tell(found)
        return bool(found)

    def _tell(self, found: list[tuple[int, Published]]) -> None:
        if found:
            self.heard = found[-1][0]
            for sink in list(self._sinks):
                sink(found)

    async def listen(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                more = self.look()
            except StoreError:  # whoever writes is told what is wrong with it
                more = False
            await asyncio.sleep(0 if more else POLL)
