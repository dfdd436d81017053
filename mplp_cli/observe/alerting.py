"""Watching over alerts: now and then their values are found out, and what has changed is stored and published at once.

One process of a state watches at a time. All that it must remember is stored in the transaction that publishes what it
tells, so the next one goes on where it was, wherever it was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from mplp_cli.errors import StoreError
from mplp_cli.protocols import Board, Clock, Samples, Store
from mplp_cli.workflow.alerting import looked
from mplp_cli.workflow.alerts import Alert, Tally, tallied, values_of
from mplp_cli.workflow.metrics import Labels, Sample
from mplp_cli.workflow.published import Published

#: Seconds between two looks.
INTERVAL: Final = 5.0
#: How late (ms) a sample may be stored after its end, and is still counted.
_LATE: Final = 60_000


class Watch:
    """Looks at the alerts of a project."""

    def __init__(self, alerts: Sequence[Alert], store: Store, clock: Clock) -> None:
        self._alerts = alerts
        self._store = store
        self._clock = clock
        metrics = [alert for alert in alerts if alert.event is None]
        self._recent = Recent(
            {alert.metric for alert in metrics}, max((one.window for one in metrics), default=0)
        )

    def look(self) -> list[Published]:
        """What has changed, which is published by then. StoreError."""
        now = self._clock.now()
        kept = self._store.alerts.kept()
        tallies = self._count(kept.tallies, now)
        samples = self._recent.until(self._store.samples, now)
        values = values_at(self._alerts, samples, tallies, now)
        made = looked(self._alerts, kept.standings, values, [*kept.silences.values()], now)
        changed = [tally for name, tally in tallies.items() if kept.tallies.get(name) != tally]
        self._store.alerts.settle(made, changed)
        return made.events

    def _count(self, before: Mapping[str, Tally], now: int) -> dict[str, Tally]:
        """The tallies of alerts on events; one that is new, or has changed, begins with what is published from now
        on."""
        tallies, last = {}, -1
        for alert in self._alerts:
            if alert.event is not None:
                tally = before.get(alert.id)
                if tally is None or tally.match != alert.event:
                    last = self._store.board.last() if last < 0 else last
                    tally = Tally(alert=alert.id, match=alert.event, heard=last)
                tallies[alert.id] = tally
        if not tallies:
            return {}
        for events in _pages(self._store.board, min(one.heard for one in tallies.values())):
            tallies = self._tallied(tallies, events, now)
        return self._tallied(tallies, [], now)

    def _tallied(
        self, tallies: Mapping[str, Tally], events: Sequence[tuple[int, Published]], now: int
    ) -> dict[str, Tally]:
        return {
            alert.id: tallied(alert, tallies[alert.id], events, now)
            for alert in self._alerts
            if alert.id in tallies
        }


def values_at(
    alerts: Iterable[Alert], samples: Sequence[Sample], tallies: Mapping[str, Tally], now: int
) -> dict[str, dict[Labels, float]]:
    """The values of all series, by alert."""
    return {
        alert.id: values_of(alert, samples, now)
        if alert.event is None
        else {(): float(len(tallies[alert.id].moments))}
        for alert in alerts
    }


def _pages(board: Board, after: int) -> Iterable[list[tuple[int, Published]]]:
    while events := board.following(after):
        yield events
        after = events[-1][0]


class Recent:
    """The samples of the last while, of certain metrics, so that they need not be read again at each look."""

    def __init__(self, metrics: set[str], length: int) -> None:
        """`length`: ms."""
        self._metrics = metrics
        self._length = max(length, _LATE)
        self._kept: list[Sample] = []
        self._upto = 0

    def until(self, samples: Samples, now: int) -> list[Sample]:
        """Those that end within the length before `now`, in order of time. StoreError."""
        if not self._metrics:
            return []
        since = now - self._length
        sure = max(since, self._upto - _LATE) if since < self._upto <= now else since
        old = [one for one in self._kept if since < one.at <= sure]
        self._kept = [*old, *(self._bare(one) for one in samples.between(sure, now))]
        self._upto = now
        return self._kept

    def _bare(self, sample: Sample) -> Sample:
        def named(series: dict[str, dict[Labels, float]]) -> dict[str, dict[Labels, float]]:
            return {name: held for name, held in series.items() if name in self._metrics}

        histograms = {name: held for name, held in sample.histograms.items() if name in self._metrics}
        return replace(
            sample, counters=named(sample.counters), gauges=named(sample.gauges), histograms=histograms
        )


async def watch_alerts(
    alerts: Sequence[Alert],
    store: Store,
    clock: Clock,
    tell: Callable[[str], None] = lambda text: None,
    interval: float = INTERVAL,
) -> None:
    """Watch, until cancelled, whenever no other process of the state does. Also without alerts: what fires of those
    that were declared is resolved then. `tell`: of a store that cannot be used; it is tried again."""
    watching = Watch(alerts, store, clock)
    trouble = ""
    while True:
        try:
            right = store.alerts.own()
            if right is not None:
                with right:
                    while True:
                        watching.look()
                        trouble = ""
                        await asyncio.sleep(interval)
        except StoreError as error:
            if error.message != trouble:
                tell(f"alerts are not looked at: {error.message}")
            trouble = error.message
        await asyncio.sleep(interval)
