"""Watching over alerts: now and then their values are found out, and what has changed is stored and published at once.

One process of a state watches at a time. All that it must remember is stored in the transaction that publishes what it
tells, so the next one goes on where it was, wherever it was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from mplp_cli.errors import StoreError
from mplp_cli.protocols import Clock, Samples, Store
from mplp_cli.workflow.alerting import Round, looked
from mplp_cli.workflow.alerts import Alert, Tally, tallied, values_of
from mplp_cli.workflow.metrics import Labels, Sample
from mplp_cli.workflow.published import Published

#: Seconds between two looks.
INTERVAL: Final = 5.0
#: How late (ms) a sample may be stored after its end, and is still counted.
_LATE: Final = 60_000
#: Events that are judged together.
_AT_ONCE: Final = 200


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

    async def catch_up(self) -> None:
        """Count what was published before, in portions between which others have their turn: little of it is left for
        the look that follows. StoreError."""
        now, before = self._clock.now(), self._store.alerts.kept().tallies
        tallies: dict[str, Tally] = {}
        for tally in self._counting(before, now):
            tallies[tally.alert] = tally
            await asyncio.sleep(0)
        self._store.alerts.settle(Round(), _changed(before, tallies))

    def look(self) -> list[Published]:
        """What has changed, which is published by then. StoreError."""
        now = self._clock.now()
        kept = self._store.alerts.kept()
        tallies = {tally.alert: tally for tally in self._counting(kept.tallies, now)}
        samples = self._recent.until(self._store.samples, now)
        values = values_at(self._alerts, samples, tallies, now)
        made = looked(self._alerts, kept.standings, values, [*kept.silences.values()], now)
        self._store.alerts.settle(made, _changed(kept.tallies, tallies))
        return made.events

    def _counting(self, before: Mapping[str, Tally], now: int) -> Iterator[Tally]:
        """The tallies of alerts on events, each after every portion that it has counted; at last it has counted all.
        One that is new, or has changed, begins with what is published from now on."""
        board, watched = (
            self._store.board,
            [(one, one.event) for one in self._alerts if one.event is not None],
        )
        last = board.last() if watched else 0
        for alert, match in watched:
            tally = before.get(alert.id)
            if tally is None or tally.match != match:
                tally = Tally(alert=alert.id, match=match, heard=last)
            while tally.heard < last:
                found, end = board.sift(match.type, tally.heard, _AT_ONCE)
                if end == tally.heard:
                    break
                tally = replace(tallied(alert, tally, found, now), heard=end)
                yield tally
            yield tallied(alert, tally, [], now)


def _changed(before: Mapping[str, Tally], tallies: Mapping[str, Tally]) -> list[Tally]:
    return [tally for name, tally in tallies.items() if before.get(name) != tally]


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
                        await watching.catch_up()
                        watching.look()
                        trouble = ""
                        await asyncio.sleep(interval)
        except StoreError as error:
            if error.message != trouble:
                tell(f"alerts are not looked at: {error.message}")
            trouble = error.message
        await asyncio.sleep(interval)
