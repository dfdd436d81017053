"""How a module operation asks agents: each answer is a fact of its own, so that nobody is asked twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from mplp_cli.engine.local import operate
from mplp_cli.engine.world import World
from mplp_cli.errors import AgentError, failure_of
from mplp_cli.protocols import Advice, Attempt, Candidate, Question
from mplp_cli.workflow.fold.answers import ASKED
from mplp_cli.workflow.fold.history import Event, StepAdvised
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import RUNNING
from mplp_cli.workflow.plan import PlanStep
from mplp_cli.workflow.resources import Usage
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mplp_cli.engine.drive import Drive


#: An attempt of a module operation that has asked, with its parameters, and what processes of agents have used.
Filled = tuple[PlanStep, int, Json, Usage | None]


class Consultation:
    """The `Advisers` of one attempt. What an earlier attempt was told still stands, if the question is the same."""

    def __init__(
        self, attempt: Attempt, state: RunState, world: World, post: Callable[[Event], None]
    ) -> None:
        self._attempt = attempt
        self._world = world
        self._post = post
        self._known = dict(state.advice.get(state.plan.number[attempt.step], {}))

    def candidates(self) -> Sequence[Candidate]:
        """Who may be asked."""
        return self._world.candidates()

    def has_asked(self, key: str) -> bool:
        """Whether there is an answer to a question of that key."""
        return key in self._known

    async def ask(self, question: Question) -> Advice:
        """The answer, kept as a fact before anything is done with it. AgentError."""
        digest = _digest(question)
        known = self._known.get(question.key)
        if known is not None and known.digest == digest:
            return Advice(known.agent, known.output, known.at)
        if self._world.advise is None:
            raise AgentError("agent.not_found", "there are no agents that could be asked")
        try:
            answered = await self._world.advise(self._asking(question))
        except AgentError as error:
            error.details[ASKED] = question.key
            raise
        fact = StepAdvised(
            self._world.clock.now(), self._attempt.step, question.key, digest, answered.agent, answered.output
        )
        self._known[question.key] = fact
        self._post(fact)
        return Advice(answered.agent, answered.output, fact.at)

    def _asking(self, question: Question) -> Attempt:
        """The work of asking, as the engine gives it to those who do it."""
        body = {
            "agent": question.agent,
            "capability": question.capability.split(),
            "input": question.input,
            "prompt": question.prompt,
            "schema": question.schema,
        }
        key = hashlib.sha256(f"{self._attempt.idempotency_key}\0{question.key}".encode()).hexdigest()[:32]
        reply = self._attempt.reply  # what a person has answered is for the question that they were asked
        if reply is not None and reply.asked.get(ASKED) != question.key:
            reply = None
        return replace(self._attempt, body=body, idempotency_key=key, reply=reply)


def _digest(question: Question) -> str:
    return hashlib.sha256(msgspec.json.encode(question, order="sorted")).hexdigest()[:32]


def carry_out(filled: list[Filled], drive: Drive) -> None:
    """Operations that have asked do their work, unless something has ended them in the meantime."""
    state = drive.state
    while filled:
        step, attempt, parameters, usage = filled.pop(0)
        if state.step_status[step.number] is not RUNNING or state.attempts[step.number] != attempt:
            continue
        try:
            done, objects = operate(step, attempt, drive.scope.at(step), drive.world, parameters)
            drive.post(replace(done, usage=usage), objects)
        except Exception as error:  # noqa: BLE001 - whatever an operation raises is the step's failure
            drive.fail(step, attempt, failure_of(error), usage)
