"""What is counted of calls, in the units that it is counted in, and the limits of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from mplp_cli.workflow.agents import Budget
from mplp_cli.workflow.fold.history import Called, Used
from mplp_cli.workflow.values import duration_text

Limit = Literal["max-calls", "max-tokens", "max-usd", "max-time"]
#: Dollars are counted in billionths, so that what was reserved can be given back to the last digit.
_NANO = 1_000_000_000


class Amount(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """So much of everything. `nano_usd`: billionths of a dollar; `time`: milliseconds."""

    calls: int = 0
    tokens: int = 0
    nano_usd: int = 0
    time: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            calls=self.calls + other.calls,
            tokens=self.tokens + other.tokens,
            nano_usd=self.nano_usd + other.nano_usd,
            time=self.time + other.time,
        )

    def __sub__(self, other: Amount) -> Amount:
        return Amount(
            calls=self.calls - other.calls,
            tokens=self.tokens - other.tokens,
            nano_usd=self.nano_usd - other.nano_usd,
            time=self.time - other.time,
        )

    @property
    def usd(self) -> float:
        """Dollars."""
        return self.nano_usd / _NANO


def amount_of(used: Used) -> Amount:
    """What calls have used, as it is counted."""
    return Amount(calls=used.calls, tokens=used.tokens, nano_usd=used.nano_usd, time=used.time)


class Spent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was spent of a budget, and of how many calls it is not known: those of models without a price, and
    those that did not say how many tokens they used (what they had reserved counts)."""

    amount: Amount = Amount()
    unpriced: int = 0
    unmetered: int = 0

    def plus(self, used: Used) -> Spent:
        """With what further calls have used."""
        return Spent(
            amount=self.amount + amount_of(used),
            unpriced=self.unpriced + used.unpriced,
            unmetered=self.unmetered + used.unmetered,
        )


class Notice(Struct, frozen=True, kw_only=True):
    """Something about a budget that is worth telling. `share`: percent of a limit that is spent."""

    budget: str
    about: Limit | Literal["unpriced"]
    message: str
    share: int = 0
    #: The step whose call brought it about.
    step: str = ""
    #: The limit, in its unit.
    allowed: float = 0


class Reservation(Struct, frozen=True, kw_only=True):
    """What a call has reserved of each of its budgets. It is settled once."""

    budgets: tuple[str, ...]
    agent: str
    model: str
    amount: Amount
    number: int
    #: When the call began, in seconds of the monotonic clock.
    began: float
    #: What it is made for.
    step: str = ""
    attempt: int = 0
    call: Called = Called()


def limits_of(budget: Budget) -> list[tuple[Limit, int, Callable[[Amount], int]]]:
    """The limits that a budget has, and what each of them counts."""
    usd = None if budget.max_usd is None else units("max-usd", budget.max_usd)
    found: list[tuple[Limit, int | None, Callable[[Amount], int]]] = [
        ("max-calls", budget.max_calls, lambda amount: amount.calls),
        ("max-tokens", budget.max_tokens, lambda amount: amount.tokens),
        ("max-usd", usd, lambda amount: amount.nano_usd),
        ("max-time", budget.max_time, lambda amount: amount.time),
    ]
    return [(limit, allowed, of) for limit, allowed, of in found if allowed is not None]


def units(limit: Limit, value: float) -> int:
    """As it is counted."""
    return round(value * _NANO) if limit == "max-usd" else round(value)


def value_of(limit: Limit, amount: int) -> float:
    """As the definition states it: dollars for `max-usd`, milliseconds for `max-time`."""
    return amount / _NANO if limit == "max-usd" else amount


def shown(limit: Limit, amount: int) -> str:
    """For people."""
    match limit:
        case "max-calls":
            return f"{amount} call{'' if amount == 1 else 's'}"
        case "max-tokens":
            return f"{amount:,} tokens"
        case "max-usd":
            return f"${amount / _NANO:.4f}"
        case "max-time":
            return duration_text(amount)
