"""Agents that answer by a script, for tests and for trying a workflow out. Nobody is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from mplp_cli.agents.adapters.given import arguments_of
from mplp_cli.agents.contract import AgentRequest, AgentResult, Tell
from mplp_cli.errors import AgentError
from mplp_cli.workflow.agents import MockAgent, Script
from mplp_cli.workflow.values import Json


class Scripted:
    """An agent of kind `mock`: the first entry of its script that fits says what happens."""

    def __init__(self, agent: MockAgent) -> None:
        self._agent = agent
        #: Calls so far.
        self._calls = 0

    async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:
        """The reply of the script; text is told as it would come."""
        self._calls += 1
        entry = entry_for(self._agent.script, request, self._calls)
        if entry is None and not self._agent.has_default and self._agent.default is None:
            raise AgentError(
                "replay.miss",
                f"agent `{self._agent.id}`: no entry of its script fits this request",
                agent=self._agent.id,
                hint="add an entry, or a `default`",
                details={"call": self._calls, "attempt": request.attempt},
            )
        if entry is None:
            reply = self._agent.default
        else:
            if entry.delay:
                await asyncio.sleep(entry.delay / 1000)
            if entry.error is not None:
                raise scripted_error(self._agent.id, entry.error)
            reply = entry.reply
        text = reply if isinstance(reply, str) else None
        if text:
            tell(text)
        return AgentResult(output=reply, text=text, finish="stop", model="mock")

    async def probe(self) -> None:
        """It is always there."""

    async def aclose(self) -> None:
        """Nothing is open."""


def entry_for(script: list[Script], request: AgentRequest, call: int) -> Script | None:
    """The first entry whose `when` fits; `call` counts the calls of the agent from 1."""
    known = {**arguments_of(request), "call": call, "attempt": request.attempt}
    return next((entry for entry in script if _fits(entry.when, known)), None)


def _fits(when: Mapping[str, Json], known: Mapping[str, Any]) -> bool:
    return all(name in known and _matches(wanted, known[name]) for name, wanted in when.items())


def _matches(wanted: Json, value: Any) -> bool:
    if isinstance(wanted, str):
        return isinstance(value, str) and fnmatchcase(value, wanted)
    if isinstance(wanted, dict):
        return isinstance(value, dict) and _fits(wanted, value)
    return type(wanted) is type(value) and bool(wanted == value)


def scripted_error(agent: str, error: Mapping[str, Json]) -> AgentError:
    """The error that an entry `{code, message?, retryable?, retry-after?}` asks for."""
    code = str(error.get("code", "agent.remote"))
    after = error.get("retry-after")
    return AgentError(
        code,
        f"agent `{agent}`: {error.get('message', code)}",
        agent=agent,
        retryable=bool(error.get("retryable", code in ("agent.rate_limited", "agent.timeout"))),
        retry_after=after / 1000 if isinstance(after, int | float) else None,
    )
