"""The real clock. The only place that asks the system for the time."""

from __future__ import annotations

import time

from mplp_cli.workflow.values import rfc3339 as rfc3339


class SystemClock:
    """Wall time for records, monotonic time for waits."""

    def now(self) -> int:
        """Milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
