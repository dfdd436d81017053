"""Exponential smoothing after Holt and Winters, by statsmodels: level, damped trend and season, each added."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import sqrt
from typing import Any

from mplp_cli.errors import UsageError
from mplp_cli.resources.forecast import Point, point

#: What installs the package.
INSTALL = 'pip install "mplp-cli[forecast]"'


def check_statsmodels() -> None:
    """UsageError with the command that installs it, if the package is not there."""
    from importlib.util import find_spec

    if find_spec("statsmodels") is None:
        raise UsageError(
            "the method holt-winters needs the package `statsmodels`, which is not installed", hint=INSTALL
        )


def holt_winters(series: Sequence[float], horizon: int, season: int) -> tuple[Point, ...]:
    """The next hours. The spread follows from the fitted weights, and grows with the hours ahead."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    with warnings.catch_warnings():
        # A series that is fitted without any error makes it take the logarithm of 0 for its own statistics.
        warnings.simplefilter("ignore")
        model: Any = ExponentialSmoothing(
            [float(one) for one in series],
            trend="add",
            damped_trend=True,
            seasonal="add",
            seasonal_periods=season,
            initialization_method="heuristic",
        )
        fitted = model.fit()
        said = [float(one) for one in fitted.forecast(horizon)]
    missed = [float(one) for one in fitted.resid]
    variance = sum(one * one for one in missed) / len(missed)
    spreads = _spreads(fitted.params, horizon, season)
    return tuple(point(one, sqrt(variance) * more) for one, more in zip(said, spreads, strict=True))


def _spreads(params: Any, horizon: int, season: int) -> list[float]:
    """By how much more uncertain each hour ahead is than the next one.

    What is missed in one hour moves the later ones: the level by alpha, the trend by beta (damped by phi), the same
    hour of later seasons by gamma.
    """
    alpha, gamma = float(params["smoothing_level"]), float(params["smoothing_seasonal"])
    beta, phi = alpha * float(params["smoothing_trend"]), float(params["damping_trend"])
    total, damped, spreads = 1.0, 0.0, []
    for ahead in range(1, horizon + 1):
        spreads.append(sqrt(total))
        damped = phi * (1 + damped)
        total += (alpha + beta * damped + (gamma if ahead % season == 0 else 0.0)) ** 2
    return spreads
