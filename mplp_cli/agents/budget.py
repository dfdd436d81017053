"""What agents may spend, and have spent: calls, tokens, dollars and time, by the name of a budget.

A call reserves before it is made, and settles when it is over; what calls have reserved counts as spent for those
that begin meanwhile. Looking and reserving is one step of one event loop, so calls at the same time share a budget.
A reservation is an estimate: a call may use more, by which a limit can be overshot, but none is begun beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from msgspec.structs import asdict, replace

from mplp_cli.agents.amounts import (
    Amount,
    Limit,
    Notice,
    Reservation,
    Spent,
    amount_of,
    limits_of,
    shown,
    units,
    value_of,
)
from mplp_cli.agents.contract import AgentRequest, AgentResult, Usage
from mplp_cli.errors import AgentError, UsageError
from mplp_cli.protocols import Clock
from mplp_cli.workflow.agents import AgentDefinition, Budget, OpenAIAgent, Price, filled, kind_of
from mplp_cli.workflow.fold.history import AgentAsked, Called, Share, Used
from mplp_cli.workflow.fold.spending import Spending

#: Shares of a limit that are told of, in percent.
_TOLD = (80, 100)


@dataclass
class Account:
    """One budget, as all runs see it that spend from it."""

    budget: Budget
    spent: Spent = field(default_factory=Spent)
    reserved: Amount = field(default_factory=Amount)
    #: By run: what people have allowed beyond limits, (budget, limit) -> how much, now and later.
    raised: dict[str, Mapping[tuple[str, str], float]] = field(default_factory=dict)
    #: What was told: it is told once.
    said: set[tuple[str, int | str, float]] = field(default_factory=set)

    def beyond(self, name: str, limit: Limit) -> float:
        """How much more than the limit is allowed."""
        return sum(one.get((name, limit), 0) for one in self.raised.values())


class Ledger:
    """The budgets of a run. `told` gets what is worth telling, `record` every call that is over.

    `spending` is what the run has spent before, and what was allowed beyond limits, now and later. Models may be
    named by variables of `environ`.
    """

    def __init__(
        self,
        budgets: Mapping[str, Budget],
        prices: Mapping[str, Price],
        clock: Clock,
        told: Callable[[Notice], None],
        spending: Spending | None = None,
        environ: Mapping[str, str] | None = None,
        record: Callable[[AgentAsked], None] = lambda fact: None,
    ) -> None:
        spending = spending or Spending()
        self._environ = environ or {}
        self.own = {name: Account(budget) for name, budget in budgets.items()}
        #: Those that it shares with other runs, too.
        self.accounts = self.own
        self._prices = prices
        self._clock = clock
        self._told = told
        self._record = record
        #: The numbers of the reservations that are not settled, and of the last one.
        self._open: set[int] = set()
        self._last = 0
        #: What the calls of an agent have used, and how many there were that said so.
        self._used: dict[str, Amount] = {}
        self._raised = spending.raised
        self.begin("", spending, self.own)

    def join(self, run: str, accounts: Mapping[str, Account]) -> None:
        """Spend from these, too, where it has none of its own by that name: they are those of the run that this one,
        `run`, is a sub-workflow of. What it has spent of them before is counted there."""
        self.accounts = {**accounts, **self.own}
        for name in accounts.keys() - self.own.keys():
            accounts[name].raised[run] = self._raised

    def begin(self, run: str, spending: Spending, of: Collection[str]) -> None:
        """Count what was spent of these budgets of its own before, by it or by `run`, a sub-workflow of it."""
        for agent, _, budget, used in spending.each():
            self._count(agent, [budget] if budget in of else [], used)
        for name in of:
            self.own[name].raised[run] = spending.raised
            self._notices(name)

    def spent(self, budget: str) -> Spent:
        """What was spent of a budget so far, without what is reserved."""
        return self.accounts[budget].spent if budget in self.accounts else Spent()

    def lose(self, agent: AgentDefinition, of: Collection[str] | None = None) -> None:
        """Nobody knows what became of a call of that agent: it counts as one that did not say what it used.

        Only if its budget is one of these; None: one of the run's own.
        """
        if agent.budget not in (self.own if of is None else of):
            return
        model, most = self._asks(agent)
        amount = self._estimate(agent.id, model, most)
        used = Used(calls=1, assumed=amount.tokens, nano_usd=amount.nano_usd, time=amount.time, unmetered=1)
        account = self.accounts[agent.budget]
        account.spent = account.spent.plus(used)

    def reserve(
        self,
        budgets: Sequence[str],
        *,
        agent: str,
        model: str = "",
        max_tokens: int | None = None,
        step: str = "",
        attempt: int = 0,
        call: Called | None = None,
    ) -> Reservation:
        """Reserve a call in all of these budgets, or in none: budget.exceeded names the limit that stands against it.

        `max_tokens` is what the answer may have at most. The larger of it and of what the agent's calls have used
        on average is reserved.
        """
        for name in budgets:
            if name not in self.accounts:
                known = ", ".join(f"`{one}`" for one in sorted(self.accounts)) or "none"
                raise UsageError(f"no budget is called `{name}`", hint=f"the budgets are: {known}")
        amount = self._estimate(agent, model, max_tokens)
        for name in budgets:
            if self.accounts[name].budget.on_exceed != "warn":
                self._look(name, agent, amount)
        for name in budgets:
            self.accounts[name].reserved += amount
        self._last += 1
        reservation = Reservation(
            budgets=tuple(budgets),
            agent=agent,
            model=model,
            amount=amount,
            number=self._last,
            began=self._clock.monotonic(),
            step=step,
            attempt=attempt,
            call=call or Called(),
        )
        self._open.add(reservation.number)
        return reservation

    def settle(
        self,
        reservation: Reservation,
        usage: Usage | None,
        *,
        model: str = "",
        calls: int = 1,
        code: str = "",
        finish: str = "",
        tool: str = "",
    ) -> Used:
        """The call is over, well or badly: what it has used takes the place of what it had reserved.

        `usage` None: it did not say, and the tokens that it had reserved count. Settling again changes nothing.
        What this call has used is given back.
        """
        if reservation.number not in self._open:
            return Used()
        self._open.discard(reservation.number)
        reserved, wanted = reservation.amount, reservation.model
        model = model or wanted
        time = max(0, round((self._clock.monotonic() - reservation.began) * 1000))
        cost, priced = self._cost(usage, reservation.model, model)
        if usage is None:
            tokens, cost = reserved.tokens, reserved.nano_usd
            used = Used(calls=calls, assumed=tokens, nano_usd=cost, time=time, unmetered=int(tokens > 0))
        else:
            used = Used(calls=calls, nano_usd=cost, time=time, unpriced=int(not priced), **asdict(usage))
        budgets, step, agent = reservation.budgets, reservation.step, reservation.agent
        for name in budgets:
            self.accounts[name].reserved -= reserved
        self._count(agent, budgets, used)
        shares = self._tell(budgets, step, model, priced=priced) if budgets else []
        budget = budgets[0] if budgets else ""
        now = self._clock.now()
        wanted = wanted if wanted != model else ""
        call = replace(reservation.call, wanted=wanted, finish=finish, tool=tool)
        self._record(
            AgentAsked(now, step, reservation.attempt, agent, used, model, budget, code, shares, call)
        )
        return used

    def before_call(self, agent: AgentDefinition, request: AgentRequest) -> Reservation:
        """Reserve a call of an agent in its budget, if it has one."""
        model, most = self._asks(agent)
        return self.reserve(
            [agent.budget] if agent.budget else [],
            agent=agent.id,
            model=model,
            max_tokens=most,
            step=request.step,
            attempt=request.attempt,
            call=Called(number=request.call, kind=kind_of(agent)),
        )

    def after_call(self, reserved: Reservation, outcome: AgentResult | AgentError | None) -> None:
        """Settle what `before_call` gave, with how the call ended; None: it was stopped, or nobody knows."""
        match outcome:
            case AgentResult():
                said, calls, finish, tool = outcome, outcome.calls, outcome.finish, outcome.tool
                self.settle(reserved, said.usage, model=said.model, calls=calls, finish=finish, tool=tool)
            case AgentError():
                calls, tool = outcome.details.get("calls", 1), outcome.details.get("tool", "")
                self.settle(reserved, usage_in(outcome), calls=calls, code=outcome.code, tool=tool)
            case None:
                self.settle(reserved, None, code="stopped")

    def _count(self, agent: str, budgets: Sequence[str], used: Used) -> None:
        if not used.unmetered:
            this, before = amount_of(used), self._used.get(agent)
            self._used[agent] = this if before is None else before + this
        for name in budgets:
            self.accounts[name].spent = self.spent(name).plus(used)

    # ---- what a call may spend -------------------------------------------------------------------------

    def _asks(self, agent: AgentDefinition) -> tuple[str, int | None]:
        """The model that is asked, and how long its answer may be."""
        if not isinstance(agent, OpenAIAgent):
            return "", None
        model = agent.model
        with suppress(KeyError):
            model = filled(model, self._environ)
        return model, most_tokens(agent)

    def _estimate(self, agent: str, model: str, max_tokens: int | None) -> Amount:
        used, tokens = self._used.get(agent), max(0, max_tokens or 0)
        cost = self._cost(Usage(output_tokens=tokens), model)[0] if tokens else 0
        if used is None:
            return Amount(calls=1, tokens=tokens, nano_usd=cost)
        count = max(1, used.calls)
        return Amount(
            calls=1,
            tokens=max(tokens, -(-used.tokens // count)),
            nano_usd=max(cost, -(-used.nano_usd // count)),
            time=-(-used.time // count),
        )

    def _look(self, name: str, agent: str, amount: Amount) -> None:
        """budget.exceeded if a call that needs so much does not fit in any more."""
        account = self.accounts[name]
        spent, reserved = account.spent.amount, account.reserved
        stated = {limit: allowed for limit, allowed, _ in limits_of(account.budget)}
        pauses = account.budget.on_exceed == "pause"
        for limit, allowed, of in self._limits(name):
            # What needs nothing that is known of does not fit either where nothing is left.
            if of(spent) + of(reserved) + max(1, of(amount)) <= allowed:
                continue
            lacking = of(spent) + of(reserved) + of(amount) - allowed
            left = f"{shown(limit, of(spent))} spent"
            if of(reserved):
                left += f", {shown(limit, of(reserved))} reserved by calls that are being made"
            if of(amount) > 1:
                left += f", about {shown(limit, of(amount))} needed"
            raise AgentError(
                "budget.exceeded",
                f"the budget `{name}` allows {shown(limit, allowed)}: {left}",
                agent=agent,
                hint=f"raise `{limit}` of the budget `{name}`",
                details={
                    "budget": name,
                    "limit": limit,
                    "allowed": value_of(limit, allowed),
                    "spent": value_of(limit, of(spent)),
                    "reserved": value_of(limit, of(reserved)),
                    "needed": value_of(limit, of(amount)),
                    **({"more": value_of(limit, max(stated[limit], lacking)) or 1} if pauses else {}),
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

    def _tell(self, budgets: Sequence[str], step: str, model: str, *, priced: bool) -> list[Share]:
        """Tell what a call has brought about; the shares of limits that it came to."""
        notices = [one for name in budgets for one in self._notices(name, model, priced=priced)]
        for notice in {one.message: one for one in notices}.values():  # what passed 80 and 100 % at once
            self._told(replace(notice, step=step))
        return [Share(one.budget, one.about, one.share, one.allowed) for one in notices if one.share]

    def _notices(self, name: str, model: str = "", *, priced: bool = True) -> list[Notice]:
        """What is to be told of a budget and was not told yet."""
        spent, found = self.spent(name).amount, []
        for limit, allowed, of in self._limits(name):
            for share in _TOLD:
                if of(spent) * 100 >= allowed * share and self._is_new(name, limit, share, allowed):
                    said = f"{shown(limit, of(spent))} of {shown(limit, allowed)} spent"
                    message = f"the budget `{name}` has {said}"
                    value = value_of(limit, allowed)
                    found.append(
                        Notice(budget=name, about=limit, share=share, message=message, allowed=value)
                    )
        if (
            not priced
            and self.accounts[name].budget.max_usd is not None
            and self._is_new(name, "unpriced", model)
        ):
            message = f"the model `{model}` has no price: the budget `{name}` cannot count what it costs"
            found.append(Notice(budget=name, about="unpriced", message=message))
        return found

    def _is_new(self, name: str, about: str, which: int | str, allowed: float = 0) -> bool:
        key, said = (about, which, allowed), self.accounts[name].said
        if key in said:
            return False
        said.add(key)
        return True

    def _limits(self, name: str) -> list[tuple[Limit, int, Callable[[Amount], int]]]:
        """The limits that a budget has, with what was allowed beyond them, and what each of them counts."""
        account = self.accounts[name]
        return [
            (limit, allowed + units(limit, account.beyond(name, limit)), of)
            for limit, allowed, of in limits_of(account.budget)
        ]


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
