"""Capacity: what the forecasts require, which actions lead there, and what else is to be said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Final

from msgspec import Struct

from mplp_cli.protocols.scaling import ScalingAction, Written
from mplp_cli.resources.adjustments import MAX_PARALLEL
from mplp_cli.resources.forecast import Forecast
from mplp_cli.resources.usage import RUNS, SLOTS
from mplp_cli.workflow.resources import amount_text

#: A kind of which less than this part is required has too much.
TOO_MUCH: Final = 0.5
#: Slots a core from which on attempts do little but wait for each other.
CROWDED: Final = 4
_BYTES: Final = ("memory", "storage", "network")


class Stock(Struct, frozen=True, kw_only=True):
    """How much there is of a resource, and between what it may be adjusted. Kinds in whole amounts."""

    resource: str
    amount: int
    least: int
    most: int
    #: Why it cannot be adjusted; empty if it can.
    fixed: str = ""


class Required(Struct, frozen=True, kw_only=True):
    """What is required of a resource at the worst hour: expected, and at most in nine cases of ten."""

    resource: str
    expected: int
    upper: int
    #: What there is now; None of what is only counted.
    current: int | None


def required_of(forecasts: Mapping[str, Forecast], stocks: Mapping[str, Stock]) -> list[Required]:
    """The most that any hour to come requires, by resource."""
    found = []
    for name, made in forecasts.items():
        stock = stocks.get(name)
        found.append(
            Required(
                resource=name,
                expected=ceil(max(one.value for one in made.points)),
                upper=ceil(max(one.upper for one in made.points)),
                current=None if stock is None else stock.amount,
            )
        )
    return found


def scaling_plan(
    required: Sequence[Required], stocks: Mapping[str, Stock], *, cores: int, flat: bool
) -> list[ScalingAction]:
    """More of what will not do, less of what nobody will need; nothing is made less on a flat forecast."""
    plan = []
    for one in required:
        stock = stocks.get(one.resource)
        if stock is None or stock.fixed or one.resource in (RUNS, SLOTS):
            continue
        wanted = max(min(one.upper, stock.most), stock.least)
        if one.upper > stock.amount or (0 < one.upper < stock.amount * TOO_MUCH and not flat):
            plan += _action(one.resource, stock.amount, wanted)
    counts = {one.resource: one.upper for one in required}
    return plan + _slots(stocks.get(MAX_PARALLEL), counts.get(RUNS, 0), cores)


def _slots(stock: Stock | None, runs: int, cores: int) -> list[ScalingAction]:
    """Fewer slots a run if so many runs at once would crowd the cores."""
    if stock is None or runs * stock.amount <= CROWDED * cores:
        return []
    return _action(MAX_PARALLEL, stock.amount, max(CROWDED * cores // runs, stock.least))


def _action(resource: str, now: int, wanted: int) -> list[ScalingAction]:
    if wanted == now:
        return []
    return [
        ScalingAction(
            type="scale-up" if wanted > now else "scale-down",
            resource=resource,
            amount=written(resource, abs(wanted - now)),
            start=written(resource, now),
            to=written(resource, wanted),
        )
    ]


def written(resource: str, amount: int) -> Written:
    """An amount as plans hold it: whole numbers of bytes and bits a second, numbers of cores and of custom things."""
    if resource in (MAX_PARALLEL, RUNS, SLOTS, *_BYTES):
        return amount
    return amount // 1000 if amount % 1000 == 0 else amount / 1000


def said(resource: str, amount: int) -> str:
    """An amount for people."""
    if resource in (MAX_PARALLEL, RUNS, SLOTS):
        return f"{amount:,}"
    return amount_text(resource, amount) if amount else "0"


def recommendations_of(
    required: Sequence[Required],
    stocks: Mapping[str, Stock],
    plan: Sequence[ScalingAction],
    forecasts: Mapping[str, Forecast],
) -> list[str]:
    """What a person should know or do, beside the plan."""
    return [*_about_forecasts(forecasts), *_about_limits(required, stocks), *_about_plan(plan)]


def _about_forecasts(forecasts: Mapping[str, Forecast]) -> Iterator[str]:
    if any(made.method == "flat" for made in forecasts.values()):
        yield "there is too little history for a season (two days): the forecast is flat, the mean of what was seen"
    bad = [name for name, made in forecasts.items() if made.backtest and (made.backtest.mase or 0) > 1]
    if bad:
        yield (
            f"the last season was not like the one before ({', '.join(bad)}): repeating the last hour would have been"
            " nearer"
        )


def _about_limits(required: Sequence[Required], stocks: Mapping[str, Stock]) -> Iterator[str]:
    for one in required:
        stock = stocks.get(one.resource)
        if stock is None or one.upper <= stock.amount:
            continue
        needs = f"{one.resource}: {said(one.resource, one.upper)} may be required"
        if stock.fixed:
            yield f"{needs}, there is {said(one.resource, stock.amount)}; {stock.fixed}"
        elif one.upper > stock.most:
            yield (
                f"{needs}, this machine can give {said(one.resource, stock.most)} at most; runs will wait for each"
                " other, or need another machine"
            )


def _about_plan(plan: Sequence[ScalingAction]) -> Iterator[str]:
    if plan:
        yield "`mplp capacity plan --output json | mplp capacity apply -` does what the plan says; --undo takes it back"
    else:
        yield "nothing needs to be scaled"
