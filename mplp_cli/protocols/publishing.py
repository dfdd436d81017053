"""The seams of published events: the board that they are on, and how far everybody is who reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from mplp_cli.protocols.records import Delivery
from mplp_cli.workflow.published import Published


class Board(Protocol):
    """What anybody has published, in order. The first event has number 1, and numbers only grow."""

    def publish(self, *events: Published) -> list[int]:
        """Publish events, durably, all or nothing; once for each source and id. Their numbers; of one that was
        published before, its number then."""
        ...

    def post(self, *events: Published) -> list[int]:
        """As `publish`, and others read them at once: no crash of this process undoes it, but until the next `sync` is
        over a power cut may, and with them all that was stored later."""
        ...

    async def sync(self) -> None:
        """Have the disk keep what was posted before. If that is not certain, a StoreError."""
        ...

    def following(self, after: int) -> list[tuple[int, Published]]:
        """(number, event) pairs of the first 1,000 with a number greater than `after`. Cheap if there are none."""
        ...

    def newest(self, limit: int) -> list[tuple[int, Published]]:
        """(number, event) pairs of the last `limit`, in order."""
        ...

    def sift(
        self, wanted: str, begin: int, limit: int, *, back: bool = False
    ) -> tuple[list[tuple[int, Published]], int]:
        """Of the 1,000 events after the number `begin` (with `back`: before it, the last one first) those whose type is
        `wanted`, where `*` is any text: (number, event) pairs, the first `limit`. And the number of the last event
        that was looked at; `begin` if there was none."""
        ...

    def find(self, identifier: str) -> list[tuple[int, Published]]:
        """Those with that id (of several sources), in order."""
        ...

    def numbered(self, number: int) -> Published | None:
        """The event with that number; None if it is gone."""
        ...

    def last(self) -> int:
        """The number of the last event that was published, also if it is gone by now; 0 if none ever was."""
        ...


class Deliveries(Protocol):
    """How far everybody has come who reads the board, and what became of events on routes.

    A reader (`route:ID`, `rule:ID`, `trigger:WORKFLOW/ID`) has dealt with every event up to its number, but for those
    with a delivery that is `retrying`. Events after it may have one that is over: they were overtaken by none.
    """

    def readers(self) -> dict[str, int]:
        """Reader -> number of the event up to which all are dealt with."""
        ...

    def settle(
        self,
        readers: Mapping[str, int],
        deliveries: Sequence[Delivery] = (),
        events: Sequence[Published] = (),
        *,
        durable: bool = True,
    ) -> None:
        """Move readers, keep what became of deliveries and publish events, in one transaction. A reader never goes
        back. Without `durable` a power cut may undo it, never a crash of the process; what is undone is
        delivered again."""
        ...

    def of(
        self,
        route: str | None = None,
        *,
        state: str | None = None,
        event: int | None = None,
        after: int = 0,
        limit: int = 1_000,
    ) -> list[Delivery]:
        """Deliveries by number of the event, those after `after`; of a route, in a state, of an event."""
        ...

    def counts(self) -> dict[str, dict[str, int]]:
        """Route -> state -> how many."""
        ...

    def left(self) -> dict[str, dict[str, int]]:
        """Route -> `retrying` or `dead` -> how many. Cheap, however many deliveries there are."""
        ...

    def own(self) -> AbstractContextManager[None] | None:
        """The right to deliver for this state, which one process has at a time, until it is left or dies; None if
        another process has it."""
        ...
