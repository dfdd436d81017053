"""The seam of what was measured."""

from __future__ import annotations

from typing import Protocol

from mplp_cli.workflow.metrics import RETENTION, Sample


class Samples(Protocol):
    """What was measured, in order of time. Older samples are kept coarser (`metrics.COARSER`): added up by minute and
    hour and by kind of source (`run` of `run:ID`), and at last dropped. What they counted stays in the totals."""

    def add(self, *samples: Sample) -> None:
        """Keep samples. It need not outlast a power cut."""
        ...

    def between(self, since: int, until: int) -> list[Sample]:
        """Those that end later than `since`, and not later than `until` (ms since the epoch), by their end."""
        ...

    def totals(self) -> list[Sample]:
        """One for each kind of source: all that was ever added, and the last gauges of each name."""
        ...

    def compact(self, now: int, retention: int = RETENTION) -> None:
        """Make old samples coarser, and drop those that ended more than `retention` ms ago. Cheap if there is nothing
        to do."""
        ...
