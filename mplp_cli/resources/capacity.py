"""Capacity: what the forecasts require, which actions lead there, and what else is to be said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Final

from msgspec import Struct

from mplp_cli.protocols.scaling import ScalingAction, Written
from mplp_cli.resources.adjustments import MAX_PARALLEL, is_counted
from mplp_cli.resources.forecast import Forecast
from mplp_cli.resources.usage import RUNS, SLOTS, Usage
from mplp_cli.workflow.amounts import amount_text

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
    """What is required of a resource at the worst hour: expected, and at most in nine cases of ten (None: too little
    was seen to say). `used` is the most that was measured at once, None of what is not measured."""

    resource: str
    expected: int
    upper: int | None
    #: What there is now; None of what is only counted.
    current: int | None
    used: int | None = None
    #: How it is known what there was: `held`, `used`, `guessed`, `declared`, `given`.
    basis: tuple[str, ...] = ()

    @property
    def most(self) -> int:
        """What there should be."""
        return self.expected if self.upper is None else self.upper


def required_of(
    forecasts: Mapping[str, Forecast], stocks: Mapping[str, Stock], usage: Usage
) -> list[Required]:
    """The most that any hour to come requires, by resource."""
    found = []
    for name, made in forecasts.items():
        stock = stocks.get(name)
        found.append(
            Required(
                resource=name,
                expected=ceil(max(one.value for one in made.points)),
                upper=_most(made),
                current=None if stock is None else stock.amount,
                used=usage.used.get(name),
                basis=usage.basis.get(name, ()),
            )
        )
    return found


def _most(made: Forecast) -> int | None:
    uppers = [one.upper for one in made.points if one.upper is not None]
    return ceil(max(uppers)) if uppers else None


def scaling_plan(
    required: Sequence[Required], stocks: Mapping[str, Stock], *, cores: int, flat: bool
) -> list[ScalingAction]:
    """More of what will not do, less of what nobody will need; nothing is made less on a flat forecast."""
    plan = []
    for one in required:
        stock = stocks.get(one.resource)
        if stock is None or stock.fixed or one.resource in (RUNS, SLOTS):
            continue
        wanted = max(min(one.most, stock.most), stock.least)
        # An agent that may take more calls than come costs nothing.
        less = not flat and not is_counted(one.resource) and 0 < one.most < stock.amount * TOO_MUCH
        if one.most > stock.amount or (less and wanted < stock.amount):
            plan += _action(one.resource, stock.amount, wanted)
    counts = {one.resource: one.most for one in required}
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
    if is_counted(resource) or resource in (RUNS, SLOTS, *_BYTES):
        return amount
    return amount // 1000 if amount % 1000 == 0 else amount / 1000


def said(resource: str, amount: int) -> str:
    """An amount for people."""
    if is_counted(resource) or resource in (RUNS, SLOTS):
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
    if any(one.upper is None for made in forecasts.values() for one in made.points):
        yield "one hour says nothing of the hours to come: there is no interval, and what was seen is expected again"
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
        if one.used is not None and "held" in one.basis and one.used < one.expected * TOO_MUCH:
            used, held = (said(one.resource, amount) for amount in (one.used, one.expected))
            yield (
                f"{one.resource}: {held} is held where at most {used} was used;"
                " `mplp resources optimize` says which steps declare too much"
            )
        stock = stocks.get(one.resource)
        if stock is None or one.most <= stock.amount:
            continue
        needs = f"{one.resource}: {said(one.resource, one.most)} may be required"
        if stock.fixed:
            yield f"{needs}, there is {said(one.resource, stock.amount)}; {stock.fixed}"
        elif one.most > stock.most and is_counted(one.resource):
            yield f"{needs}, it may be {said(one.resource, stock.most)} at most; change it where it is defined"
        elif one.most > stock.most:
            yield (
                f"{needs}, this machine can give {said(one.resource, stock.most)} at most; runs will wait for each"
                " other, or need another machine"
            )


def _about_plan(plan: Sequence[ScalingAction]) -> Iterator[str]:
    if plan:
        yield "`mplp capacity plan --output json | mplp capacity apply -` does what the plan says; --undo takes it back"
    else:
        yield "nothing needs to be scaled"
