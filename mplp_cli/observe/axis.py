"""The time axis of a picture: straight where something was at work, short where a run only waited. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

#: A wait is shortened if it is longer than this part of the time of work and than so many ms, to the second part of it.
_LONG: Final = 1.0
_SHORT: Final = 0.06
_LEAST: Final = 2_000
#: Steps between labels, ms.
_STEPS: Final = (
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
    600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000,
)  # fmt: skip


class Gap(Struct, frozen=True):
    """A stretch of time that is drawn shorter than it was; `left` and `right` are places between 0 and 1."""

    begun: int
    ended: int
    left: float
    right: float


class Axis(Struct, frozen=True, kw_only=True):
    """Moments (ms) and their places between 0 and 1; between them the line is straight."""

    moments: tuple[int, ...]
    places: tuple[float, ...]
    gaps: tuple[Gap, ...] = ()

    def place(self, at: float) -> float:
        """Where a moment stands, between 0 and 1."""
        moments, places = self.moments, self.places
        n = min(max(bisect_right(moments, at) - 1, 0), len(moments) - 2)
        share = (at - moments[n]) / (moments[n + 1] - moments[n])
        return places[n] + min(max(share, 0.0), 1.0) * (places[n + 1] - places[n])

    def moment(self, place: float) -> int:
        """The moment that stands there."""
        n = min(max(bisect_right(self.places, place) - 1, 0), len(self.places) - 2)
        wide = self.places[n + 1] - self.places[n]
        share = (place - self.places[n]) / wide if wide else 0.0
        return round(self.moments[n] + share * (self.moments[n + 1] - self.moments[n]))

    def ticks(self, most: int = 6) -> list[tuple[int, float]]:
        """(ms since the begin, place) of labels: round numbers, `most` at most, none inside a gap."""
        begun, ended = self.moments[0], self.moments[-1]
        drawn = (ended - begun) - sum((gap.ended - gap.begun) for gap in self.gaps)
        step = next((step for step in _STEPS if drawn / step <= most), 0)
        if not step:
            days = -(-drawn // (most * 86_400_000))
            step = int(days) * 86_400_000
        found = [(0, 0.0)]
        for n in range(len(self.moments) - 1):
            if any(gap.begun == self.moments[n] for gap in self.gaps):
                continue
            first = -(-(self.moments[n] - begun) // step)
            for count in range(first, (self.moments[n + 1] - begun) // step + 1):
                place = self.place(begun + count * step)
                if place - found[-1][1] >= 0.6 / most:
                    found.append((count * step, place))
        return found


def axis(begun: int, ended: int, work: Iterable[tuple[int, int]]) -> Axis:
    """From `begun` to `ended`; `work` are the stretches (from, to) in which something was done."""
    ended = max(ended, begun + 1)
    busy: list[tuple[int, int]] = []
    for first, last in sorted((max(a, begun), min(b, ended)) for a, b in work if b >= begun and a <= ended):
        if busy and first <= busy[-1][1]:
            busy[-1] = busy[-1][0], max(busy[-1][1], last)
        else:
            busy.append((first, last))
    idle: list[tuple[int, int]] = []
    at = begun
    for first, last in [*busy, (ended, ended)]:
        if first > at:
            idle.append((at, first))
        at = max(at, last)
    worked = (ended - begun) - sum(b - a for a, b in idle)
    long = [one for one in idle if one[1] - one[0] > max(worked * _LONG, _LEAST)] if worked else []
    short = max(worked * _SHORT, 1.0)
    whole = (ended - begun) - sum(b - a for a, b in long) + short * len(long)
    moments, places, gaps = [begun], [0.0], []
    for a, b in [*long, (ended, ended)]:
        if a > moments[-1]:
            places.append(min(places[-1] + (a - moments[-1]) / whole, 1.0))
            moments.append(a)
        if b > a:
            left = places[-1]
            places.append(min(left + short / whole, 1.0))
            moments.append(b)
            gaps.append(Gap(a, b, left, places[-1]))
    places[-1] = 1.0
    return Axis(moments=tuple(moments), places=tuple(places), gaps=tuple(gaps))
