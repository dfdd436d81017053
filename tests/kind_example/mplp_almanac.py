"""Agents of kind `almanac`: they look up what they are asked in a table."""

from msgspec import Struct

from mplp_cli.agents.contract import AgentRequest, AgentResult, Tell
from mplp_cli.agents.plugged import Kind
from mplp_cli.agents.workshop import Workshop
from mplp_cli.errors import AgentError
from mplp_cli.workflow.agents import PluggedAgent


class Options(Struct, forbid_unknown_fields=True):
    """What the key `options` of a definition holds."""

    entries: dict[str, str]


class Almanac:
    """The adapter: one for each agent and run."""

    def __init__(
        self,
        agent: PluggedAgent,
        options: Options,
        workshop: Workshop,
    ) -> None:
        self._name = agent.id
        self._entries = options.entries

    async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:
        word = request.prompt or str(request.input)
        if word not in self._entries:
            said = f"`{self._name}` does not know `{word}`"
            raise AgentError("agent.remote", said, agent=self._name)
        return AgentResult(output=self._entries[word])

    async def probe(self) -> list[str]:
        """What it offers where its definition says `capabilities: auto`."""
        return [f"almanac.{word}" for word in self._entries]

    async def aclose(self) -> None:
        """Nothing is open."""


KIND = Kind(name="almanac", options=Options, make=Almanac)
