"""Kinds of agents that packages bring along, without packages: what may be wrong with them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from mplp_cli.agents.contract import AgentRequest, AgentResult
from mplp_cli.agents.plugged import Kind, Kinds
from mplp_cli.errors import AgentError
from mplp_cli.staffing import misfits
from mplp_cli.workflow.agents import PluggedAgent

SCHEMA = {"type": "object", "required": ["word"], "properties": {"word": {"type": "string"}}}


@dataclass(frozen=True)
class Point:
    name: str
    leads_to: Any
    dist: Any = None

    def load(self) -> Any:
        if isinstance(self.leads_to, Exception):
            raise self.leads_to
        return self.leads_to


class Rude:
    """Gives something else than an answer, or raises."""

    def __init__(self, _agent: PluggedAgent, options: Any, _workshop: Any) -> None:
        self._word = options["word"]

    async def call(self, _request: AgentRequest, _tell: Any) -> Any:
        return AgentResult(output=(self._word,)) if self._word != "bare" else self._word

    async def probe(self) -> None:
        raise KeyError(self._word)

    async def aclose(self) -> None:
        pass


RUDE = Kind(name="rude", options=SCHEMA, make=Rude)


def kinds(*points: Point) -> Kinds:
    return Kinds(misfits, lambda: points)


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([Point("x", ImportError("no such thing"))], "ImportError: no such thing"),
        ([Point("x", 3)], "leads to int, and not to a Kind"),
        ([Point("x", RUDE)], "it calls itself `rude`"),
        ([Point("x", Kind(name="x", options=int, make=Rude))], "neither a Struct nor a JSON Schema"),
        ([Point("x", Kind(name="x", options={"type": "no"}, make=Rude))], "ValidationError"),
        ([Point("x", RUDE), Point("x", RUDE)], "two packages"),
        ([Point("X", RUDE)], "lower-case letters"),
        ([Point("mcp", RUDE)], "is built in"),
    ],
)
def test_a_kind_that_cannot_be_used_says_why(points: list[Point], why: str) -> None:
    [said] = kinds(*points).broken().values()
    assert why in said


def test_options_are_judged_by_the_schema_of_the_kind() -> None:
    there = kinds(Point("rude", lambda: RUDE))
    assert list(there.names()) == ["rude"]
    assert there.misfits("rude", {"word": "w"}) == []
    [(place, _)] = there.misfits("rude", {"word": 3})
    assert place == ("word",)
    assert "no installed package" in there.misfits("other", {})[0][1]


def test_what_an_adapter_raises_or_gives_is_an_answer_or_an_error_of_agents() -> None:
    there = kinds(Point("rude", RUDE))
    workshop: Any = None

    def adapter(word: Any) -> Any:
        return there.make(PluggedAgent(id="a", of="rude", options={"word": word}), workshop)

    request = AgentRequest(run="r", step="s", agent="a")
    assert asyncio.run(adapter("w").call(request, print)).output == ["w"]
    for asked in (adapter("bare").call(request, print), adapter("w").probe()):
        with pytest.raises(AgentError) as caught:
            asyncio.run(asked)
        assert caught.value.code == "agent.remote"
    with pytest.raises(AgentError) as caught:
        adapter(3)
    assert caught.value.code == "agent.unavailable"
