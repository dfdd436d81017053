"""Agents that answer by a script."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mplp_cli.agents.adapters.mock import Scripted
from mplp_cli.agents.contract import AgentRequest
from mplp_cli.errors import AgentError
from mplp_cli.workflow.agents import MockAgent, Script
from tests.virtual import VirtualLoop


def ask(mock: Scripted, **more: Any) -> Any:
    request = AgentRequest(run="r", step="s", agent="m", **more)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(mock.call(request, lambda text: None)).output


def script(*entries: Script, **more: Any) -> Scripted:
    return Scripted(MockAgent(id="m", script=list(entries), **more))


def test_the_first_entry_that_fits_answers() -> None:
    mock = script(
        Script(when={"objective": "*release*", "n": 1}, reply="both"),
        Script(when={"deep": {"path": "a/*"}}, reply={"deep": True}),
        Script(when={"prompt": "hello*"}, reply=None),
        Script(when={"attempt": 2}, reply="again"),
        default="default",
    )
    assert ask(mock, input={"objective": "the release", "n": 1}) == "both"
    assert ask(mock, input={"objective": "the release", "n": True}) == "default"
    assert ask(mock, input={"deep": {"path": "a/b"}}) == {"deep": True}
    assert ask(mock, prompt="hello you") is None
    assert ask(mock, prompt="x", attempt=2) == "again"


def test_calls_are_counted_from_one() -> None:
    mock = script(Script(when={"call": 2}, reply="second"), Script(reply="any"))
    assert [ask(mock, input=1) for _ in range(3)] == ["any", "second", "any"]


def test_a_request_without_an_entry_is_an_error_unless_there_is_a_default() -> None:
    with pytest.raises(AgentError) as caught:
        ask(script(Script(when={"a": 1}, reply=1)), input={"a": 2})
    assert (caught.value.code, caught.value.failure().retryable) == ("replay.miss", False)
    assert ask(script(has_default=True), input=1) is None


def test_an_entry_may_be_slow_and_an_error() -> None:
    error = {"code": "agent.rate_limited", "message": "slowly", "retry-after": 1500}
    with pytest.raises(AgentError, match="agent `m`: slowly") as caught:
        ask(script(Script(delay=60_000, error=error)), input=1)
    assert (caught.value.retry_after, caught.value.failure().retryable) == (1.5, True)
