"""Forecasts of a series of hours: what happened a season ago happens again; and how wrong that would have been."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Final, Literal, TypeAlias

from msgspec import Struct

#: Hours of the seasons that are looked for, the longest first.
SEASONS: Final = (168, 24)
#: Whole seasons that must have been seen, one of them for the back-test.
SEEN: Final[dict[str, int]] = {"seasonal-naive": 2, "holt-winters": 3}
#: A forecast lies in its interval so often.
LEVEL: Final = 0.8
#: Standard deviations to each side, of normally distributed errors.
_WIDTH: Final = 1.2815515655446004

Method: TypeAlias = Literal["seasonal-naive", "holt-winters", "flat"]


class Point(Struct, frozen=True):
    """What is expected in one hour, and the interval in which it will be with the stated level; None if too little
    was seen to say."""

    value: float
    lower: float | None
    upper: float | None


class Backtest(Struct, frozen=True, kw_only=True):
    """How wrong the method would have been about the last hours, had it known only those before.

    `mae`: by how much on average. `mape`: by which part of what came, over the hours in which something came;
    None if nothing did. `mase`: `mae` in times of what is missed by saying the last hour again (below 1: better
    than that); None if that was never wrong.
    """

    hours: int
    mae: float
    mape: float | None
    mase: float | None


class Forecast(Struct, frozen=True, kw_only=True):
    """The hours to come. `flat` is no forecast worth the name: the mean, since too little was seen."""

    method: Method
    #: Hours of a season; 0 without one.
    season: int
    points: tuple[Point, ...]
    #: None if even that cannot be told from so few hours.
    backtest: Backtest | None


#: The method of a package: from a series, a number of hours and a season to the points that follow.
Predict: TypeAlias = Callable[[Sequence[float], int, int], tuple[Point, ...]]


def season_of(hours: int, method: Method) -> int:
    """The longest season that was seen often enough in so many hours; 0 if none was."""
    return next((season for season in SEASONS if hours >= SEEN.get(method, 0) * season), 0)


def forecast(series: Sequence[float], horizon: int, smooth: Predict | None = None) -> Forecast:
    """The next `horizon` hours, as a season ago, or as `smooth` (Holt and Winters') says.

    With too few hours for what was asked it is the simpler method, at last `flat`.
    """
    method: Method = "flat"
    season = 0
    predict: Predict = flat
    if smooth is not None and (season := season_of(len(series), "holt-winters")):
        method, predict = "holt-winters", smooth
    elif season := season_of(len(series), "seasonal-naive"):
        method, predict = "seasonal-naive", seasonal_naive
    tested = _backtest(series, season or max(len(series) // 4, 1), season, predict)
    return Forecast(method=method, season=season, points=predict(series, horizon, season), backtest=tested)


def seasonal_naive(series: Sequence[float], horizon: int, season: int) -> tuple[Point, ...]:
    """Every hour is as it was one season before; the further away, the less certain.

    The spread is that of the differences from one season to the next, and grows with the root of the seasons
    ahead.
    """
    last = series[-season:]
    missed = [now - before for before, now in zip(series, series[season:], strict=False)]
    spread = sqrt(sum(one * one for one in missed) / len(missed)) if missed else 0.0
    return tuple(point(last[n % season], spread * sqrt(n // season + 1)) for n in range(horizon))


def flat(series: Sequence[float], horizon: int, season: int = 0) -> tuple[Point, ...]:  # noqa: ARG001 - there is none
    """The mean of what was seen, with its spread; the fewer hours, the wider (Student's distribution). Of one hour
    nobody knows how the next will differ."""
    mean = sum(series) / len(series)
    if len(series) < 2:
        return (Point(round(mean, 6), None, None),) * horizon
    free = len(series) - 1
    square = sum((one - mean) ** 2 for one in series) / free
    return (point(mean, sqrt(square * (1 + 1 / len(series))) * _student(free)),) * horizon


def _student(free: int) -> float:
    """How much wider an interval is whose spread was estimated with so many degrees of freedom (Cornish and
    Fisher's expansion of the quantile)."""
    z = _WIDTH
    return 1 + (z**2 + 1) / (4 * free) + (5 * z**4 + 16 * z**2 + 3) / (96 * free**2)


def point(value: float, spread: float) -> Point:
    """A value with its interval; nothing is ever less than 0."""
    value = max(value, 0.0)
    return Point(
        round(value, 6), round(max(value - _WIDTH * spread, 0.0), 6), round(value + _WIDTH * spread, 6)
    )


def _backtest(series: Sequence[float], held_out: int, season: int, predict: Predict) -> Backtest | None:
    """The last hours against what would have been said of them. None if too few are left to say anything."""
    seen, came = series[:-held_out], series[-held_out:]
    if len(seen) < 2:
        return None
    said = [one.value for one in predict(seen, held_out, season)]
    misses = [abs(one - other) for one, other in zip(said, came, strict=True)]
    parts = [miss / one for miss, one in zip(misses, came, strict=True) if one]
    steps = [abs(one - other) for one, other in pairwise(seen)]
    scale = sum(steps) / len(steps)
    mae = sum(misses) / len(misses)
    return Backtest(
        hours=held_out,
        mae=round(mae, 6),
        mape=round(sum(parts) / len(parts), 6) if parts else None,
        mase=round(mae / scale, 6) if scale else None,
    )
