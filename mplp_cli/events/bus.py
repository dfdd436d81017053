"""What one process publishes, and how it hears of all that is published."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

from mplp_cli.errors import StoreError
from mplp_cli.protocols import Board
from mplp_cli.workflow.published import Published

#: Takes events with their numbers, in order and without gaps. It does not wait, and does not fail.
Sink = Callable[[Sequence[tuple[int, Published]]], None]
#: Seconds between two looks at what others have published.
POLL = 0.05
#: While many publish, the next sync begins so many times later than the last one took, and so many seconds at most:
#: each costs a change to another thread and back.
_PATIENCE: Final = 4
_APART: Final = 0.005
#: What somebody has published at once, and waits for.
_Waiting: TypeAlias = tuple[Sequence[Published], asyncio.Future[list[int]]]


def _nothing() -> None:
    """What most do when all have been told."""


class _Unsure(NamedTuple):
    """Who is told something once the disk has all that was published so far, and what."""

    done: asyncio.Future[Any]
    value: Any


class Bus:
    """The events of a state, for one event loop.

    What is published in one turn of the loop shares a transaction. Everybody who subscribes is told of every event in
    the order of the board, as soon as no crash of this process can undo it: of those of others (and of what runs
    commit) by a look now and then. Whoever publishes is answered when the disk has it, too; and who takes an event to
    where a power cut does not undo it, waits until that is `sure`.
    """

    def __init__(self, board: Board, after: int) -> None:
        """`after`: the number of the last event that is known already."""
        self._board = board
        #: The number of the last event that was told.
        self.heard = after
        self._sinks: list[tuple[Sink, Callable[[], None]]] = []
        self._waiting: list[_Waiting] = []
        #: What is stored and not told.
        self._posted: list[tuple[int, Published]] = []
        #: Who waits for the next sync, and for that which is under way.
        self._unsure: list[_Unsure] = []
        self._joined: list[_Unsure] = []
        self._syncing: asyncio.Task[None] | None = None
        #: Up to which number the disk has all events, and will have when the sync under way is over.
        self._sure = self._upto = 0

    def subscribe(self, sink: Sink, act: Callable[[], None] = _nothing) -> Callable[[], None]:
        """Tell `sink` of every event from now on, until what is returned is called; `act` is called each time when all
        have been told, and does not fail, either."""
        pair = sink, act
        self._sinks.append(pair)
        return lambda: self._sinks.remove(pair)

    # ---- what is published here

    def publish(self, *events: Published) -> asyncio.Future[list[int]]:
        """To be awaited for the numbers of the events, which are durable by then. StoreError if they cannot be
        stored, or if that is not certain."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[int]] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._flush)
        self._waiting.append((events, done))
        return done

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        error = self._post(waiting)
        if error is not None and len(waiting) == 1:
            _fail(waiting[0][1], error)
        elif error is not None:
            for one in waiting:  # it need not be the fault of all
                if (error := self._post([one])) is not None:
                    _fail(one[1], error)
        posted, self._posted = self._posted, []
        if [number for number, _ in posted] == list(range(self.heard + 1, self.heard + 1 + len(posted))):
            self._tell(posted)
        else:
            with suppress(StoreError):  # they are there, and found by the next look
                self.look()

    def _post(self, waiting: Sequence[_Waiting]) -> Exception | None:
        """Store these; why that could not be."""
        events = [event for some, _ in waiting for event in some]
        try:
            numbers = self._board.post(*events)
        except Exception as error:  # noqa: BLE001 - whoever published is told
            return error
        self._posted += zip(numbers, events, strict=True)
        begin = 0
        for some, done in waiting:
            own = numbers[begin : begin + len(some)]
            self._when_sure(max(own, default=0), _Unsure(done, own))
            begin += len(some)
        return None

    # ---- what the disk has

    async def sure(self, number: int) -> None:
        """Wait until the disk has the event of a number, which was read or told, and all before it. StoreError if that
        is not certain."""
        if number > self._sure:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._when_sure(number, _Unsure(done, None))
            await done

    def _when_sure(self, number: int, one: _Unsure) -> None:
        (self._joined if number <= self._upto else self._unsure).append(one)
        if self._syncing is None:
            self._syncing = asyncio.get_running_loop().create_task(self._sync())

    async def _sync(self) -> None:
        """Make certain what there is, and what comes meanwhile."""
        loop = asyncio.get_running_loop()
        try:
            while self._unsure or self._joined:
                self._joined += self._unsure
                self._unsure, self._upto = [], self.heard
                began = loop.time()
                await self._make_sure()
                if self._unsure:
                    await asyncio.sleep(min((loop.time() - began) * _PATIENCE, _APART))
        finally:
            self._syncing = None
            for done, _ in (*self._joined, *self._unsure):
                done.cancel()

    async def _make_sure(self) -> None:
        error: Exception | None = None
        try:
            await self._board.sync()
        except Exception as refused:  # noqa: BLE001 - whoever waits is told
            error = refused
        else:
            self._sure = self._upto
        joined, self._joined = self._joined, []
        self._upto = self._sure
        for done, value in joined:
            if error is not None:
                _fail(done, error)
            elif not done.done():
                done.set_result(value)

    # ---- what is told

    def look(self) -> bool:
        """Tell of what was published since the last look, 1,000 events at most; whether there was anything."""
        found = self._board.following(self.heard)
        if found:
            self._tell(found)
        return bool(found)

    def _tell(self, found: list[tuple[int, Published]]) -> None:
        if found:
            self.heard = found[-1][0]
            sinks = list(self._sinks)
            for sink, _ in sinks:
                sink(found)
            for _, act in sinks:
                act()

    async def listen(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                more = self.look()
            except StoreError:  # whoever writes is told what is wrong with it
                more = False
            await asyncio.sleep(0 if more else POLL)


def _fail(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
