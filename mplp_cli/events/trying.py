"""Trying: what is ready in a lane is handed to its sender, whatever that does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from mplp_cli.errors import Failure, StepError
from mplp_cli.events.contract import FarSender, Outcomes, Sender
from mplp_cli.events.keeping import Batch, Keeping, Settle
from mplp_cli.events.lane import Item, Lane
from mplp_cli.protocols import Clock
from mplp_cli.workflow.values import duration_text

#: Seconds that a lane whose target waits for nothing may go on without letting others have a turn.
_SLICE: Final = 0.002
#: What became of each event of a batch, or what says so when it is awaited.
_Told: TypeAlias = Outcomes | Coroutine[Any, Any, Outcomes]


class Trying:
    """The tries of one lane. What a target has at once is dealt with at once; a task waits for the others."""

    def __init__(
        self,
        lane: Lane,
        sender: Sender,
        keeping: Keeping | None,
        clock: Clock,
        settle: Settle,
        wake: Callable[[], None],
    ) -> None:
        """`settle` is told what became of a batch; after `wake`, `begin` is called soon, if it may be."""
        self.lane, self._sender, self._keeping, self._clock = lane, sender, keeping, clock
        self._settle, self._wake = settle, wake
        # One that takes many is faster with more of them than with several calls at a time.
        self._places = lane.route.at_once if sender.at_most == 1 else 1
        self._under_way = 0
        self._far = sender if isinstance(sender, FarSender) else None

    def begin(self, group: asyncio.TaskGroup) -> Callable[[], None] | None:
        """Hand over what is ready, as many calls as there may be; but one at most that is over at once. What is to be
        called then, when the others have handed over theirs: they need not wait for the records of this."""
        monotonic = self._clock.monotonic
        while self.lane.ready and self._under_way < self._places:
            items, began = self.lane.take(self._sender.at_most), monotonic()
            if self._far is not None:
                self._under_way += 1
                group.create_task(self._wait_far(group, self._far, items[0]))
                continue
            told = _begun(self._sender, items)
            if not isinstance(told, Coroutine):
                return partial(self._had, group, items, began, monotonic(), told)
            self._under_way += 1
            task = group.create_task(self._wait(group, items, began, told))
            # It may be cancelled before it has begun, and then nobody waits for this.
            task.add_done_callback(partial(_close, told))
        return None

    async def _wait_far(self, group: asyncio.TaskGroup, sender: FarSender, item: Item) -> None:
        """Wait until it may be tried, then for what becomes of it."""
        await sender.until_sure(item.number)
        began = self._clock.monotonic()
        failures = await _awaited(_begun(sender, [item]), [item], self.lane.route.timeout)
        self._tried(group, [item], began, self._clock.monotonic(), failures)
        self._under_way -= 1
        self._wake()

    def _had(
        self, group: asyncio.TaskGroup, items: Sequence[Item], began: float, ended: float, failures: Outcomes
    ) -> None:
        """The target had these at once."""
        self._tried(group, items, began, ended, failures)
        if self.lane.ready:
            self._wake()

    async def _wait(self, group: asyncio.TaskGroup, items: Sequence[Item], began: float, told: _Told) -> None:
        """Wait for what becomes of these. Those behind them may follow for a moment."""
        since, lane = began, self.lane
        while True:
            failures = await _awaited(told, items, lane.route.timeout)
            self._tried(group, items, began, self._clock.monotonic(), failures)
            began = self._clock.monotonic()
            if not lane.ready or self._under_way > self._places or began - since > _SLICE:
                break
            items = lane.take(self._sender.at_most)
            told = _begun(self._sender, items)
        self._under_way -= 1
        self._wake()

    def _tried(
        self, group: asyncio.TaskGroup, items: Sequence[Item], began: float, ended: float, failures: Outcomes
    ) -> None:
        batch = Batch(items, began, ended, self._clock.now())
        if self._keeping is None or any(failures):
            self._settle(batch, failures)
        else:
            self._keeping.add(batch)
            if self.lane.route.ordered:
                self._under_way += 1
                group.create_task(self._make_certain(self._keeping, items))
                return
        self._release(items)

    async def _make_certain(self, keeping: Keeping, items: Sequence[Item]) -> None:
        """Only then does what comes next of their sources begin."""
        await keeping.sync()
        self._under_way -= 1
        self._release(items)
        self._wake()

    def _release(self, items: Sequence[Item]) -> None:
        sources = [item.event.source for item in items]
        for source in sources if len(sources) == 1 else set(sources):
            self.lane.release(source)


def _begun(sender: Sender, items: Sequence[Item]) -> _Told:
    """Hand these to a sender."""
    try:
        told = sender.send([(item.number, item.event) for item in items])
        return told if isinstance(told, Coroutine) else _each(told, items)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever a target does, the others go on
        return [_failure(error)] * len(items)


async def _awaited(told: _Told, items: Sequence[Item], longest: int) -> Outcomes:
    """What became of each; to wait for it takes `longest` ms at most."""
    if not isinstance(told, Coroutine):
        return told
    window = asyncio.timeout(longest / 1000)
    try:
        async with window:
            return _each(await told, items)
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            raise
        if isinstance(error, TimeoutError) and window.expired():
            late = f"it took longer than {duration_text(longest)}"
            return [Failure(type="StepTimeoutError", message=late)] * len(items)
        return [_failure(error)] * len(items)


def _each(told: Outcomes, items: Sequence[Item]) -> Outcomes:
    if len(told) == len(items):
        return told
    message = f"{len(told)} outcomes for {len(items)} events"
    return [Failure(type="SenderError", message=message)] * len(items)


def _is_cancelled() -> bool:
    """Whether somebody cancels the task at hand. If not, it is its target that was cancelled inside."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _failure(error: BaseException) -> Failure:
    if isinstance(error, StepError):
        return error.failure()
    return Failure(type=type(error).__name__, message=str(error))


def _close(told: Coroutine[Any, Any, Outcomes], _over: asyncio.Task[None]) -> None:
    """A callback of a task: what it should have waited for, and did not, is given up."""
    told.close()
