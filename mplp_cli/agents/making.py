"""From the definition of an agent to what calls it: one line for each kind."""

from __future__ import annotations

from mplp_cli.agents.contract import Adapter
from mplp_cli.agents.workshop import Workshop
from mplp_cli.errors import AgentError
from mplp_cli.workflow.agents import AgentDefinition, CommandAgent, MockAgent, PythonAgent


def make_adapter(agent: AgentDefinition, workshop: Workshop) -> Adapter:
    """The adapter of an agent; loaded when the first agent of its kind is asked."""
    match agent:
        case PythonAgent():
            from mplp_cli.agents.adapters.python import PythonFunction

            return PythonFunction(agent, workshop)
        case CommandAgent():
            from mplp_cli.agents.adapters.command import Program

            return Program(agent, workshop)
        case MockAgent():
            from mplp_cli.agents.adapters.mock import Scripted

            return Scripted(agent)
    kind = str(type(agent).__struct_config__.tag)
    raise AgentError(
        "agent.unavailable", f"nothing calls agents of kind `{kind}`: `{agent.id}`", agent=agent.id
    )
