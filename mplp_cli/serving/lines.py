"""Connections of a server: how many there are, and how long one may ask nothing."""

from __future__ import annotations

import asyncio
import resource
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Seconds in which the head of a request must have come, from the first byte of it or from the connection on.
PATIENCE: Final = 15.0
#: Connections that are open at the same time, if there are as many descriptors twice.
MOST_OPEN: Final = 1_000


def most_open() -> int:
    """How many connections may be open: the store and what steps start need descriptors as well."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_OPEN if soft == resource.RLIM_INFINITY else min(MOST_OPEN, soft // 2)


class Line(H11Protocol):
    """A connection that ends if no request comes, or only a part of its head. The time after an answer, until the
    next request begins, is looked at by uvicorn."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """It is open; closed at once if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > most_open():
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Something came; it may be less than the head of a request."""
        super().data_received(data)
        waits = self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # None at first
        if not waits:
            self._wait_no_more()
        elif self._patience is None and not self.transport.is_closing():
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._patience = self.loop.call_later(PATIENCE, self.transport.abort)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
