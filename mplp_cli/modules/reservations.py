"""What one call of an operation holds of the pool of resources."""

from __future__ import annotations

from contextlib import suppress

from mplp_cli.errors import AllocationNotFoundError, OperationError
from mplp_cli.protocols import Caller, Holdings
from mplp_cli.workflow.resources import Allocation, Demand


class Reservations:
    """Those of a call and of the calls inside it. OperationError where there is no pool."""

    def __init__(self, caller: Caller, holdings: Holdings | None) -> None:
        self._caller = caller
        self._holdings = holdings
        self._made: list[str] = []

    def allocate(self, demand: Demand) -> Allocation:
        """Hold something for the run until it is released or the run ends. InsufficientResourcesError."""
        made = self._pool().allocate(demand, self._caller, len(self._made))
        self._made.append(made.id)
        return made

    def release(self, allocation: str) -> Allocation:
        """What was held, and is not any more. AllocationNotFoundError."""
        return self._pool().release(allocation, self._caller)

    def undo(self) -> None:
        """Release what the call has allocated, because it comes to nothing."""
        for made in self._made:
            with suppress(AllocationNotFoundError):  # it is released already
                self.release(made)

    def _pool(self) -> Holdings:
        if self._holdings is None:
            raise OperationError("there is no pool of resources here")
        return self._holdings
