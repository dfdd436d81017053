"""What targets were handed and may still lose in a power cut is made certain here, together, a few times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from mplp_cli.errors import Failure
from mplp_cli.events.contract import LazySender
from mplp_cli.events.lane import WINDOW, Item, Lane
from mplp_cli.protocols import Clock
from mplp_cli.workflow.values import duration_text

#: Seconds from one sync to the next, unless too many events wait for it.
APART: Final = 0.25
_CROWD: Final = WINDOW // 2
#: Events that are settled before others have a turn.
_PORTION: Final = 20


class Batch(NamedTuple):
    """Events that were tried together: when (monotonic clock), and the time of the end."""

    items: Sequence[Item]
    began: float
    ended: float
    at: int


#: Is told what became of a batch.
Settle = Callable[[Batch, Sequence[Failure | None]], None]


class Keeping:
    """Of one lane. What is not certain yet counts as under way, though its sources go on."""

    def __init__(self, lane: Lane, sender: LazySender, clock: Clock, settle: Settle) -> None:
        self._lane, self._sender, self._clock, self._settle = lane, sender, clock, settle
        self._batches: list[Batch] = []
        self._count = 0
        self._last = float("-inf")
        self._turn = asyncio.Lock()
        self._some, self._many = asyncio.Event(), asyncio.Event()

    def add(self, batch: Batch) -> None:
        """The target has these. Those of an ordered route are made certain by whoever adds them (`sync`)."""
        self._batches.append(batch)
        if self._lane.route.ordered:
            return
        self._count += len(batch.items)
        self._some.set()
        if self._count >= _CROWD:
            self._many.set()

    async def work(self) -> None:
        """Make certain what comes, until cancelled."""
        while True:
            await self._some.wait()
            rest = self._last + APART - self._clock.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(rest, 0)):
                    await self._many.wait()
            await self.sync()

    async def sync(self) -> None:
        """Make certain what was added before. If that fails, it counts as a failed try of each."""
        async with self._turn:
            await self._sync()

    async def _sync(self) -> None:
        batches, self._count = list(self._batches), 0
        self._some.clear()
        self._many.clear()
        self._last = self._clock.monotonic()
        longest = self._lane.route.timeout
        try:
            async with asyncio.timeout(longest / 1000):
                failure = await self._sender.sync()
        except TimeoutError:
            failure = Failure(
                type="StepTimeoutError", message=f"it took longer than {duration_text(longest)}"
            )
        # Who is cancelled above leaves them to the last sync; from here on it is known what became of them.
        del self._batches[: len(batches)]
        over = self._clock.monotonic(), self._clock.now()
        rest, settled = iter(batches), 0
        try:
            for batch in rest:
                self._settle_one(batch, failure, over)
                settled += len(batch.items)
                if settled >= _PORTION:
                    settled = 0
                    await asyncio.sleep(0)
        finally:
            for batch in rest:
                self._settle_one(batch, failure, over)

    def _settle_one(self, batch: Batch, failure: Failure | None, over: tuple[float, int]) -> None:
        ended, at = (batch.ended, batch.at) if failure is None else over
        self._settle(Batch(batch.items, batch.began, ended, at), [failure] * len(batch.items))
