"""Carrying a scaling plan out: each action by itself, on this machine or by the scaler of a package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec
from msgspec import Struct

from mplp_cli.errors import MplpError, Path
from mplp_cli.protocols.scaling import Adjustment, Scaler, ScalingAction
from mplp_cli.resources.adjustments import AGENT, is_counted
from mplp_cli.resources.capacity import Stock, said, written
from mplp_cli.workflow.amounts import amount_of
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import Json

GROUP: Final = "mplp.scalers"
#: Characters of what a package says of its own failure.
_SAID: Final = 300


class ScalingError(MplpError):
    """An action cannot be done; its outcome says why."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of an action."""

    action: ScalingAction
    status: Literal["completed", "failed"]
    result: Json = None
    error: str = ""


class Actions(Struct, frozen=True):
    """The plan itself."""

    actions: list[ScalingAction]


class GivenPlan(Struct, frozen=True, kw_only=True, rename="camel"):
    """What `mplp capacity apply` takes: all of what `plan` prints, or the actions alone."""

    scaling_plan: Actions | None = None
    actions: list[ScalingAction] | None = None

    def listed(self) -> list[ScalingAction]:
        """The actions in order."""
        return self.scaling_plan.actions if self.scaling_plan is not None else self.actions or []


def misplaced(plan: GivenPlan) -> Iterator[tuple[Path, str]]:
    """What is wrong with a plan of the right shape."""
    if (plan.scaling_plan is None) == (plan.actions is None):
        yield (), "a plan has either `scalingPlan` with `actions` in it, or `actions`"


class EntryPoint(Protocol):
    """What `importlib.metadata` knows of one."""

    @property
    def name(self) -> str: ...
    def load(self) -> Any: ...


def installed() -> Iterable[EntryPoint]:
    """The scalers of every package on the path."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


class LocalScaler:
    """Adjusts what this machine gives, within bounds. What was done is in `made`; keeping it is the caller's."""

    def __init__(self, stocks: Mapping[str, Stock]) -> None:
        self._stocks = dict(stocks)
        self.made: list[Adjustment] = []

    def execute(self, action: ScalingAction) -> Json:
        """`{from, to}`. ScalingError if there is no such resource, or it cannot be adjusted so far."""
        stock = self._stocks.get(action.resource)
        if stock is None:
            hint = did_you_mean(action.resource, self._stocks)
            known = ", ".join(self._stocks)
            raise ScalingError(
                f"there is no resource `{action.resource}` here; {hint or f'there are {known}'}"
            )
        if stock.fixed:
            raise ScalingError(f"`{action.resource}` cannot be adjusted: {stock.fixed}")
        wanted = _wanted(action, stock)
        if not stock.least <= wanted <= stock.most:
            bounds = " to ".join(said(stock.resource, one) for one in (stock.least, stock.most))
            raise ScalingError(
                f"`{stock.resource}` may be {bounds} here, and not {said(stock.resource, max(wanted, 0))}"
            )
        self.made.append(Adjustment(resource=stock.resource, before=stock.amount, after=wanted))
        self._stocks[stock.resource] = msgspec.structs.replace(stock, amount=wanted)
        return {"from": written(stock.resource, stock.amount), "to": written(stock.resource, wanted)}


def _wanted(action: ScalingAction, stock: Stock) -> int:
    """What there shall be. ScalingError if the action does not fit what there is."""
    up = action.type == "scale-up"
    amount = _amount(stock.resource, action.amount)
    if action.start is not None and _amount(stock.resource, action.start) != stock.amount:
        raise ScalingError(
            f"`{stock.resource}` is {said(stock.resource, stock.amount)} by now, and not {action.start}: plan again"
        )
    wanted = stock.amount + (amount if up else -amount)
    if action.to is not None:
        wanted = _amount(stock.resource, action.to)
        if wanted == stock.amount or (wanted > stock.amount) != up:
            raise ScalingError(
                f"{action.type} from {said(stock.resource, stock.amount)} to {action.to} is none"
            )
    return wanted


def _amount(resource: str, given: float | str) -> int:
    try:
        if not is_counted(resource):
            return amount_of(resource, given)
        if isinstance(given, int) and not isinstance(given, bool) and given > 0:
            return given
        raise ValueError(f"{given!r} is not a whole number")
    except ValueError as error:
        raise ScalingError(f"`{resource}`: {error}") from error


def execute_plan(
    actions: Sequence[ScalingAction],
    local: Scaler,
    points: Callable[[], Iterable[EntryPoint]] = installed,
) -> list[Outcome]:
    """Every action in order; one that fails keeps no later one from being done. `local` has the agents, too."""
    scalers: dict[str, Scaler] = {}
    outcomes = []
    for action in actions:
        name, colon, inner = action.resource.partition(":")
        try:
            here = not colon or action.resource.startswith(AGENT)
            if not here and name not in scalers:
                scalers[name] = _plugged(name, points)
            scaler = local if here else scalers[name]
            asked = action if here else msgspec.structs.replace(action, resource=inner)
            result = msgspec.to_builtins(scaler.execute(asked))
            outcomes.append(Outcome(action=action, status="completed", result=result))
        except ScalingError as error:
            outcomes.append(Outcome(action=action, status="failed", error=error.message))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a package raises is its own
            why = f"{type(error).__name__}: {error}"[:_SAID]
            outcomes.append(Outcome(action=action, status="failed", error=why))
    return outcomes


def _plugged(name: str, points: Callable[[], Iterable[EntryPoint]]) -> Scaler:
    """The scaler of a package. ScalingError if there is none that can be used; else whatever its package raises."""
    found = [point for point in points() if point.name == name]
    if len(found) != 1:
        why = "two packages have a scaler" if found else f"no installed package has a scaler (group {GROUP})"
        raise ScalingError(f"{why} of the name `{name}`")
    given = found[0].load()
    scaler = given if not isinstance(given, type) and hasattr(given, "execute") else given()
    if not callable(getattr(scaler, "execute", None)):
        raise ScalingError(f"the scaler `{name}` is {type(scaler).__name__}, which has no `execute`")
    return scaler  # type: ignore[no-any-return]  # checked by what it can do


def summary_of(outcomes: Sequence[Outcome]) -> str:
    """One line about all of them."""
    failed = sum(one.status == "failed" for one in outcomes)
    if not outcomes:
        return "no actions"
    return f"{len(outcomes) - failed} of {len(outcomes)} actions completed" + (
        f", {failed} failed" if failed else ""
    )
