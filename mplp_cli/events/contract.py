"""What delivering and the targets know of each other."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from mplp_cli.errors import Failure
from mplp_cli.workflow.events.routes import Route
from mplp_cli.workflow.published import Published

#: What became of each event of a call, None if the target has it.
Outcomes: TypeAlias = Sequence[Failure | None]


class Sender(Protocol):
    """Brings events to the target of one route. What it shares with others is closed by whoever handed it in; itself it
    keeps nothing open between two calls, unless it is a `LazySender`."""

    @property
    def at_most(self) -> int:
        """How many events one call may get: 1 unless the target takes many for the price of one (lines of a file,
        calls of a function that does not wait)."""
        ...

    def send(self, events: Sequence[tuple[int, Published]]) -> Outcomes | Coroutine[Any, Any, Outcomes]:
        """Try each event (with its number on the board) once, in this order; what became of each. One that has to wait
        (as every `async def` does) says so when it is awaited.

        A failure that no further try can mend is not `retryable`; `details.retryAfter` (ms) is how long the target
        asks to be left alone. What is raised counts as a failure of all. Waiting is cancelled when it has taken too
        long.
        One that gets a single event is called at the same time for different sources if the route says so; one that
        gets many is not called again before it has returned.
        """
        ...


@runtime_checkable
class LazySender(Sender, Protocol):
    """One whose target has events at once, and for certain later: to have each batch outlast a power cut would cost
    more than all the rest. It takes a batch as a whole, or fails as a whole."""

    async def sync(self) -> Failure | None:
        """Make certain what was sent before the call, and close what was kept open for it; else why that is not
        possible. It may be called while `send` is at work, and is called once more when sending has ended."""
        ...


@runtime_checkable
class FarSender(Sender, Protocol):
    """One that brings events to where no power cut undoes them. Each call gets a single one, and has to wait."""

    async def until_sure(self, number: int) -> None:
        """Wait until a power cut does not undo the event of that number here, either, however long it takes; this is no
        part of a try."""
        ...


#: Makes the sender of a route. MplpError if its target cannot be used at all.
MakeSender = Callable[[Route], Sender]
