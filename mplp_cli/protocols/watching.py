"""The seam between those who watch over alerts and what keeps how they stand."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mplp_cli.workflow.alerting import Key, Round, Standing
    from mplp_cli.workflow.alerts import Silence, Tally


@dataclass
class AlertsKept:
    """What is known of alerts: standings by alert and labels, tallies by alert, silences by id, those too that are
    over."""

    standings: dict[Key, Standing] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    silences: dict[str, Silence] = field(default_factory=dict)


class Alerts(Protocol):
    """How the series of alerts stand, what they have counted, and silences."""

    def kept(self) -> AlertsKept:
        """All of it."""
        ...

    def settle(self, made: Round, tallies: Sequence[Tally] = ()) -> None:
        """Keep what a look has changed and publish what tells of it, in one transaction; it is durable if anything is
        published."""
        ...

    def silence(self, silence: Silence) -> None:
        """Keep a silence, durably."""
        ...

    def unsilence(self, *ids: str) -> None:
        """Forget silences."""
        ...

    def own(self) -> AbstractContextManager[None] | None:
        """The right to watch over the alerts of this state, which one process has at a time, until it is left or dies;
        None if another process has it."""
        ...

    def is_watched(self) -> bool:
        """Whether a process has that right now."""
        ...
