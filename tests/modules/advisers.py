"""Agents that answer as a test says, for operations that ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
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

    def has_asked(self, key: str) -> bool:
        return False

    async def ask(self, question: Question) -> Advice:
        self.asked.append(question)
        found = self._answers.get(question.key, self._answers.get(question.agent))
        answer = found(question) if callable(found) else found
        if answer is None:
            raise AgentError("agent.not_found", f"nobody answers {question.key}", agent=question.agent)
        if isinstance(answer, AgentError):
            raise answer
        return Advice(question.agent or question.capability, answer)


class Told:
    """Agents that answer as `say` does, where an error is a failure; what was answered is not asked again."""

    def __init__(self, say: Callable[[Question], Any], **capabilities: list[str]) -> None:
        self.say = say
        self.asked: list[Question] = []
        self.kept: dict[str, Advice] = {}
        self.offered = capabilities

    def candidates(self) -> list[Candidate]:
        return [Candidate(id=name, capabilities=offered) for name, offered in self.offered.items()]

    def has_asked(self, key: str) -> bool:
        return key in self.kept

    async def ask(self, question: Question) -> Advice:
        if question.key not in self.kept:
            self.asked.append(question)
            said = self.say(question)
            await asyncio.sleep(0)
            if isinstance(said, Exception):
                raise said
            self.kept[question.key] = Advice(question.agent or "any", said, 1_767_225_600_000)
        return self.kept[question.key]


def consulted(
    world: World, operation: str, advisers: Scripted | Told, /, **parameters: Any
) -> dict[str, Any]:
    """What an operation gives that asks first, as the engine calls it."""
    module, name = operation.split("/")
    filled = asyncio.run(world.hub.consult(module, name, parameters, world.caller, advisers))
    return world(operation, **filled)
