"""Attempts that go on by themselves: a process needs nobody who waits for it.

A task, its turns of the event loop and its coroutines would cost as much as all else about a short process. Work that
takes its time is a task again: a stop, and the end of what an errand has left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping

from mplp_cli.protocols import Attempt, Errand, Runner, Starter
from mplp_cli.workflow.plan import PlanStep

#: Judges an errand of which nothing is left.
Settle = Callable[[Errand], None]


class Errands:
    """The errands of one drive. Each is judged once, unless the drive ends before."""

    def __init__(self, runners: Mapping[str, Runner], tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._starters = {
            kind: starter for kind, runner in runners.items() for starter in _starters_among(runner)
        }
        #: Those that are under way, with what judges them; those that a task is ending; those that are to stop.
        self._under_way: dict[Errand, Settle] = {}
        self._ending: set[Errand] = set()
        self._told: set[Errand] = set()
        self._closed = False

    def starter(self, step: PlanStep) -> Starter | None:
        """What begins an attempt of the step, if it needs nothing else: files that are kept and memory that is watched
        ask for a task."""
        if step.artifacts or step.demand is not None:
            return None
        return self._starters.get(step.kind)

    def begin(self, starter: Starter, attempt: Attempt, settle: Settle) -> Errand:
        """Begin one. Raises what a runner raises."""
        errand = starter.begin_errand(attempt, self._came_back)
        self._under_way[errand] = settle
        return errand

    def stop(self, errand: Errand) -> None:
        """End it early; it is judged when nothing is left of it."""
        self._told.add(errand)
        self._finish(errand)

    def drop(self) -> None:
        """Judge nothing any more."""
        self._closed = True

    async def close(self) -> None:
        """The drive is over: stop what runs, whether or not this is cancelled."""
        self.drop()
        await self._end_all(self._under_way.keys() - self._ending)

    async def ended(self) -> None:
        """The tasks are over, too: stop what they were to end and have not come to."""
        await self._end_all(self._under_way)

    # ---- the end of one

    def _came_back(self, errand: Errand) -> None:
        if errand in self._ending or self._closed:
            return
        try:
            if errand.is_survived():
                self._finish(errand)
            else:
                self._over(errand)
        except BaseException as error:  # noqa: BLE001 - a callback's error reaches nobody by itself
            self._tasks.create_task(_fail_with(error))

    def _finish(self, errand: Errand) -> None:
        if errand not in self._ending and not self._closed:
            self._ending.add(errand)
            self._tasks.create_task(self._finishing(errand))

    async def _finishing(self, errand: Errand) -> None:
        is_told = errand in self._told
        await errand.end(stop=is_told)
        if not is_told and errand in self._told:  # by now
            await errand.end(stop=True)
        if not self._closed:
            self._over(errand)

    def _over(self, errand: Errand) -> None:
        self._ending.discard(errand)
        self._told.discard(errand)
        self._under_way.pop(errand)(errand)

    # ---- the end of all

    async def _end_all(self, errands: Collection[Errand]) -> None:
        left = set(errands)
        while left:
            with contextlib.suppress(asyncio.CancelledError):
                async with asyncio.TaskGroup() as tasks:
                    for errand in list(left):
                        tasks.create_task(self._end(errand, left))

    async def _end(self, errand: Errand, left: set[Errand]) -> None:
        with contextlib.suppress(Exception):  # nobody asks any more
            await errand.end(stop=True)
        left.discard(errand)
        del self._under_way[errand]
        with contextlib.suppress(Exception):
            errand.result()


def _starters_among(*runners: object) -> list[Starter]:
    return [runner for runner in runners if isinstance(runner, Starter)]


async def _fail_with(error: BaseException) -> None:
    raise error
