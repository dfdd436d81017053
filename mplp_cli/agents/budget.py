"""What agents may spend, and have spent: calls, tokens, dollars and time, by the name of a budget.

A call reserves before it is made, and settles when it is over; what calls have reserved counts as spent for those
that begin meanwhile. Looking and reserving is one step of one event loop, so calls at the same time share a budget.
A reservation is an estimate: a call may use more, by which a limit can be overshot, but none is begun beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from mplp_cli.agents.contract import AgentRequest, AgentResult, Usage
from mplp_cli.errors import AgentError, UsageError
from mplp_cli.protocols import Clock
from mplp_cli.workflow.agents import AgentDefinition, Budget, OpenAIAgent, Price, filled

Limit = Literal["max-calls", "max-tokens", "max-usd", "max-time"]
#: Shares of a limit that are told of, in percent.
_TOLD = (80, 100)
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


class Spent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was spent of a budget, and of how many calls it is not known: those of models without a price, and
    those that did not say how many tokens they used (what they had reserved counts)."""

    amount: Amount = Amount()
    unpriced: int = 0
    unmetered: int = 0


class Notice(Struct, frozen=True, kw_only=True):
    """Something about a budget that is worth telling. `share`: percent of a limit that is spent."""

    budget: str
    about: Limit | Literal["unpriced"]
    message: str
    share: int = 0


class Reservation(Struct, frozen=True, kw_only=True):
    """What a call has reserved of each of its budgets. It is settled once."""

    budgets: tuple[str, ...]
    agent: str
    model: str
    amount: Amount
    number: int
    #: When the call began, in seconds of the monotonic clock.
    began: float


class Ledger:
    """The budgets of a run. `spent` is what was spent before, by name; `told` gets what is worth telling;
    models may be named by variables of `environ`."""

    def __init__(
        self,
        budgets: Mapping[str, Budget],
        prices: Mapping[str, Price],
        clock: Clock,
        told: Callable[[Notice], None],
        spent: Mapping[str, Spent] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._environ = environ or {}
        self._budgets = budgets
        self._prices = prices
        self._clock = clock
        self._told = told
        self._spent: dict[str, Spent] = dict(spent or {})
        self._reserved: dict[str, Amount] = {}
        #: The numbers of the reservations that are not settled, and of the last one.
        self._open: set[int] = set()
        self._last = 0
        #: What the calls of an agent have used, and how many there were that said so.
        self._used: dict[str, Amount] = {}
        #: What was told: it is told once.
        self._said: set[tuple[str, str, int | str]] = set()

    def spent(self, budget: str) -> Spent:
        """What was spent of a budget so far, without what is reserved."""
        return self._spent.get(budget, Spent())

    def reserve(
        self, budgets: Sequence[str], *, agent: str, model: str = "", max_tokens: int | None = None
    ) -> Reservation:
        """Reserve a call in all of these budgets, or in none: budget.exceeded names the limit that stands against it.

        `max_tokens` is what the answer may have at most. The larger of it and of what the agent's calls have used
        on average is reserved.
        """
        for name in budgets:
            if name not in self._budgets:
                known = ", ".join(f"`{one}`" for one in sorted(self._budgets)) or "none"
                raise UsageError(f"no budget is called `{name}`", hint=f"the budgets are: {known}")
        amount = self._estimate(agent, model, max_tokens)
        for name in budgets:
            if self._budgets[name].on_exceed != "warn":
                self._look(name, agent, amount)
        for name in budgets:
            self._reserved[name] = self._reserved.get(name, Amount()) + amount
        self._last += 1
        reservation = Reservation(
            budgets=tuple(budgets),
            agent=agent,
            model=model,
            amount=amount,
            number=self._last,
            began=self._clock.monotonic(),
        )
        self._open.add(reservation.number)
        return reservation

    def settle(
        self, reservation: Reservation, usage: Usage | None, *, model: str = "", calls: int = 1
    ) -> Spent:
        """The call is over, well or badly: what it has used takes the place of what it had reserved.

        `usage` None: it did not say, and the tokens that it had reserved count. Settling again changes nothing.
        What this call has used is given back.
        """
        if reservation.number not in self._open:
            return Spent()
        self._open.discard(reservation.number)
        time = max(0, round((self._clock.monotonic() - reservation.began) * 1000))
        cost, priced = self._cost(usage, reservation.model, model)
        used = Amount(
            calls=calls,
            tokens=reservation.amount.tokens if usage is None else usage.total,
            nano_usd=reservation.amount.nano_usd if usage is None else cost,
            time=time,
        )
        unknown = usage is None and reservation.amount.tokens > 0
        this = Spent(amount=used, unpriced=int(not priced), unmetered=int(unknown))
        if not unknown:
            self._used[reservation.agent] = self._used.get(reservation.agent, Amount()) + used
        for name in reservation.budgets:
            self._reserved[name] = self._reserved[name] - reservation.amount
            before = self.spent(name)
            self._spent[name] = replace(
                before,
                amount=before.amount + used,
                unpriced=before.unpriced + this.unpriced,
                unmetered=before.unmetered + this.unmetered,
            )
            self._tell(name, model or reservation.model, priced=priced)
        return this

    def before_call(self, agent: AgentDefinition, _request: AgentRequest) -> Reservation | None:
        """Reserve a call of an agent in its budget, if it has one."""
        if not agent.budget:
            return None
        model, most = "", None
        if isinstance(agent, OpenAIAgent):
            model, most = agent.model, most_tokens(agent)
            with suppress(KeyError):
                model = filled(model, self._environ)
        return self.reserve([agent.budget], agent=agent.id, model=model, max_tokens=most)

    def after_call(self, reserved: Reservation | None, outcome: AgentResult | AgentError | None) -> None:
        """Settle what `before_call` gave, with how the call ended; None: it was stopped, or nobody knows."""
        if reserved is None:
            return
        match outcome:
            case AgentResult():
                self.settle(reserved, outcome.usage, model=outcome.model, calls=outcome.calls)
            case AgentError():
                self.settle(reserved, usage_in(outcome), calls=outcome.details.get("calls", 1))
            case None:
                self.settle(reserved, None)

    # ---- what a call may spend -------------------------------------------------------------------------

    def _estimate(self, agent: str, model: str, max_tokens: int | None) -> Amount:
        used = self._used.get(agent, Amount())
        count = max(1, used.calls)
        tokens = max(0, max_tokens or 0)
        cost, _ = self._cost(Usage(output_tokens=tokens), model)
        return Amount(
            calls=1,
            tokens=max(tokens, -(-used.tokens // count)),
            nano_usd=max(cost, -(-used.nano_usd // count)),
            time=-(-used.time // count),
        )

    def _look(self, name: str, agent: str, amount: Amount) -> None:
        """budget.exceeded if a call that needs so much does not fit in any more."""
        budget = self._budgets[name]
        spent, reserved = self.spent(name).amount, self._reserved.get(name, Amount())
        for limit, allowed, of in _limits(budget):
            # What needs nothing that is known of does not fit either where nothing is left.
            if of(spent) + of(reserved) + max(1, of(amount)) <= allowed:
                continue
            left = f"{_shown(limit, of(spent))} spent"
            if of(reserved):
                left += f", {_shown(limit, of(reserved))} reserved by calls that are being made"
            if of(amount) > 1:
                left += f", about {_shown(limit, of(amount))} needed"
            raise AgentError(
                "budget.exceeded",
                f"the budget `{name}` allows {_shown(limit, allowed)}: {left}",
                agent=agent,
                hint=f"raise `{limit}` of the budget `{name}`",
                details={
                    "budget": name,
                    "limit": limit,
                    "allowed": _value(limit, allowed),
                    "spent": _value(limit, of(spent)),
                    "reserved": _value(limit, of(reserved)),
                    "needed": _value(limit, of(amount)),
                },
            )

    def _cost(self, usage: Usage | None, *models: str) -> tuple[int, bool]:
        """Billionths of a dollar by the first model that has a price, and whether one has, or none is needed."""
        if usage is None or usage.total == 0:
            return 0, True
        for model in models:
            if (price := self._prices.get(model)) is not None:
                # Dollars per million tokens are thousands of billionths per token.
                dollars = (
                    usage.input_tokens * price.input
                    + usage.output_tokens * price.output
                    + usage.cache_read * price.cache_read
                    + usage.cache_write * price.cache_write
                )
                return round(dollars * 1000), True
        return 0, False

    # ---- what is told --------------------------------------------------------------------------

    def _tell(self, name: str, model: str, *, priced: bool) -> None:
        spent, budget = self.spent(name).amount, self._budgets[name]
        for limit, allowed, of in _limits(budget):
            for share in _TOLD:
                if of(spent) * 100 >= allowed * share and self._is_new(name, limit, share):
                    said = f"{_shown(limit, of(spent))} of {_shown(limit, allowed)} spent"
                    message = f"the budget `{name}` has {said}"
                    self._told(Notice(budget=name, about=limit, share=share, message=message))
        if not priced and budget.max_usd is not None and self._is_new(name, "unpriced", model):
            message = f"the model `{model}` has no price: the budget `{name}` cannot count what it costs"
            self._told(Notice(budget=name, about="unpriced", message=message))

    def _is_new(self, name: str, about: str, which: int | str) -> bool:
        key = (name, about, which)
        if key in self._said:
            return False
        self._said.add(key)
        return True


def most_tokens(agent: OpenAIAgent) -> int | None:
    """How long an answer may be, if the definition says so."""
    for name in ("max_completion_tokens", "max_tokens"):
        stated = agent.params.get(name)
        if isinstance(stated, int) and not isinstance(stated, bool):
            return stated
    return None


def usage_in(error: AgentError) -> Usage | None:
    """What a call that ended with this error has used; None if nobody knows.

    Agents that were not reached, or have refused to answer, have used nothing.
    """
    said = error.details.get("usage")
    if isinstance(said, dict):
        return Usage(**said)
    refused = ("agent.rate_limited", "agent.unavailable", "agent.http", "agent.not_found")
    if error.code in refused or error.code.startswith(("guard.", "budget.", "replay.")):
        return Usage()
    return None


def _limits(budget: Budget) -> list[tuple[Limit, int, Callable[[Amount], int]]]:
    """The limits that a budget has, and what each of them counts."""
    usd = None if budget.max_usd is None else round(budget.max_usd * _NANO)
    found: list[tuple[Limit, int | None, Callable[[Amount], int]]] = [
        ("max-calls", budget.max_calls, lambda amount: amount.calls),
        ("max-tokens", budget.max_tokens, lambda amount: amount.tokens),
        ("max-usd", usd, lambda amount: amount.nano_usd),
        ("max-time", budget.max_time, lambda amount: amount.time),
    ]
    return [(limit, allowed, of) for limit, allowed, of in found if allowed is not None]


def _value(limit: Limit, amount: int) -> float:
    """As the definition states it: dollars for `max-usd`, milliseconds for `max-time`."""
    return amount / _NANO if limit == "max-usd" else amount


def _shown(limit: Limit, amount: int) -> str:
    from mplp_cli.workflow.values import duration_text

    match limit:
        case "max-calls":
            return f"{amount} call{'' if amount == 1 else 's'}"
        case "max-tokens":
            return f"{amount:,} tokens"
        case "max-usd":
            return f"${amount / _NANO:.4f}"
        case "max-time":
            return duration_text(amount)
