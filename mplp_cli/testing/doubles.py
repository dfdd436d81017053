"""What stands in for agents and steps in a test. What nothing stands in for really works, but for the network."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from mplp_cli.agents.adapters.mock import entry_for, scripted_error
from mplp_cli.agents.budget import Ledger, usage_in
from mplp_cli.agents.contract import AgentRequest, AgentResult, Usage
from mplp_cli.agents.deciding import time_for
from mplp_cli.errors import AgentError, Failure, HttpRequestError, StepError
from mplp_cli.protocols import Attempt, Runner
from mplp_cli.testing.hurrying import Hurry
from mplp_cli.workflow.agents import (
    AgentDefinition,
    Budget,
    CommandAgent,
    MockAgent,
    Price,
    PythonAgent,
    Script,
)
from mplp_cli.workflow.cases.model import AgentTurn, Case, Fault, StepTurn
from mplp_cli.workflow.fold.growth import id_in_file
from mplp_cli.workflow.values import Json, StepId, duration_text

if TYPE_CHECKING:
    from mplp_cli.agents.boundary import Call
    from mplp_cli.agents.recording.tape import Replay

#: The budget in which all calls of a case are counted.
_ALL = "all"
#: Agents that are asked on this machine. Others are asked over the network, or start what may use it.
_HERE = (MockAgent, CommandAgent, PythonAgent)


class InjectedError(StepError):
    """A failure that a test case asks for; recorded under the name that it says."""

    def __init__(self, fault: Fault) -> None:
        details = {**({"code": fault.code} if fault.code else {}), **fault.details}
        super().__init__(fault.message, details=details)
        self._fault = fault

    @property
    def type_name(self) -> str:
        return self._fault.type or ("AgentError" if self._fault.code else super().type_name)

    def failure(self) -> Failure:
        return replace(super().failure(), retryable=self._fault.retryable)


class Doubles:
    """The stand-ins of one case, and a count of what agents were asked: around agents a `Tape`, around steps `runner`
    and `instead`."""

    def __init__(self, case: Case, hurry: Hurry, prices: Mapping[str, Price], replay: Replay | None) -> None:
        self._case = case
        self._hurry = hurry
        self._replay = replay
        #: The agents that were called, in order.
        self.called: list[str] = []
        #: Calls of each agent that took the next of its entries, and calls in all.
        self._taken: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        limits = Budget(on_exceed="warn")
        self._ledger = Ledger({_ALL: limits}, prices, hurry, lambda notice: None)

    @property
    def looks(self) -> bool:
        """Whether those that say themselves what they offer may be asked it, which takes programs or the network."""
        return self._case.network

    @property
    def spent(self) -> dict[str, float]:
        """Calls, tokens and dollars so far."""
        amount = self._ledger.spent(_ALL).amount
        return {"calls": len(self.called), "tokens": amount.tokens, "usd": amount.usd}

    # ---- agents

    def knows(self, secrets: Mapping[str, str], given: Iterable[str]) -> None:
        """What a recording has to know of a run."""
        if self._replay is not None:
            self._replay.knows(secrets, given)

    def order(self, request: AgentRequest, agents: Sequence[AgentDefinition]) -> list[AgentDefinition]:
        """Who is asked of those that could be: what is mocked needs no recording."""
        if self._replay is None or any(agent.id in self._case.mocks.agents for agent in agents):
            return list(agents)
        return self._replay.order(request, agents)

    def end(self, *, over: bool) -> str:
        """Nothing is open."""
        return "" if self._replay is None else self._replay.end(over=over)

    async def carry(self, agent: AgentDefinition, request: AgentRequest, call: Call) -> AgentResult:
        """The answer of a stand-in, of a recording, or of the agent itself. AgentError."""
        self.called.append(agent.id)
        reserved = self._ledger.reserve([_ALL], agent=agent.id)
        usage: Usage | None = Usage()
        model = ""
        try:
            result = await self._answer(agent, request, call)
            usage, model = result.usage or Usage(), result.model
        except AgentError as error:
            usage = usage_in(error) or Usage()
            raise
        finally:
            self._ledger.settle(reserved, usage, model=model)
        return result

    async def _answer(self, agent: AgentDefinition, request: AgentRequest, call: Call) -> AgentResult:
        if (turn := self._step_turn(request.step, request.attempt)) is not None:
            await self._pause(turn.delay, agent, request)
            return AgentResult(output=_given(turn), finish="stop", model="mock")
        if turns := self._case.mocks.agents.get(agent.id):
            return await self._mocked(agent, request, turns)
        if self._replay is not None:
            return await self._replay.carry(agent, request, call)
        if not self._case.network and not isinstance(agent, _HERE):
            raise AgentError(
                "replay.miss",
                f"the test case has no answer for agent `{agent.id}`, and no request leaves this machine",
                agent=agent.id,
                hint=f"give it one under `mocks: {{agents: {{{agent.id}: ...}}}}`, a cassette, or `network: true`",
            )
        with self._hurry.working():
            return await call()

    async def _mocked(
        self, agent: AgentDefinition, request: AgentRequest, turns: Sequence[AgentTurn]
    ) -> AgentResult:
        self._calls[agent.id] += 1
        turn = self._turn(agent.id, request, turns)
        if turn is None:
            raise AgentError(
                "replay.miss",
                f"no entry of the mock of agent `{agent.id}` fits this request",
                agent=agent.id,
                hint="add one without `when`",
            )
        await self._pause(turn.delay, agent, request)
        if turn.error is not None:
            raise scripted_error(agent.id, turn.error)
        text = turn.reply if isinstance(turn.reply, str) else None
        used = {name.replace("-", "_"): count for name, count in (turn.usage or {}).items()}
        return AgentResult(output=turn.reply, text=text, usage=Usage(**used), finish="stop", model=turn.model)

    def _turn(self, agent: str, request: AgentRequest, turns: Sequence[AgentTurn]) -> AgentTurn | None:
        """The first entry whose `when` fits; else the next of those without one."""
        scripts = [Script(when=turn.when) for turn in turns if turn.when]
        fitting = entry_for(scripts, request, self._calls[agent]) if scripts else None
        if fitting is not None:
            return next(turn for turn in turns if turn.when == fitting.when)
        plain = [turn for turn in turns if not turn.when]
        self._taken[agent] += 1
        return plain[min(self._taken[agent], len(plain)) - 1] if plain else None

    async def _pause(self, delay: int, agent: AgentDefinition, request: AgentRequest) -> None:
        """The time that an answer takes; agent.timeout if that is too long."""
        limit = time_for(request, agent)
        if limit is not None and delay / 1000 > limit:
            await asyncio.sleep(limit)
            said = f"agent `{agent.id}` gave no answer within {duration_text(round(limit * 1000))}"
            raise AgentError("agent.timeout", said, agent=agent.id, retryable=True)
        if delay:
            await asyncio.sleep(delay / 1000)

    # ---- steps

    def _step_turn(self, step: StepId, attempt: int) -> StepTurn | None:
        """What stands in for an attempt of that step: said of itself, else of its id in the file."""
        known = self._case.mocks.steps
        turns = known.get(step) or known.get(id_in_file(step))
        return turns[min(attempt, len(turns)) - 1] if turns else None

    def instead(self, step: StepId, attempt: int) -> Json | UnsetType:
        """The result of a step without effects, UNSET if it does its own work. InjectedError."""
        turn = self._step_turn(step, attempt)
        return UNSET if turn is None else _given(turn)

    def runner(self, kind: str, runner: Runner) -> Runner:
        """What runs the steps of that type in a test."""
        return runner if kind == "agent" else partial(self._run, kind, runner)

    async def _run(self, kind: str, runner: Runner, attempt: Attempt) -> Json:
        turn = self._step_turn(attempt.step, attempt.number)
        if turn is not None:
            await asyncio.sleep(turn.delay / 1000)
            return _given(turn)
        if kind == "workflow":  # its steps say whether they work
            return await runner(attempt)
        if kind == "http" and not self._case.network:
            raise HttpRequestError(
                "the test case has no result for this step, and no request leaves this machine",
                hint="give it one under `mocks: {steps: ...}`, or say `network: true`",
            )
        with self._hurry.working():
            return await runner(attempt)


def _given(turn: StepTurn) -> Any:
    """The result of an attempt. InjectedError; AgentError if it has the code of one."""
    if turn.fail is None:
        return turn.result
    fault = turn.fail
    if fault.code and not fault.type:
        raise AgentError(fault.code, fault.message, retryable=fault.retryable, details=fault.details)
    raise InjectedError(fault)
