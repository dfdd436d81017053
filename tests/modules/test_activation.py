"""Reserved interfaces that agents have taken over: what is asked, what is answered, and what there is to take over."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mplp_cli.bundled import bundled
from mplp_cli.errors import OperationError
from mplp_cli.loading.values import Fragment, misfits
from mplp_cli.modules.activation import binding_of
from mplp_cli.modules.answers import ANSWERS
from mplp_cli.modules.reserved import BY_NAME, RESERVED
from mplp_cli.protocols import Advice, Candidate, Question, Switched
from mplp_cli.workflow.agents import Activation, Binding
from tests.modules.test_messages import CALLER, Exchange


@pytest.fixture
def exchange(world: Any) -> Exchange:
    return Exchange(world)


class Oracle:
    """Answers every question with the same."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Question] = []

    def candidates(self) -> list[Candidate]:
        return [Candidate(id="planner", capabilities=["plan.create"])]

    def has_asked(self, key: str) -> bool:
        return False

    async def ask(self, question: Question) -> Advice:
        self.asked.append(question)
        return Advice("planner", self.answer)


def consulted(exchange: Exchange, oracle: Oracle, name: str, **given: Any) -> Any:
    """The result of a call that may ask."""
    module, _, operation = name.partition("/")
    asking = exchange.hub.consult(module, operation, given, CALLER, oracle)
    return exchange.call(name, **asyncio.run(asking))


def test_an_active_interface_answers_what_its_agent_says_until_it_is_inert_again(exchange: Exchange) -> None:
    name, oracle, said = (
        "plan/generate-plan-suggestions",
        Oracle([{"title": "a", "steps": []}]),
        {"goal": "x"},
    )
    assert exchange.call(name, **said) == consulted(exchange, oracle, name, **said) == []
    assert oracle.asked == []
    exchange.board.activate(["plan.generatePlanSuggestions"], Switched(1, "ann"))
    assert consulted(exchange, oracle, name, **said) == oracle.answer
    assert consulted(exchange, oracle, "plan/generatePlanSuggestions", **said) == oracle.answer
    [question, _] = oracle.asked
    assert (question.agent, question.capability) == ("", "plan.create")
    assert question.input == {
        "goal": "x",
        "availableAgents": [{"id": "planner", "capabilities": ["plan.create"]}],
    }
    assert consulted(exchange, oracle, name, **said, answer=["known"]) == ["known"]
    with pytest.raises(OperationError, match="nobody is asked here"):
        exchange.call(name, **said)
    exchange.board.deactivate(["plan.generatePlanSuggestions"])
    assert exchange.call(name, **said) == []
    assert len(oracle.asked) == 2


def test_an_agent_gets_the_object_that_a_parameter_names(exchange: Exchange) -> None:
    exchange.board.activate(["context.enhanceContextWithAI"], Switched(1))
    context, oracle = (
        exchange.call("context/create-context", name="a")["contextId"],
        Oracle({"enhancement": "b"}),
    )
    name = "context/enhance-context-with-ai"
    assert consulted(exchange, oracle, name, contextId=context) == {"enhancement": "b"}
    assert oracle.asked[0].input["context"]["title"] == "a"
    with pytest.raises(OperationError, match="there is no context"):
        consulted(exchange, oracle, name, contextId="00000000-0000-4000-8000-000000000000")


def test_what_is_bound_explicitly_is_taken_over_by_nobody_else() -> None:
    bound = Activation(mode="explicit", bindings={"core.predictSystemBehavior": Binding(agent="seer")})
    stated = {one.full_name: binding_of(one, bound) for one in RESERVED}
    assert stated.pop("core.predictSystemBehavior") == Binding(agent="seer")
    assert set(stated.values()) == {None}
    assert all(binding_of(one, Activation()) == Binding(capability=one.capability) for one in RESERVED)


def test_the_table_of_interfaces_the_answers_and_the_schema_of_files_name_the_same_ones() -> None:
    file = json.loads((bundled("schemas") / "agents.schema.json").read_text("utf-8"))
    assert ["mode", *BY_NAME] == list(file["$defs"]["activation"]["properties"])
    assert len(RESERVED) == len({one.capability for one in RESERVED}) == len(ANSWERS) == 20
    for one in RESERVED:
        assert Fragment(one.schema).error is None
        assert misfits(json.dumps(one.schema).encode(), None)
