"""The boundary around every kind of agent: who is asked, how often, for how long, and what counts as an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from mplp_cli.agents.asking import remark
from mplp_cli.agents.boundary import Agents, Around, Presence
from mplp_cli.agents.contract import AgentRequest, AgentResult, Tell, Usage
from mplp_cli.agents.deciding import Standing, fitting, repair_text, route, time_for
from mplp_cli.errors import AgentError
from mplp_cli.loading.values import misfits
from mplp_cli.workflow.agents import AgentDefinition, Limits, MockAgent
from tests.virtual import VirtualLoop

Answer = Callable[[AgentRequest], Any]
NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def request(agent: str = "a", **more: Any) -> AgentRequest:
    return AgentRequest(run="r", step="s", agent=agent, **more)


def unavailable(agent: str) -> AgentError:
    return AgentError("agent.unavailable", f"{agent} is not there", agent=agent)


class Fake:
    """An adapter that answers by a list; what is called is awaited, what is an error raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[AgentRequest] = []
        self.most = self.now = 0
        self.closed = self.gone = False
        self.offers: list[str] | None = None

    async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:
        self.asked.append(request)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if callable(answer):
                answer = await answer()
            if isinstance(answer, Exception):
                raise answer
            tell("told")
            return answer if isinstance(answer, AgentResult) else AgentResult(output=answer)
        finally:
            self.now -= 1

    async def probe(self) -> list[str] | None:
        if self.gone:
            raise unavailable("who is gone")
        return self.offers

    async def aclose(self) -> None:
        self.closed = True


def agents_of(
    fakes: dict[str, Fake],
    *definitions: AgentDefinition,
    around: Around | None = None,
    presence: Presence | None = None,
) -> Agents:
    known = {one.id: one for one in definitions} or {name: MockAgent(id=name) for name in fakes}
    return Agents(known, lambda agent: fakes[agent.id], misfits=misfits, around=around, presence=presence)


def go(agents: Agents, *requests: AgentRequest) -> Any:
    """The answers, or the first error."""

    async def all_of_them() -> list[AgentResult]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(agents.ask(one, lambda text: None)) for one in requests]
        return [task.result() for task in tasks]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        try:
            answers = runner.run(all_of_them())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
    return answers[0] if len(answers) == 1 else answers


def refused(agents: Agents, one: AgentRequest) -> AgentError:
    with pytest.raises(AgentError) as caught:
        go(agents, one)
    return caught.value


# ---- who -----------------------------------------------------------------------------------------


def test_an_unknown_agent_is_named_with_those_that_there_are() -> None:
    error = refused(agents_of({"linter": Fake(1), "judge": Fake(1)}), request("lintr"))
    assert (error.code, error.failure().retryable) == ("agent.not_found", False)
    assert error.hint == "did you mean `linter`? the agents are: judge, linter"


def test_a_capability_finds_the_first_that_offers_it_and_is_least_busy() -> None:
    known = {
        "a": MockAgent(id="a", capabilities=["plan.create"]),
        "b": MockAgent(id="b", capabilities=["plan.create", "text.lint"]),
        "c": MockAgent(id="c", capabilities=["text.lint", "plan.create"]),
    }
    wanted = request("", capability="plan.* text.lint")
    assert [agent.id for agent in route(known, wanted, {})] == ["b", "c"]
    assert [agent.id for agent in route(known, wanted, {"b": 1})] == ["c", "b"]
    with pytest.raises(AgentError) as caught:
        route(known, request("", capability="plan.creat"), {})
    assert caught.value.hint == "did you mean `plan.create`? they offer: plan.create, text.lint"


def test_requests_at_the_same_time_are_shared_among_those_that_offer() -> None:
    async def slowly() -> str:
        await asyncio.sleep(1)
        return "done"

    fakes = {"a": Fake(slowly), "b": Fake(slowly)}
    agents = agents_of(fakes, *(MockAgent(id=name, capabilities=["x"]) for name in fakes))
    answers = go(agents, *[request("", capability="x")] * 4)
    assert [answer.agent for answer in answers] == ["a", "b", "a", "b"]


def test_another_agent_stands_in_for_one_that_cannot_be_reached() -> None:
    fakes = {"a": Fake(unavailable("a")), "b": Fake(unavailable("b")), "c": Fake("here")}
    first = MockAgent(id="a", fallback=["b", "c"])
    answer = go(agents_of(fakes, first, MockAgent(id="b"), MockAgent(id="c")), request())
    assert (answer.output, answer.agent) == ("here", "c")
    assert [fakes[name].asked[0].agent for name in "abc"] == ["a", "b", "c"]


def test_if_nobody_can_be_reached_the_first_one_says_why() -> None:
    fakes = {"a": Fake(unavailable("a")), "b": Fake(unavailable("b"))}
    error = refused(agents_of(fakes, MockAgent(id="a", fallback=["b"]), MockAgent(id="b")), request())
    assert error.message == "a is not there"


def test_another_error_than_that_is_nobody_else_s_business() -> None:
    fakes = {"a": Fake(AgentError("agent.exit", "it fell", retryable=True)), "b": Fake("here")}
    error = refused(agents_of(fakes, MockAgent(id="a", fallback=["b"]), MockAgent(id="b")), request())
    assert (error.code, fakes["b"].asked) == ("agent.exit", [])


# ---- its turn and its time -----------------------------------------------------------------------


def test_no_more_requests_than_an_agent_takes_are_made_at_once_and_each_has_its_turn() -> None:
    async def slowly() -> str:
        await asyncio.sleep(1)
        return "done"

    fake = Fake(slowly)
    agents = agents_of({"a": fake}, MockAgent(id="a", limits=Limits(max_concurrency=2)))
    answers = go(agents, *(request(input=n) for n in range(7)))
    assert (len(answers), fake.most) == (7, 2)
    assert [one.input for one in fake.asked] == list(range(7))


def test_a_place_is_free_again_after_a_failure() -> None:
    fake = Fake(AgentError("agent.exit", "it fell"), "done")
    agents = agents_of({"a": fake}, MockAgent(id="a", limits=Limits(max_concurrency=1)))
    refused(agents, request())
    assert go(agents, request()).output == "done"


def test_an_agent_that_is_too_slow_is_stopped() -> None:
    ended = []

    async def forever() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append(True)

    agents = agents_of({"a": Fake(forever)}, MockAgent(id="a", timeout=1500))
    error = refused(agents, request(timeout=600))
    assert (error.code, error.failure().retryable, ended) == ("agent.timeout", True, [True])
    assert error.message == "agent `a` gave no answer within 1.5s"


def test_a_deadline_that_the_asker_keeps_is_left_to_it_and_the_shorter_one_of_an_agent_is_not() -> None:
    async def slow() -> None:
        await asyncio.sleep(5)

    assert go(agents_of({"a": Fake(slow)}, MockAgent(id="a")), request(timeout=1, watched=True)).agent == "a"
    agents = agents_of({"a": Fake(slow)}, MockAgent(id="a", timeout=1000))
    assert refused(agents, request(timeout=600, watched=True)).code == "agent.timeout"


def test_a_timeout_inside_an_agent_is_not_taken_for_its_deadline() -> None:
    agents = agents_of({"a": Fake(TimeoutError("its own"))})
    with pytest.raises(TimeoutError, match="its own"):
        go(agents, request())


def test_the_shorter_of_two_limits_counts() -> None:
    assert time_for(request(timeout=5), MockAgent(id="a", timeout=2000)) == 2
    assert time_for(request(timeout=5), MockAgent(id="a")) == 5
    assert time_for(request(timeout=0), MockAgent(id="a")) is None


# ---- what goes in and comes out ------------------------------------------------------------------


def test_an_input_that_does_not_fit_is_not_sent() -> None:
    fake = Fake("never")
    error = refused(agents_of({"a": fake}, MockAgent(id="a", input_schema=NUMBER)), request(input={"n": "x"}))
    assert (error.code, fake.asked) == ("agent.input_invalid", [])
    assert error.details["path"] == "$.n"
    assert error.details["expected"] == "a whole number is wanted, not text"


def test_an_answer_that_does_not_fit_is_asked_for_again_with_what_was_wrong() -> None:
    fake = Fake({"n": "three"}, {"n": 3})
    answer = go(agents_of({"a": fake}, MockAgent(id="a")), request(schema=NUMBER))
    assert answer.output == {"n": 3}
    assert [bool(one.repair) for one in fake.asked] == [False, True]
    assert "$.n" in fake.asked[1].repair
    assert fake.asked[1].attempt == fake.asked[0].attempt


@pytest.mark.parametrize("repairs", [0, 2])
def test_in_the_end_an_answer_that_does_not_fit_is_refused(repairs: int) -> None:
    fake = Fake({"n": "x" * 5000})
    agents = agents_of({"a": fake}, MockAgent(id="a", repair_attempts=repairs, output_schema=NUMBER))
    error = refused(agents, request())
    assert len(fake.asked) == repairs + 1
    assert (error.code, error.details["path"]) == ("agent.output_invalid", "$.n")
    assert error.details["expected"]
    assert error.details["got"].endswith("...")
    assert len(error.details["got"]) < 400


def test_the_schema_of_the_step_goes_before_that_of_the_agent() -> None:
    agents = agents_of({"a": Fake("text")}, MockAgent(id="a", output_schema=NUMBER))
    assert go(agents, request(schema={"type": "string"})).output == "text"


@pytest.mark.parametrize("text", ['{"n": 1}', '```json\n{"n": 1}\n```', '\n```\n{"n":\n1}\n```\n'])
def test_text_that_holds_what_is_wanted_is_read(text: str) -> None:
    assert fitting(MockAgent(id="a"), text, NUMBER, misfits) == {"n": 1}


def test_text_stays_text_where_text_is_wanted() -> None:
    assert fitting(MockAgent(id="a"), '{"n": 1}', {"type": "string"}, misfits) == '{"n": 1}'
    assert fitting(MockAgent(id="a"), '{"n": 1}', None, misfits) == '{"n": 1}'


def test_deeply_nested_text_is_refused_and_nothing_else_happens() -> None:
    with pytest.raises(AgentError, match="does not fit its schema"):
        fitting(MockAgent(id="a"), "[" * 100_000, NUMBER, misfits)


def test_what_all_calls_have_used_is_added_up() -> None:
    used = AgentResult(output={}, usage=Usage(input_tokens=5, output_tokens=2), model="m")
    fits = AgentResult(output={"n": 1}, usage=Usage(input_tokens=7, cache_read=3), model="m")
    answer = go(agents_of({"a": Fake(used, fits)}), request(schema=NUMBER))
    assert answer.usage == Usage(input_tokens=12, output_tokens=2, cache_read=3)
    assert remark(answer) == "agent a answered with m, 12 tokens in, 2 out, 3 of a cache"


# ---- around it -----------------------------------------------------------------------------------


def test_every_call_is_reserved_and_settled_whatever_becomes_of_it() -> None:
    seen: list[Any] = []

    def reserve(agent: AgentDefinition, one: AgentRequest) -> str:
        seen.append(("reserve", agent.id, bool(one.repair)))
        return f"reservation {len(seen)}"

    def settle(reserved: str, outcome: Any) -> None:
        seen.append((reserved, type(outcome).__name__))

    around = Around(reserve=reserve, settle=settle)
    fake = Fake("no", AgentError("agent.exit", "it fell"))
    refused(agents_of({"a": fake}, around=around), request(schema=NUMBER))
    assert seen == [
        ("reserve", "a", False),
        ("reservation 1", "AgentResult"),
        ("reserve", "a", True),
        ("reservation 3", "AgentError"),
    ]


def test_what_stands_in_for_a_call_answers_in_its_place() -> None:
    async def carry(_agent: Any, _request: Any, _call: Any) -> AgentResult:
        return AgentResult(output="recorded")

    fake = Fake("live")
    assert go(agents_of({"a": fake}, around=Around(carry=carry)), request()).output == "recorded"
    assert fake.asked == []


def test_what_was_opened_is_closed() -> None:
    fakes = {"a": Fake(1), "b": Fake(1)}
    agents = agents_of(fakes)
    go(agents, request("a"))
    asyncio.run(agents.aclose())
    assert (fakes["a"].closed, fakes["b"].closed) == (True, False)


def test_the_words_of_a_repair_name_the_place() -> None:
    assert repair_text(AgentError("agent.output_invalid", "x at $.n")) == (
        "Your last answer was refused: x at $.n\nAnswer again, so that it fits."
    )


class Watched:
    """How agents stand, and who has answered."""

    def __init__(self, **standings: Standing) -> None:
        self.standings = standings
        self.seen: list[str] = []

    def standing(self, agent: AgentDefinition) -> Standing:
        return self.standings.get(agent.id, "active")

    def saw(self, agent: AgentDefinition) -> None:
        self.seen.append(agent.id)


def test_the_best_that_offers_a_capability_is_asked() -> None:
    fakes = {name: Fake(name) for name in "abcde"}
    known = [MockAgent(id=name, capabilities=["x.y"], limits=Limits(max_concurrency=2)) for name in "abcd"]
    watched = Watched(a="unreachable", b="degraded", c="unknown", d="active")
    agents = agents_of(fakes, *known, presence=watched)
    assert go(agents, request("", capability="x.y")).agent == "d"
    assert watched.seen == ["d"]
    glob = MockAgent(id="e", capabilities=["x.*"])
    assert route({"d": known[3], "e": glob}, request("", capability="x.*"), {})[0] is glob
    loads = {"a": 1, "b": 2, "d": 1}
    order = route({one.id: one for one in known}, request("", capability="x.*"), loads)
    assert [one.id for one in order] == ["c", "a", "d", "b"]


def test_who_has_not_shown_itself_is_looked_for_and_passed_over_if_it_is_gone() -> None:
    fakes = {"a": Fake("a"), "b": Fake("b")}
    watched = Watched(a="unreachable")
    known = MockAgent(id="a", fallback=["b"]), MockAgent(id="b")
    agents = agents_of(fakes, *known, presence=watched)
    assert go(agents, request()).agent == "a"  # it is there after all
    fakes["a"].gone = True
    assert go(agents, request()).agent == "b"
    assert watched.seen == ["a", "b"]
    watched.standings["b"] = "unreachable"
    fakes["b"].gone = True
    with pytest.raises(AgentError, match="`a` has not shown itself for a while, and cannot be reached"):
        go(agents, request())
    assert len(fakes["a"].asked) == 1  # who is gone is not asked
