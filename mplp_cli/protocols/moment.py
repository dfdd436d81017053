"""Time, ids and chance: what would make two runs of the same history differ."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for waits."""

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class Ids(Protocol):
    """Where identifiers and chance come from."""

    def uuid(self) -> str:
        """A new UUID version 4, lower case."""
        ...

    def fraction(self) -> float:
        """A random number in [0, 1), for jitter."""
        ...
