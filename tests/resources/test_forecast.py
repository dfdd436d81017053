"""Usage and forecasts against series that were worked out by hand."""

from __future__ import annotations

from importlib.util import find_spec
from math import sqrt

import pytest

from mplp_cli.errors import UsageError
from mplp_cli.resources.forecast import Point, flat, forecast, season_of, seasonal_naive
from mplp_cli.resources.usage import HOUR, PastRun, usage_of

WIDTH = 1.2815515655446004
#: A day that has its own value in every hour, so that a wrong shift shows.
DAY = [float(hour) for hour in range(24)]


def run(begun: float, ended: float, **held: int) -> PastRun:
    return PastRun(workflow="w", begun=round(begun * HOUR), ended=round(ended * HOUR), held=held)


@pytest.mark.parametrize(
    ("runs", "hours", "peaks"),
    [
        ([run(0, 1)], 2, (1, 0)),
        ([run(0.5, 2.5)], 4, (1, 1, 1, 0)),
        ([run(0, 0.5), run(0.5, 1)], 1, (1,)),
        ([run(0, 0.6), run(0.5, 1.5)], 2, (2, 1)),
        ([run(0.2, 0.2)], 1, (1,)),
        ([run(0, 9)], 3, (1, 1, 1)),
        ([run(0, 1), run(1, 2), run(1, 2)], 2, (1, 2)),
        ([run(5, 6), run(7, 7.5)], 8, (1, 0, 1)),
    ],
)
def test_an_hour_shows_the_most_that_was_there_at_once(
    runs: list[PastRun], hours: int, peaks: tuple[int, ...]
) -> None:
    usage = usage_of(runs, hours * HOUR)
    assert usage is not None
    assert usage.series["runs"] == peaks


def test_what_runs_hold_is_added_up_and_patterns_are_those_of_workflows() -> None:
    other = PastRun(workflow="v", begun=0, ended=HOUR // 2, held={"cpu": 500})
    usage = usage_of([run(0, 0.5, cpu=2000, slots=4), run(0.25, 1, cpu=1000), other], 2 * HOUR)
    assert usage is not None
    assert usage.series == {"cpu": (3500, 0), "slots": (4, 0), "runs": (3, 0)}
    assert [(one.workflow, one.runs, one.runs_a_day, one.peak) for one in usage.patterns] == [
        ("w", 2, 24, 2),
        ("v", 1, 12, 1),
    ]
    assert [one.busy for one in usage.patterns] == [round(1.25 * HOUR), HOUR // 2]
    assert usage_of([], 0) is None


def test_seasons_are_taken_when_two_were_seen_the_week_first() -> None:
    assert [season_of(hours, "seasonal-naive") for hours in (47, 48, 335, 336)] == [0, 24, 24, 168]
    assert [season_of(hours, "holt-winters") for hours in (71, 72, 503, 504)] == [0, 24, 24, 168]


def test_a_season_ago_is_what_comes_and_the_interval_widens_with_each_season() -> None:
    # The second season is 1 more in one hour and 1 less in another: a spread of sqrt(2 / 3).
    points = seasonal_naive([1, 5, 9, 2, 4, 9], 7, 3)
    assert [point.value for point in points] == [2, 4, 9, 2, 4, 9, 2]
    for point, seasons in zip(points, (1, 1, 1, 2, 2, 2, 3), strict=True):
        wide = WIDTH * sqrt(2 / 3) * sqrt(seasons)
        assert point.upper == pytest.approx(point.value + wide, abs=1e-5)
        assert point.lower == pytest.approx(max(point.value - wide, 0), abs=1e-5)


def test_a_series_that_repeats_itself_is_forecast_without_error() -> None:
    made = forecast(DAY * 3, 25)
    assert (made.method, made.season) == ("seasonal-naive", 24)
    assert [one.value for one in made.points] == [*DAY, 0]
    assert all(one.lower == one.value == one.upper for one in made.points)
    assert made.backtest is not None
    assert (made.backtest.hours, made.backtest.mae, made.backtest.mape, made.backtest.mase) == (24, 0, 0, 0)


def test_the_back_test_knows_nothing_of_the_season_that_it_judges() -> None:
    # The last day is twice the first: each hour was forecast as half of what came.
    made = forecast(DAY + [2 * one for one in DAY], 1)
    assert made.backtest is not None
    assert made.backtest.mae == pytest.approx(sum(DAY) / 24)
    assert made.backtest.mape == pytest.approx(0.5)
    # The hours before differ by 1 from one to the next.
    assert made.backtest.mase == pytest.approx(11.5)
    assert made.points[0].value == 0


def test_errors_that_have_no_scale_are_not_made_up() -> None:
    still = forecast([0.0] * 48, 1).backtest
    assert still is not None
    assert (still.mae, still.mape, still.mase) == (0, None, None)


@pytest.mark.parametrize("hours", [1, 2, 47])
def test_too_little_history_is_a_flat_forecast_that_says_so(hours: int) -> None:
    made = forecast([2.0, 4.0] * 24, 3) if hours == 48 else forecast(([2.0, 4.0] * 24)[:hours], 3)
    assert (made.method, made.season) == ("flat", 0)
    assert len(set(made.points)) == 1
    assert (made.backtest is None) == (hours < 3)


@pytest.mark.parametrize(("hours", "quantile"), [(2, 3.078), (3, 1.886), (6, 1.476), (31, 1.310)])
def test_the_flat_forecast_is_the_mean_and_the_wider_the_fewer_hours_it_has(
    hours: int, quantile: float
) -> None:
    # Values that are 1 apart from their neighbours; the quantiles are those of Student's distribution.
    series = [10.0 + (n % 2) for n in range(hours)]
    mean = sum(series) / hours
    spread = sqrt(sum((one - mean) ** 2 for one in series) / (hours - 1) * (1 + 1 / hours))
    [made] = flat(series, 1)
    assert made.upper is not None
    assert made.value == pytest.approx(mean)
    # The expansion is coarse where there are two hours only.
    assert made.upper - made.value == pytest.approx(quantile * spread, rel=0.13 if hours == 2 else 0.03)


def test_of_one_hour_nobody_knows_how_the_next_will_differ() -> None:
    assert flat([3], 2) == (Point(3, None, None),) * 2


def test_holt_and_winters_names_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from mplp_cli.resources.smoothing import check_statsmodels

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="statsmodels") as refused:
        check_statsmodels()
    assert refused.value.hint == 'pip install "mplp-cli[forecast]"'


@pytest.mark.skipif(find_spec("statsmodels") is None, reason="needs the extra `forecast`: statsmodels")
def test_holt_and_winters_follows_a_season_that_grows() -> None:
    from mplp_cli.resources.smoothing import holt_winters

    series = [10 + hour % 24 + day for day in range(6) for hour in range(24)]
    made = forecast([float(one) for one in series], 48, holt_winters)
    assert (made.method, made.season) == ("holt-winters", 24)
    naive = forecast([float(one) for one in series], 48)
    assert made.backtest is not None
    assert naive.backtest is not None
    assert made.backtest.mae < naive.backtest.mae
    intervals = [(one.lower or 0, one.value, one.upper or 0) for one in made.points]
    assert all(lower <= value <= upper for lower, value, upper in intervals)
    widths = [upper - lower for lower, _, upper in intervals]
    assert widths == sorted(widths)
    assert forecast([1.0] * 71, 1, holt_winters).method == "seasonal-naive"
