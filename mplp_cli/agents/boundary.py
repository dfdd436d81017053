"""The one way to ask an agent: everything that is the same for all kinds, around the call of an adapter.

    who is asked -> its turn -> input schema -> [ reserve, call, settle -> output schema ] -> answer

What stands in brackets happens once more for each repair, all of it within one deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from msgspec.structs import replace

from mplp_cli.agents.contract import Adapter, AgentRequest, AgentResult, Tell
from mplp_cli.agents.deciding import (
    Misfits,
    Standing,
    always_there,
    assuming,
    check_input,
    fitting,
    may_offer,
    named,
    offering,
    repair_text,
    route,
    time_for,
    together,
)
from mplp_cli.errors import AgentError
from mplp_cli.workflow.agents import AgentDefinition
from mplp_cli.workflow.values import duration_text

#: The call itself, as what stands around it sees it.
Call = Callable[[], Awaitable[AgentResult]]
#: Seconds that an agent has to show that it is there.
_LOOK: Final = 5.0


def _nothing_reserved(_agent: AgentDefinition, _request: AgentRequest) -> None:
    pass


def _nothing_settled(_reserved: Any, _outcome: AgentResult | AgentError | None) -> None:
    pass


def _as_they_come(_request: AgentRequest, agents: Sequence[AgentDefinition]) -> Sequence[AgentDefinition]:
    return agents


#: Has one of so many places of an agent while it is open.
Lease = Callable[[str, int], contextlib.AbstractAsyncContextManager[None]]


def _nobody_else(_agent: str, _places: int) -> contextlib.AbstractAsyncContextManager[None]:
    return contextlib.nullcontext()


@dataclass(frozen=True, kw_only=True)
class Around:
    """What happens around every single call, repairs too; `order` once for all of a request."""

    #: Whether those that say themselves what they offer are asked it; else whoever may offer something could be asked.
    looks: bool = True
    #: Who is asked, in this order, of those that could be.
    order: Callable[[AgentRequest, Sequence[AgentDefinition]], Sequence[AgentDefinition]] = _as_they_come
    #: The places of an agent that takes only so many calls, where other runs share them.
    lease: Lease = _nobody_else
    #: Before it; AgentError `budget.exceeded` refuses it.
    reserve: Callable[[AgentDefinition, AgentRequest], Any] = _nothing_reserved
    #: After each that was reserved, with what was; None: it was stopped, or nobody knows what happened.
    settle: Callable[[Any, AgentResult | AgentError | None], None] = _nothing_settled
    #: Makes the call, or answers in its place; None: it is made. Only a call that is made needs an adapter.
    carry: Callable[[AgentDefinition, AgentRequest, Call], Awaitable[AgentResult]] | None = None


class Presence(Protocol):
    """What is known of whether agents can be reached."""

    def standing(self, agent: AgentDefinition) -> Standing:
        """How it stands now."""
        ...

    def saw(self, agent: AgentDefinition) -> None:
        """It has answered."""
        ...


class Agents:
    """The agents that one run may ask. `make` gives the adapter of a definition, on first use;
    `discovered` is told what an agent says that it offers; `also_close` is called last. `presence`: None, nobody waits
    to hear from agents."""

    def __init__(
        self,
        definitions: Mapping[str, AgentDefinition],
        make: Callable[[AgentDefinition], Adapter],
        *,
        misfits: Misfits,
        around: Around | None = None,
        discovered: Callable[[str, Sequence[str]], None] = lambda agent, capabilities: None,
        also_close: Callable[[], Awaitable[None]] | None = None,
        presence: Presence | None = None,
    ) -> None:
        self._presence = presence
        self._also_close = also_close
        self.definitions = dict(definitions)
        self._discovered = discovered
        #: Those that have said what they offer; and who is being asked.
        self._looked: set[str] = set()
        self._looking: dict[str, asyncio.Lock] = {}
        self._make = make
        self._misfits = misfits
        self._around = around or Around()
        self._adapters: dict[str, Adapter] = {}
        #: Places of agents that take only so many calls at once; who waits is served in order.
        self._places: dict[str, asyncio.Semaphore] = {}
        #: Calls that were made for each attempt of a step.
        self._calls: Counter[tuple[str, int]] = Counter()
        #: Requests by agent, those that wait for a place too.
        self._inflight: Counter[str] = Counter()

    async def ask(self, request: AgentRequest, tell: Tell) -> AgentResult:
        """The answer to a request, from the agent that it names or from one that stands in for it. AgentError."""
        known: Mapping[str, AgentDefinition] = self.definitions
        if not request.agent:
            wanted = request.capability.split()
            if self._around.looks:
                await self._look_for(wanted)
            else:
                known = assuming(known, wanted)
        refused: AgentError | None = None
        standing = always_there if self._presence is None else self._presence.standing
        could = route(known, request, self._inflight, standing)
        for agent in self._around.order(request, could):
            try:
                if standing(agent) == "unreachable":
                    await self._look(agent)
                asked = request if request.agent == agent.id else replace(request, agent=agent.id)
                result = await self._in_turn(agent, asked, tell)
                if self._presence is not None:
                    self._presence.saw(agent)
                return result
            except AgentError as error:
                if error.code != "agent.unavailable":
                    raise
                refused = refused or error
        assert refused is not None
        raise refused

    async def _look(self, agent: AgentDefinition) -> None:
        """Look whether an agent is there that has not shown itself. AgentError `agent.unavailable` if not."""
        why = "no answer"
        try:
            async with asyncio.timeout(_LOOK):
                await self._adapter(agent).probe()
            return
        except TimeoutError:
            pass
        except AgentError as error:
            why = error.message
        raise AgentError(
            "agent.unavailable",
            f"agent `{agent.id}` has not shown itself for a while, and cannot be reached: {why}",
            agent=agent.id,
            retryable=True,
            hint="`mplp agents doctor` says what is missing; `mplp agents heartbeat ID` tells that it is there",
        )

    async def probe(self, name: str) -> None:
        """Look whether an agent could answer, and at what it offers, if it says so itself. AgentError."""
        agent = named(self.definitions, name)
        offered = await self._adapter(agent).probe()
        if agent.discovers and offered is not None:
            self.definitions[name] = replace(agent, capabilities=list(offered))
            self._discovered(name, offered)

    async def _look_for(self, wanted: Sequence[str]) -> None:
        """Where nobody is known to offer what is wanted: ask those that say it themselves, until somebody does.

        AgentError of the first that could not be asked, if nobody does.
        """
        failed: AgentError | None = None
        for name, agent in list(self.definitions.items()):
            if offering(self.definitions, wanted):
                return
            if not may_offer(agent, wanted):
                continue
            async with self._looking.setdefault(name, asyncio.Lock()):
                if name in self._looked:
                    continue
                try:
                    await self.probe(name)
                    self._looked.add(name)
                except AgentError as error:
                    failed = failed or error
        if failed is not None and not offering(self.definitions, wanted):
            raise failed

    async def aclose(self) -> None:
        """Close what the adapters have opened."""
        async with contextlib.AsyncExitStack() as stack:
            if self._also_close is not None:
                stack.push_async_callback(self._also_close)
            for adapter in self._adapters.values():
                stack.push_async_callback(adapter.aclose)
        self._adapters.clear()

    def _adapter(self, agent: AgentDefinition) -> Adapter:
        if agent.id not in self._adapters:
            self._adapters[agent.id] = self._make(agent)
        return self._adapters[agent.id]

    async def _in_turn(self, agent: AgentDefinition, request: AgentRequest, tell: Tell) -> AgentResult:
        most = agent.limits.max_concurrency
        self._inflight[agent.id] += 1
        try:
            if most is None:
                return await self._answer(agent, request, tell)
            async with self._one_of(agent.id, most):
                return await self._answer(agent, request, tell)
        finally:
            self._inflight[agent.id] -= 1

    @contextlib.asynccontextmanager
    async def _one_of(self, agent: str, most: int) -> AsyncIterator[None]:
        """One of the places of an agent that takes only so many calls at once."""
        here = self._places.setdefault(agent, asyncio.Semaphore(most))
        async with here, self._around.lease(agent, most):
            yield

    async def _answer(self, agent: AgentDefinition, request: AgentRequest, tell: Tell) -> AgentResult:
        """One call, and further ones while its answer does not fit, all of them within one deadline."""
        check_input(agent, request, self._misfits)
        limit = time_for(request, agent)
        kept = limit is None or (request.watched and limit == request.timeout)
        until = None if limit is None or kept else asyncio.get_running_loop().time() + limit
        schema = agent.output_schema if request.schema is None else request.schema
        asked = request if schema is request.schema else replace(request, schema=schema)
        used = None
        for left in range(agent.repair_attempts, -1, -1):
            try:
                result = await self._call(agent, asked, tell, until)
                used = together(used, result.usage)
                output = fitting(agent, result.output, schema, self._misfits)
                return replace(result, output=output, usage=used, agent=agent.id)
            except AgentError as error:
                if error.code != "agent.output_invalid" or left == 0:
                    raise
                asked = replace(asked, repair=repair_text(error))
        raise AssertionError(agent.repair_attempts)

    async def _call(
        self, agent: AgentDefinition, request: AgentRequest, tell: Tell, until: float | None
    ) -> AgentResult:
        carry = self._around.carry
        request = self._numbered(request)
        reserved = self._around.reserve(agent, request)
        outcome: AgentResult | AgentError | None = None
        try:
            if carry is not None:
                outcome = await carry(agent, request, lambda: self._in_time(agent, request, tell, until))
            elif until is not None:
                outcome = await self._in_time(agent, request, tell, until)
            else:
                outcome = await self._adapter(agent).call(request, tell)
            return outcome
        except AgentError as error:
            outcome = error
            raise
        finally:
            self._around.settle(reserved, outcome)

    def _numbered(self, request: AgentRequest) -> AgentRequest:
        """The request as one call of its attempt, with the span of that."""
        asked = request.step, request.attempt
        self._calls[asked] += 1
        number, within = self._calls[asked], request.within
        if within is None or within.trace is None:
            return replace(request, call=number)
        return replace(request, call=number, trace=within.trace.call(number))

    async def _in_time(
        self, agent: AgentDefinition, request: AgentRequest, tell: Tell, until: float | None
    ) -> AgentResult:
        """The call of the adapter, until that time of the event loop, if any. AgentError `agent.timeout`."""
        if until is None:
            return await self._adapter(agent).call(request, tell)
        time = asyncio.timeout_at(until)
        try:
            async with time:
                return await self._adapter(agent).call(request, tell)
        except TimeoutError as error:
            limit = time_for(request, agent)
            if limit is None or not time.expired():
                raise
            raise AgentError(
                "agent.timeout",
                f"agent `{agent.id}` gave no answer within {duration_text(round(limit * 1000))}",
                agent=agent.id,
                retryable=True,
                details={"timeout": round(limit * 1000)},
            ) from error
