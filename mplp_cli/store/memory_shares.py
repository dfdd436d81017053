"""Who holds what of the pool of resources, in this process: the `Shares` of `protocols`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mplp_cli.errors import AllocationNotFoundError
from mplp_cli.protocols import Clock
from mplp_cli.workflow.resources import Allocation, Demand, Pool, Share, allotted, fits
from mplp_cli.workflow.values import RunId


class MemoryShares:
    """For the runs of one `MemoryStore`, which nobody else sees."""

    def __init__(self, clock: Clock, is_driven: Callable[[RunId], bool]) -> None:
        self._clock = clock
        self._is_driven = is_driven
        self._shares: dict[RunId, Share] = {}
        self._allocations: dict[str, Allocation] = {}
        #: By the id of an allocation the attempt that released it.
        self._released: dict[str, tuple[str, Allocation]] = {}
        #: What each run has seen of the others.
        self._looks: dict[RunId, list[Share]] = {}

    # ---- the contract ----

    def others(self, run: RunId) -> Sequence[Share] | None:
        found, seen = self._others(run), self._looks.get(run)
        self._looks[run] = found
        return None if found == seen else self._now(found)

    def reap(self, end: Callable[[RunId], None]) -> None:
        for share in list(self._shares.values()):
            if not self._is_driven(share.run):
                if share.has_place:
                    end(share.run)
                self.leave(share.run)

    def take(self, pool: Pool, share: Share) -> Sequence[Share] | None:
        others = self._others(share.run)
        if fits(pool, share, others, self._clock.now(), self._shares.get(share.run)):
            self.put(share)
            return None
        self._looks[share.run] = others
        return self._now(others)

    def all(self) -> Sequence[Share]:
        now = self._clock.now()
        found = [
            share if self._is_driven(share.run) else share.rest(now)
            for _, share in sorted(self._shares.items())
        ]
        return self._now(found)

    def allocations(self) -> Sequence[Allocation]:
        return sorted(self._allocations.values(), key=lambda one: (one.at, one.id))

    def allocate(self, pool: Pool, demand: Demand, allocation: str, by: str, now: int) -> Allocation:
        if allocation in self._released:
            return self._released[allocation][1]
        if allocation not in self._allocations:
            others = self._now(self._others(""))
            made = allotted(pool, demand, others, identifier=allocation, by=by, now=now)
            self._allocations[allocation] = made
        return self._allocations[allocation]

    def release(self, allocation: str, attempt: str = "") -> Allocation:
        by, before = self._released.get(allocation, ("", None))
        found = self._allocations.pop(allocation, before if by == attempt else None)
        if found is None:
            raise AllocationNotFoundError(allocation)
        if attempt:
            self._released[allocation] = attempt, found
        return found

    # ---- for journals ----

    def put(self, share: Share) -> None:
        """What a run holds from now on."""
        share = share.at(self._clock.now())
        if share.is_empty:
            self._shares.pop(share.run, None)
        else:
            self._shares[share.run] = share

    def leave(self, run: RunId, *, ended: bool = False) -> None:
        """Nobody drives the run from now on."""
        if run in self._shares:
            self.put(self._shares[run].rest(self._clock.now()))
        if ended:
            self._looks.pop(run, None)
            kept = self._allocations.items()
            self._allocations = {name: one for name, one in kept if one.by != f"run:{run}"}
            released = self._released.items()
            self._released = {name: one for name, one in released if not one[0].startswith(f"{run}/")}

    # ---- the rest ----

    def _others(self, run: RunId) -> list[Share]:
        shares = [share for name, share in sorted(self._shares.items()) if name != run]
        return [*shares, *(one.share for one in self.allocations())]

    def _now(self, shares: Sequence[Share]) -> list[Share]:
        now = self._clock.now()
        return [share for share in (one.at(now) for one in shares) if not share.is_empty]
