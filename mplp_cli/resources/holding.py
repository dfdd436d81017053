"""Holding something of the pool by hand: from the command line, and by operations of modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mplp_cli.errors import InsufficientResourcesError, OperationError
from mplp_cli.workflow.values import RunId, derived_uuid

if TYPE_CHECKING:
    from mplp_cli.protocols import Caller, Clock, Shares
    from mplp_cli.workflow.resources import Allocation, Demand, Pool

#: Ends what a run has left running whose process is gone.
End = Callable[[RunId], None]


def hold(
    pool: Pool, shares: Shares, demand: Demand, end: End, *, identifier: str, by: str, now: int
) -> Allocation:
    """Hold what is asked for until it is released. InsufficientResourcesError if there is no room, even without the
    runs whose processes are gone; OperationError for a rate."""
    for name, _ in demand.amounts:
        if (kind := pool.kinds.get(name)) is not None and kind.per:
            raise OperationError(
                f"`{name}` is a rate: what is taken of it comes back by itself, so it cannot be held",
                hint="only steps use it, with `resources`",
                details={"kind": name},
            )
    try:
        return shares.allocate(pool, demand, identifier, by, now)
    except InsufficientResourcesError:
        shares.reap(end)
        return shares.allocate(pool, demand, identifier, by, now)


class HeldByRuns:
    """The `Holdings` of `protocols`: what operations hold goes at the end of the run that calls them at the latest.

    The id of an allocation follows from the call, so that one that is made again after a crash holds nothing twice.
    """

    def __init__(
        self,
        pool: Callable[[], Pool],
        shares: Shares,
        clock: Clock,
        is_run: Callable[[RunId], bool],
        end: End,
    ) -> None:
        self._pool, self._shares, self._clock = pool, shares, clock
        #: Whether a caller's run is one that will end; `mplp call` and messages have none.
        self._is_run = is_run
        self._end = end

    def allocate(self, demand: Demand, caller: Caller, number: int) -> Allocation:
        return hold(
            self._pool(),
            self._shares,
            demand,
            self._end,
            identifier=derived_uuid("allocation", caller.run, caller.workflow, caller.step, number),
            by=f"run:{caller.run}" if self._is_run(caller.run) else f"{caller.workflow}/{caller.step}",
            now=self._clock.now(),
        )

    def release(self, allocation: str, caller: Caller) -> Allocation:
        attempt = f"{caller.run}/{caller.step}" if self._is_run(caller.run) else ""
        return self._shares.release(allocation, attempt)
