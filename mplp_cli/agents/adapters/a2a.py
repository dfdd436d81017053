"""Remote agents that speak the A2A protocol: a request becomes a task there, which is followed to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from mplp_cli.agents.adapters.wire import PROBE, Endpoint
from mplp_cli.agents.contract import AgentRequest, AgentResult, Tell
from mplp_cli.agents.extras import missing_extra
from mplp_cli.agents.workshop import Workshop
from mplp_cli.errors import AgentError
from mplp_cli.workflow.agents import A2aAgent

if TYPE_CHECKING:
    from mplp_cli.agents.adapters.a2a_client import Conversation, Remote

#: Seconds that a remote task has to be cancelled, when nobody waits for it any more.
LAST_WORD = 3.0


class RemoteAgent:
    """An agent of kind `a2a`. Its card is fetched with the first call, or when somebody looks whether it is there."""

    def __init__(self, agent: A2aAgent, workshop: Workshop) -> None:
        self._agent = agent
        self._endpoint = Endpoint(agent, workshop.connect, workshop.environ, workshop.clock)
        self._remote: Remote | None = None
        self._opening = asyncio.Lock()

    async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:
        """What the remote task comes to. If nobody waits for it any more, it is cancelled."""
        remote = await self._opened()
        conversation = remote.conversation(request, tell)
        try:
            # In a task of its own, so that it can still be heard who is asked when nobody waits any more.
            async with asyncio.TaskGroup() as tasks:
                asking = tasks.create_task(conversation.outcome())
                try:
                    found = await asyncio.shield(asking)
                except asyncio.CancelledError:
                    parting = tasks.create_task(_last_word(conversation, tell))
                    while not parting.done():  # a deadline and who has asked may both tell us to stop
                        with suppress(asyncio.CancelledError):
                            await asyncio.shield(parting)
                    asking.cancel()
                    raise
        finally:
            await conversation.close()
        if isinstance(found, AgentError):
            raise found
        return found

    async def probe(self) -> Sequence[str]:
        """Fetch its card; the capabilities are those of its skills."""
        async with self._endpoint.within(PROBE):
            remote = await self._opened(again=True)
        return remote.capabilities()

    async def aclose(self) -> None:
        """Nothing: connections belong to who has given them, and every call closes what it has opened."""

    async def _opened(self, *, again: bool = False) -> Remote:
        """The agent as its card has it, which is fetched once, or `again`."""
        async with self._opening:
            if self._remote is None or again:
                if missing := missing_extra("a2a"):
                    raise AgentError(
                        "agent.unavailable",
                        f"`{self._agent.id}`: {missing[0]}",
                        agent=self._agent.id,
                        hint=missing[1],
                        details={"sent": False},
                    )
                # Loading the SDK takes a good part of a second, in which the run goes on.
                module = await asyncio.to_thread(_load)
                self._remote = await module.find_remote(self._agent, self._endpoint)
            return self._remote


async def _last_word(conversation: Conversation, tell: Tell) -> None:
    """Cancel the remote task, if there is one, or is about to be."""
    try:
        async with asyncio.timeout(LAST_WORD):
            await conversation.cancel()
    except (TimeoutError, AgentError) as error:
        why = error.message if isinstance(error, AgentError) else "no answer in time"
        tell(f"the remote task may still be at work: {why}\n")


def _load():  # type: ignore[no-untyped-def]  # noqa: ANN202 - a module has no type of its own
    from mplp_cli.agents.adapters import a2a_client

    return a2a_client
