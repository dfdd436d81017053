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
#: From the end of one sync to the next, as many times as long as it took, and seconds at most.
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
    commit) by a look now and then. Whoever publishes is answered when the disk has it, too; and who takes an event
    somewhere where a power cut does not undo it, waits for `sync` before.
    """

    def __init__(self, board: Board, after: int) -> None:
        """`after`: the number of the last event that is known already."""
        self._board = board
        #: The number of the last event that was told.
        self.heard = after
        self._sinks: list[tuple[Sink, Callable[[], None]]] = []
        self._waiting: list[_Waiting] = []
        self._unsure: list[_Unsure] = []
        self._syncing: asyncio.Task[None] | None = None

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
        error = self._published(waiting)
        if error is not None and len(waiting) == 1:
            _fail(waiting[0][1], error)
        elif error is not None:
            for one in waiting:  # it need not be the fault of all
                if (error := self._published([one])) is not None:
                    _fail(one[1], error)

    def _published(self, waiting: Sequence[_Waiting]) -> Exception | None:
        """Why these could not be."""
        events = [event for some, _ in waiting for event in some]
        try:
            numbers = self._board.post(*events)
        except Exception as error:  # noqa: BLE001 - whoever published is told
            return error
        begin = 0
        for some, done in waiting:
            self._when_sure(done, numbers[begin : begin + len(some)])
            begin += len(some)
        if numbers == list(range(self.heard + 1, self.heard + 1 + len(numbers))):
            self._tell(list(zip(numbers, events, strict=True)))
        else:
            with suppress(StoreError):  # they are there, and found by the next look
                self.look()
        return None

    # ---- what the disk has

    def sync(self) -> asyncio.Future[None]:
        """To be awaited until the disk has all that was published before; StoreError if that is not certain."""
        return self._when_sure(asyncio.get_running_loop().create_future(), None)

    def _when_sure(self, done: asyncio.Future[Any], value: Any) -> asyncio.Future[Any]:
        self._unsure.append(_Unsure(done, value))
        if self._syncing is None:
            self._syncing = asyncio.get_running_loop().create_task(self._sync())
        return done

    async def _sync(self) -> None:
        """Make certain what there is, and what comes meanwhile."""
        loop = asyncio.get_running_loop()
        try:
            while self._unsure:
                unsure, self._unsure = self._unsure, []
                began = loop.time()
                await self._make_sure(unsure)
                rest = min((loop.time() - began) * _PATIENCE, _APART)
                if rest > 0:
                    await asyncio.sleep(rest)
        finally:
            self._syncing = None

    async def _make_sure(self, unsure: Sequence[_Unsure]) -> None:
        try:
            await self._board.sync()
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            for done, _ in unsure:
                _fail(done, error)
        except BaseException:
            for done, _ in unsure:
                done.cancel()
            raise
        else:
            for done, value in unsure:
                if not done.done():
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
