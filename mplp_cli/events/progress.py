"""How a route is doing: what was counted since delivering began, and how long it took."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from msgspec import Struct

#: Upper ends of the classes of latencies, seconds: from 10 us, each 1.3 times the one before, to 150 s.
_ENDS: Final = [1e-5 * 1.3**k for k in range(64)]


class Progress(Struct, frozen=True, kw_only=True, rename="camel"):
    """A route now. Of this process since it began to deliver: `delivered` events, `failed` tries, events that became
    `dead`, old dead letters that were `dropped` for new ones, `mean` and `p99` latency (ms, from when an event was
    heard of to when its target had it, of those that needed one try; the p99 within 30 %).

    Of the moment: `behind` (numbers of the board that are not dealt with), `waiting` in memory, `retrying`, the age of
    the `oldest` event that waits (ms), and what keeps the store from recording what was done (`trouble`).
    """

    route: str
    delivered: int
    failed: int
    dead: int
    dropped: int
    behind: int
    waiting: int
    retrying: int
    oldest: int
    mean: float
    p99: float
    trouble: str = ""


class Latencies:
    """How long things took, in classes; a fixed size however many there are."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0.0
        self._classes = [0] * (len(_ENDS) + 1)

    def add(self, seconds: float) -> None:
        """One more."""
        self.count += 1
        self._sum += seconds
        self._classes[bisect_left(_ENDS, seconds)] += 1

    @property
    def total(self) -> float:
        """Seconds of all together."""
        return self._sum

    def classes(self) -> list[tuple[float, int]]:
        """(upper end in seconds, how many) of each class; the last one has no end."""
        return list(zip((*_ENDS, float("inf")), self._classes, strict=True))

    @property
    def mean(self) -> float:
        """Seconds; 0 if there are none."""
        return self._sum / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """Seconds that this share of them stayed within; 0 if there are none."""
        left = share * self.count
        for number, end in zip(self._classes, _ENDS, strict=False):
            left -= number
            if left <= 0:
                return end if self.count else 0.0
        return _ENDS[-1]
