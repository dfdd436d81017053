"""Spans on their way out: a queue with an end, and a thread of its own that empties it.

Whoever hands spans over never waits. What does not fit into the queue is dropped, the newest first, and counted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mplp_cli.errors import MplpError
from mplp_cli.observe.spans import Span


class SendingError(MplpError):
    """Spans that could not be handed to where they belong."""


#: Hands spans over; it may take its time. SendingError.
Send = Callable[[Sequence[Span]], None]
#: Makes what hands them over; it is called in the thread, so that what it imports stops nobody. SendingError.
Open = Callable[[], Send]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many spans may wait, how many are handed over at once, and seconds until fewer are."""

    queue: int = 2_048
    batch: int = 512
    delay: float = 5.0


#: As `Sizes`, where nothing else is said.
SIZES: Final = Sizes()


class Outlet:
    """The way to one place. `shown` is what people call it."""

    def __init__(self, shown: str, open_: Open, sizes: Sizes = SIZES) -> None:
        self.shown = shown
        self._open = open_
        self._sizes = sizes
        self._waiting: deque[Span] = deque()
        self._news = threading.Condition()
        self._closing = False
        #: Spans that are being handed over; those that never will be, and why.
        self._going = 0
        self._lost = 0
        self._dropped = 0
        self._why = ""
        self._thread = threading.Thread(target=self._work, name="mplp-traces", daemon=True)
        self._thread.start()

    def put(self, spans: Sequence[Span]) -> None:
        """Hand spans over. It never waits."""
        with self._news:
            room = max(0, self._sizes.queue - len(self._waiting))
            self._waiting.extend(spans[:room])
            self._dropped += len(spans) - min(room, len(spans))
            if len(self._waiting) >= self._sizes.batch:
                self._news.notify()

    def begin_to_close(self) -> None:
        """Hand over what waits, now."""
        with self._news:
            self._closing = True
            self._news.notify()

    def close(self, seconds: float) -> str:
        """Wait so long at most until all is handed over; what is to be said of it, empty if nothing is."""
        self.begin_to_close()
        self._thread.join(seconds)
        with self._news:
            late = self._going + len(self._waiting)
            self._waiting.clear()
            lost = late + self._lost + self._dropped
        if not lost:
            return ""
        why = self._why or ("no answer in time" if late else "they came faster than they were taken")
        spans = "1 span was" if lost == 1 else f"{lost:,} spans were"
        return f"{spans} not exported to {self.shown}: {why}"

    # ---- the thread

    def _work(self) -> None:
        send: Send | None = None
        try:
            send = self._open()
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            self._why = _told(error)
        while batch := self._next():
            try:
                if send is not None:
                    send(batch)
            except Exception as error:  # noqa: BLE001 - the thread goes on, and what is lost is counted
                self._why = _told(error)
                self._lost += len(batch)
            else:
                self._lost += 0 if send is not None else len(batch)
            self._going = 0

    def _next(self) -> list[Span]:
        """What is handed over next; nothing at the end."""
        with self._news:
            while not self._closing and len(self._waiting) < self._sizes.batch:
                if not self._news.wait(self._sizes.delay) and self._waiting:
                    break
            batch = [self._waiting.popleft() for _ in range(min(self._sizes.batch, len(self._waiting)))]
            self._going = len(batch)
            return batch


def _told(error: Exception) -> str:
    return error.message if isinstance(error, SendingError) else type(error).__name__
