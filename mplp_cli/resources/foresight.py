"""A capacity plan: from past runs through patterns and forecasts to what is required, and to actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mplp_cli.errors import UsageError
from mplp_cli.protocols.scaling import ScalingAction
from mplp_cli.resources.capacity import Required, Stock, recommendations_of, required_of, scaling_plan
from mplp_cli.resources.forecast import Forecast, Predict, forecast
from mplp_cli.resources.usage import HOUR, PastRun, Usage, usage_of


class CapacityPlan(Struct, frozen=True, kw_only=True):
    """What was seen, what is expected, what it requires, and what to do. Forecasts begin at `start` (ms)."""

    usage: Usage
    runs: int
    start: int
    forecasts: Mapping[str, Forecast]
    required: Sequence[Required]
    actions: Sequence[ScalingAction]
    recommendations: Sequence[str]


def plan_capacity(
    runs: Sequence[PastRun],
    until: int,
    hours: int,
    stocks: Mapping[str, Stock],
    cores: int,
    smooth: Predict | None = None,
) -> CapacityPlan:
    """The next `hours` after `until`. `smooth` forecasts instead of the season before. UsageError without runs."""
    usage = usage_of(runs, until)
    if usage is None:
        raise UsageError(
            "there is no history: no run has been recorded",
            hint="let some runs go by, or name a file with --history (`mplp help capacity` says what is in it)",
        )
    forecasts = {name: forecast(series, hours, smooth) for name, series in usage.series.items()}
    # A kind of which there is less than a step asks for would refuse its workflow.
    stocks = {
        name: replace(stock, least=min(max(stock.least, usage.largest.get(name, 0)), stock.most))
        for name, stock in stocks.items()
    }
    required = required_of(forecasts, stocks, usage)
    flat = all(made.method == "flat" for made in forecasts.values())
    actions = scaling_plan(required, stocks, cores=cores, flat=flat)
    said = recommendations_of(required, stocks, actions, forecasts)
    if smooth is not None and any(made.method != "holt-winters" for made in forecasts.values()):
        said.insert(0, "Holt and Winters' method needs three seasons (three days): a simpler one was taken")
    return CapacityPlan(
        usage=usage,
        runs=len(runs),
        start=usage.start + usage.hours * HOUR,
        forecasts=forecasts,
        required=required,
        actions=actions,
        recommendations=said,
    )
