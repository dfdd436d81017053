"""Budgets: reserved before a call, settled after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.agents.amounts import Amount, Notice, Spent
from mplp_cli.agents.boundary import Agents, Around
from mplp_cli.agents.budget import Ledger, usage_in
from mplp_cli.agents.contract import AgentRequest, AgentResult, Tell, Usage
from mplp_cli.errors import AgentError, UsageError
from mplp_cli.workflow.agents import AgentDefinition, Budget, OpenAIAgent, Price, PythonAgent
from mplp_cli.workflow.fold.history import AgentAsked, Used
from mplp_cli.workflow.fold.spending import Spending
from tests.virtual import VirtualClock

PRICES = {"m": Price(input=2.5, output=10, cache_read=1.25, cache_write=3)}
REQUEST = AgentRequest(run="r", step="s", agent="a")


async def spend(
    ledger: Ledger, agent: AgentDefinition, call: Callable[[], Awaitable[AgentResult]]
) -> AgentResult:
    """A call within a budget, as the boundary makes it."""
    reserved = ledger.before_call(agent, REQUEST)
    outcome: AgentResult | AgentError | None = None
    try:
        outcome = result = await call()
    except AgentError as error:
        outcome = error
        raise
    finally:
        ledger.after_call(reserved, outcome)
    return result


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> int:
        return 0

    def monotonic(self) -> float:
        return self.seconds


class Books:
    """A ledger with one budget `b`, and what it has told."""

    def __init__(self, budget: Budget, spending: Spending | None = None) -> None:
        self.clock = Hand()
        self.told: list[Notice] = []
        self.recorded: list[AgentAsked] = []
        self.ledger = Ledger(
            {"b": budget}, PRICES, self.clock, self.told.append, spending, record=self.recorded.append
        )

    def call(self, usage: Usage | None = None, *, seconds: float = 0.0, **fields: Any) -> Used:
        reservation = self.ledger.reserve(["b"], agent="a", **fields)
        self.clock.seconds += seconds
        return self.ledger.settle(reservation, usage)

    def refused(self, **fields: Any) -> AgentError:
        with pytest.raises(AgentError) as caught:
            self.ledger.reserve(["b"], agent="a", **fields)
        assert caught.value.code == "budget.exceeded"
        assert not caught.value.failure().retryable
        return caught.value

    @property
    def amount(self) -> Amount:
        return self.ledger.spent("b").amount


def test_calls_are_counted_and_the_one_beyond_the_limit_is_refused() -> None:
    books = Books(Budget(max_calls=2))
    books.call()
    books.call()
    error = books.refused()
    assert error.message == "the budget `b` allows 2 calls: 2 calls spent"
    assert error.details == {
        "code": "budget.exceeded", "agent": "a", "budget": "b", "limit": "max-calls",
        "allowed": 2, "spent": 2, "reserved": 0, "needed": 1,
    }  # fmt: skip


def test_what_others_have_reserved_counts() -> None:
    books = Books(Budget(max_calls=1))
    reservation = books.ledger.reserve(["b"], agent="a")
    assert "1 call reserved by calls that are being made" in books.refused().message
    books.ledger.settle(reservation, Usage())
    assert books.amount.calls == 1


def test_all_four_kinds_of_tokens_count() -> None:
    books = Books(Budget(max_tokens=100))
    books.call(Usage(input_tokens=1, output_tokens=2, cache_read=3, cache_write=4))
    assert books.amount.tokens == 10


def test_the_longest_answer_is_reserved_then_what_was_used() -> None:
    books = Books(Budget(max_tokens=1000))
    assert books.refused(max_tokens=1001).details["needed"] == 1001
    books.call(Usage(input_tokens=500, output_tokens=100), max_tokens=800)
    assert books.amount.tokens == 600
    assert books.refused().details["needed"] == 600


def test_dollars_are_counted_by_the_price_of_the_model() -> None:
    books = Books(Budget(max_usd=0.01))
    books.call(Usage(input_tokens=1000, output_tokens=100, cache_read=400, cache_write=200), model="m")
    assert books.amount.usd == pytest.approx(0.0046)
    books.call(Usage(input_tokens=1000), model="m")
    error = books.refused(model="m", max_tokens=400)
    assert error.details["limit"] == "max-usd"
    assert error.details["spent"] == pytest.approx(0.0071)
    assert "$0.0071 spent, about $0.0040 needed" in error.message


def test_a_price_is_found_by_the_name_that_the_endpoint_gives() -> None:
    books = Books(Budget(max_usd=1))
    reservation = books.ledger.reserve(["b"], agent="a", model="alias")
    books.ledger.settle(reservation, Usage(output_tokens=100), model="m")
    assert books.amount.usd == 0.001


def test_a_model_may_be_named_by_a_variable() -> None:
    ledger = Ledger({"b": Budget()}, PRICES, Hand(), lambda _: None, environ={"MODEL": "m"})
    agent = OpenAIAgent(id="a", endpoint="http://x", model="${env.MODEL}", budget="b")
    ledger.after_call(
        ledger.before_call(agent, REQUEST), AgentResult(output=1, usage=Usage(output_tokens=100))
    )
    assert ledger.spent("b").amount.usd == 0.001


def test_calls_of_models_without_a_price_are_counted_and_told_once() -> None:
    books = Books(Budget(max_usd=1))
    for _ in range(2):
        books.call(Usage(output_tokens=5), model="other")
    assert books.ledger.spent("b").unpriced == 2
    assert [one.message for one in books.told] == [
        "the model `other` has no price: the budget `b` cannot count what it costs"
    ]


def test_a_call_that_does_not_say_what_it_used_has_used_what_it_reserved() -> None:
    books = Books(Budget(max_tokens=1000))
    books.call(None, max_tokens=300)
    assert books.ledger.spent("b") == Spent(amount=Amount(calls=1, tokens=300), unmetered=1)


def test_time_is_what_the_calls_have_taken() -> None:
    books = Books(Budget(max_time=5000))
    books.call(seconds=3)
    assert "about 3.0s needed" in books.refused().message


def test_a_budget_that_warns_tells_once_and_refuses_nothing() -> None:
    books = Books(Budget(max_calls=10, on_exceed="warn"))
    for _ in range(20):
        books.call()
    assert [(one.about, one.share) for one in books.told] == [("max-calls", 80), ("max-calls", 100)]
    assert books.told[0].message == "the budget `b` has 8 calls of 10 calls spent"


def test_what_was_spent_before_counts() -> None:
    before, spending = Books(Budget(max_calls=3, max_tokens=1000)), Spending()
    for _ in range(2):
        before.call(Usage(input_tokens=5, output_tokens=300), model="m")
    for fact in before.recorded:
        spending.add(fact)
    books = Books(Budget(max_calls=3, max_tokens=1000), spending)
    assert (books.ledger.spent("b"), books.told) == (before.ledger.spent("b"), [])
    assert books.refused(max_tokens=700).details["spent"] == 610
    books.ledger.lose(MODEL)  # as much as its calls have used on average
    assert books.amount == Amount(calls=3, tokens=915, nano_usd=9037500)
    books.refused()


def test_a_call_in_two_budgets_needs_both() -> None:
    told: list[Notice] = []
    ledger = Ledger({"x": Budget(max_calls=5), "y": Budget(max_calls=0)}, {}, Hand(), told.append)
    with pytest.raises(AgentError, match="`y`"):
        ledger.reserve(["x", "y"], agent="a")
    for _ in range(5):
        ledger.settle(ledger.reserve(["x"], agent="a"), Usage())
    assert ledger.spent("x").amount.calls == 5


def test_a_reservation_is_settled_once() -> None:
    books = Books(Budget(max_calls=5))
    reservation = books.ledger.reserve(["b"], agent="a")
    for _ in range(3):
        books.ledger.settle(reservation, Usage(output_tokens=1))
    assert books.amount == Amount(calls=1, tokens=1)


def test_an_unknown_budget_is_named() -> None:
    with pytest.raises(UsageError, match="no budget is called `c`"):
        Books(Budget()).ledger.reserve(["c"], agent="a")


@pytest.mark.parametrize(
    ("error", "usage"),
    [
        (AgentError("agent.rate_limited", "x"), Usage()),
        (AgentError("agent.unavailable", "x"), Usage()),
        (AgentError("agent.timeout", "x"), None),
        (
            AgentError("agent.output_invalid", "x", details={"usage": {"output_tokens": 3}}),
            Usage(output_tokens=3),
        ),
    ],
)
def test_an_error_tells_what_the_call_has_used(error: AgentError, usage: Usage | None) -> None:
    assert usage_in(error) == usage


# ---- around a call -----------------------------------------------------------------------------

MODEL = OpenAIAgent(id="a", endpoint="http://x", model="m", budget="b", params={"max_tokens": 50})


def test_a_call_is_settled_with_what_its_answer_says() -> None:
    books = Books(Budget(max_tokens=100))

    async def call() -> AgentResult:
        assert books.amount == Amount()
        return AgentResult(output=1, usage=Usage(output_tokens=20), calls=2)

    asyncio.run(spend(books.ledger, MODEL, call))
    assert (books.amount.calls, books.amount.tokens) == (2, 20)


def test_a_call_that_fails_or_is_cancelled_is_settled() -> None:
    books = Books(Budget(max_tokens=500))

    async def main(error: BaseException) -> None:
        async def call() -> AgentResult:
            raise error

        with pytest.raises(type(error)):
            await spend(books.ledger, MODEL, call)

    asyncio.run(main(AgentError("agent.rate_limited", "x")))
    assert (books.amount.calls, books.amount.tokens) == (1, 0)
    used = {"output_tokens": 7}
    asyncio.run(main(AgentError("agent.truncated", "x", details={"usage": used, "calls": 3})))
    assert (books.amount.calls, books.amount.tokens) == (4, 7)
    asyncio.run(main(ValueError("x")))
    assert (books.amount.calls, books.amount.tokens) == (5, 57)
    assert books.ledger.accounts["b"].reserved == Amount()  # nothing is left reserved


def test_an_agent_without_a_budget_is_called_as_it_is() -> None:
    async def call() -> AgentResult:
        return AgentResult(output=1)

    books = Books(Budget(max_calls=0))
    asyncio.run(spend(books.ledger, PythonAgent(id="p", entrypoint="x:y"), call))


# ---- any interleaving --------------------------------------------------------------------------

#: What happens next: a call begins, or one of those that are being made ends, having used so many tokens (None: it
#: does not say). Nothing else decides what may be spent, so this is every interleaving.
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("begins"), st.none() | st.integers(0, 60)),
        st.tuples(st.integers(0, 9), st.none() | st.integers(0, 120)),
    ),
    max_size=60,
)


@given(HAPPENINGS, st.integers(0, 12), st.integers(0, 300), st.booleans())
def test_no_interleaving_spends_more_than_the_limits_and_what_calls_use_beyond_their_reservation(
    happenings: list[tuple[Any, int | None]], calls: int, tokens: int, keeps: bool
) -> None:
    """`keeps`: no call uses more than it has reserved; then no limit is passed at all."""
    usd = tokens * 10 / 1_000_000
    books = Books(Budget(max_calls=calls, max_tokens=tokens, max_usd=usd))
    #: Calls that are being made, and by what those that were when the last one began have used more than reserved.
    made: list[tuple[Any, list[int]]] = []
    excess: list[int] = []

    def end(which: int, used: int | None) -> None:
        reservation, over = made.pop(which % len(made))
        if keeps and used is not None:
            used = min(used, reservation.amount.tokens)
        books.ledger.settle(reservation, None if used is None else Usage(output_tokens=used), model="m")
        over.append(max(0, (used or 0) - reservation.amount.tokens))

    for what, number in [*happenings, *((0, 120) for _ in range(60))]:
        if what == "begins":
            try:
                begun = books.ledger.reserve(["b"], agent="a", model="m", max_tokens=number)
            except AgentError:
                continue
            excess = []
            made = [(one, excess) for one, _ in made] + [(begun, excess)]
        elif made:
            end(what, number)
    assert books.amount.calls <= calls
    assert books.amount.tokens <= tokens + sum(excess)
    assert books.amount.nano_usd <= (tokens + sum(excess)) * 10_000
    assert books.ledger.accounts["b"].reserved == Amount()  # all that was reserved was given back


@given(st.lists(st.integers(0, 120), max_size=20), st.integers(0, 300))
def test_calls_one_after_the_other_pass_a_limit_by_one_call_at_most(used: list[int], tokens: int) -> None:
    books = Books(Budget(max_tokens=tokens))
    for number in used:
        if books.amount.tokens >= tokens:
            books.refused()
            return
        try:
            books.call(Usage(output_tokens=number))
        except AgentError:
            break
    assert books.amount.tokens <= tokens + 120


#: (begins at, takes, tokens used, how it ends); times in tenths of a second.
CALLS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.integers(0, 30),
        st.integers(0, 120),
        st.sampled_from(["answers", "is silent", "is refused", "fails", "is cancelled", "is retried"]),
    ),
    max_size=25,
)


@given(CALLS, st.integers(0, 20), st.integers(0, 1500))
def test_parallel_calls_retries_and_failures_keep_within_what_they_reserve(
    calls: list[tuple[int, int, int, str]], max_calls: int, max_tokens: int
) -> None:
    clock = VirtualClock()
    budget = Budget(max_calls=max_calls, max_tokens=max_tokens)
    recorded: list[AgentAsked] = []
    ledger = Ledger({"b": budget}, PRICES, clock, lambda _: None, record=recorded.append)
    agent = OpenAIAgent(
        id="a", endpoint="http://x", model="m", budget="b", params={"max_tokens": 120}, repair_attempts=0
    )
    made: list[int] = []

    class Model:
        """Answers as the request says."""

        async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:
            takes, tokens, ends = request.input
            made.append(tokens)
            await until(takes / 10)
            if ends in ("fails", "is retried"):
                raise AgentError("agent.truncated", "x", details={"usage": {"output_tokens": tokens}})
            if ends == "is refused":
                raise AgentError("agent.rate_limited", "x", retryable=True)
            return AgentResult(output=1, usage=None if ends == "is silent" else Usage(output_tokens=tokens))

        async def probe(self) -> None:
            pass

        async def aclose(self) -> None:
            pass

    around = Around(reserve=ledger.before_call, settle=ledger.after_call)
    agents = Agents({"a": agent}, lambda _: Model(), misfits=lambda schema, value: [], around=around)

    async def one(begins: int, takes: int, tokens: int, ends: str) -> None:
        await until(begins / 10)
        for _ in range(3 if ends == "is retried" else 1):
            request = AgentRequest(run="r", step="s", agent="a", input=[takes, tokens, ends])
            try:
                async with asyncio.timeout(0.05 if ends == "is cancelled" else None):
                    await agents.ask(request, lambda text: None)
            except (AgentError, TimeoutError):
                pass

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(one(*call))

    clock.run(main)
    amount = ledger.spent("b").amount
    spending = Spending()
    for fact in recorded:
        spending.add(fact)
    again = Ledger({"b": budget}, PRICES, clock, lambda _: None, spending)
    assert again.spent("b") == ledger.spent("b")  # what was recorded is what was spent
    assert amount.calls == len(made) <= max_calls
    assert amount.tokens <= max_tokens
    assert ledger.accounts["b"].reserved == Amount()  # all that was reserved was given back


async def until(seconds: float) -> None:
    """Let so much virtual time pass."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()
