"""Agents that answer as a test says, for operations that ask."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from mplp_cli.errors import AgentError
from mplp_cli.protocols import Advice, Candidate, Question
from tests.modules.conftest import World


class Scripted:
    """`answers`: by key of the question or by agent; an error is raised, a function is called with the question."""

    def __init__(self, answers: Mapping[str, Any], candidates: Sequence[Candidate] = ()) -> None:
        self._answers = answers
        self._candidates = candidates
        self.asked: list[Question] = []

    def candidates(self) -> Sequence[Candidate]:
        return self._candidates

    async def ask(self, question: Question) -> Advice:
        self.asked.append(question)
        found = self._answers.get(question.key, self._answers.get(question.agent))
        answer = found(question) if callable(found) else found
        if answer is None:
            raise AgentError("agent.not_found", f"nobody answers {question.key}", agent=question.agent)
        if isinstance(answer, AgentError):
            raise answer
        return Advice(question.agent or question.capability, answer)


def consulted(world: World, operation: str, advisers: Scripted, /, **parameters: Any) -> dict[str, Any]:
    """What an operation gives that asks first, as the engine calls it."""
    module, name = operation.split("/")
    filled = asyncio.run(world.hub.consult(module, name, parameters, world.caller, advisers))
    return world(operation, **filled)
