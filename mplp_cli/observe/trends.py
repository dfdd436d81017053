"""Where measurements are going: the slope that most pairs of readings agree on, and how sure it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import erf, sqrt
from statistics import median
from typing import Final, Literal

from msgspec import Struct

#: A moment (ms since the epoch) and what was read then.
Reading = tuple[int, float]

#: Fewer readings, or readings of a shorter time (ms), say nothing.
LEAST: Final = 8
SHORTEST: Final = 30_000
#: More are thinned out.
MOST: Final = 60
#: Surer than that, and it is no chance.
SURE: Final = 0.95
_MINUTE: Final = 60_000


class Trend(Struct, frozen=True, kw_only=True):
    """Where one measurement is going.

    `slope` is the change in a minute, in the unit of the measurement. `confidence` (0 to 1) is how unlikely it is that
    readings without a trend rise or fall so evenly. `reaches` is in how many minutes a rising one is at its limit. All
    are None if there is not enough data (`unknown`); `reaches` also if it does not come there.
    """

    metric: str
    direction: Literal["rising", "falling", "steady", "unknown"]
    slope: float | None = None
    confidence: float | None = None
    reaches: float | None = None
    readings: int = 0
    description: str = ""


class Measure(Struct, frozen=True, kw_only=True):
    """How a measurement is judged: less than `floor` (of its unit), or than a tenth of what is usual, is no change over
    the whole time; at `limit` it becomes a bottleneck. A `part` is told in percent."""

    name: str
    unit: str = ""
    floor: float = 0.0
    limit: float | None = None
    part: bool = False


def trend_of(measure: Measure, readings: Sequence[Reading]) -> Trend:
    """Judge readings, which are in order of time."""
    count = len(readings)
    span = readings[-1][0] - readings[0][0] if readings else 0
    if count < LEAST or span < SHORTEST:
        why = f"not enough data: {count} reading{'' if count == 1 else 's'}"
        return Trend(metric=measure.name, direction="unknown", readings=count, description=why)
    thin = _thinned(readings)
    slope, confidence = _slope(thin) * _MINUTE, _confidence([value for _, value in thin])
    usual = median(abs(value) for _, value in thin)
    change = abs(slope) * span / _MINUTE
    moves = confidence > SURE and change > max(measure.floor, usual / 10)
    direction: Literal["rising", "falling", "steady"] = (
        "steady" if not moves else "rising" if slope > 0 else "falling"
    )
    recent = median(value for _, value in thin[-5:])
    reaches = None
    if direction == "rising" and measure.limit is not None and recent < measure.limit:
        reaches = round((measure.limit - recent) / slope, 1)
    return Trend(
        metric=measure.name,
        direction=direction,
        slope=round(slope, 6),
        confidence=round(confidence, 4),
        reaches=reaches,
        readings=count,
        description=_said(measure, direction, slope, reaches, recent),
    )


def _thinned(readings: Sequence[Reading]) -> list[Reading]:
    """At most so many readings, each the median of those it stands for."""
    size = -(-len(readings) // MOST)
    groups = [readings[n : n + size] for n in range(0, len(readings), size)]
    return [(group[len(group) // 2][0], median(value for _, value in group)) for group in groups]


def _slope(readings: Sequence[Reading]) -> float:
    """The median of the slopes of all pairs (Theil and Sen): a few wild readings do not move it."""
    slopes = [
        (later - earlier) / (until - since)
        for n, (since, earlier) in enumerate(readings)
        for until, later in readings[n + 1 :]
        if until > since
    ]
    return median(slopes) if slopes else 0.0


def _confidence(values: Sequence[float]) -> float:
    """By the test of Mann and Kendall: pairs that rise against pairs that fall."""
    n = len(values)
    score = sum(
        (later > earlier) - (later < earlier) for k, earlier in enumerate(values) for later in values[k + 1 :]
    )
    ties = sum(t * (t - 1) * (2 * t + 5) for t in Counter(values).values())
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    if variance <= 0 or not score:
        return 0.0
    return erf((abs(score) - 1) / sqrt(variance) / sqrt(2))


def _said(measure: Measure, direction: str, slope: float, reaches: float | None, recent: float) -> str:
    if direction == "steady":
        return f"steady at {_amount(measure, recent)}"
    text = f"{direction} by {_amount(measure, abs(slope))} a minute, now {_amount(measure, recent)}"
    if reaches is not None and measure.limit is not None:
        text += f"; at {_amount(measure, measure.limit)} in about {_minutes(reaches)}"
    return text


def _amount(measure: Measure, value: float) -> str:
    if measure.part:
        return f"{value * 100:.3g} %"
    return f"{value:.3g}{measure.unit}"


def _minutes(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.0f} h"
