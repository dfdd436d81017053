"""From the definition of an agent to what calls it: one line for each kind."""

from __future__ import annotations

from typing import assert_never

from mplp_cli.agents.contract import Adapter
from mplp_cli.agents.workshop import Workshop
from mplp_cli.workflow.agents import (
    A2aAgent,
    AgentDefinition,
    CommandAgent,
    HttpAgent,
    McpAgent,
    MockAgent,
    OpenAIAgent,
    PluggedAgent,
    PythonAgent,
)


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
        case HttpAgent():
            from mplp_cli.agents.adapters.http import HttpAdapter

            return HttpAdapter(agent, workshop.connect, workshop.environ, workshop.clock)
        case OpenAIAgent():
            from mplp_cli.agents.adapters.openai import OpenAIAdapter

            return OpenAIAdapter(agent, workshop.connect, workshop.environ, workshop.clock, workshop.levels)
        case McpAgent():
            from mplp_cli.agents.adapters.mcp import McpTools

            return McpTools(agent, workshop)
        case A2aAgent():
            from mplp_cli.agents.adapters.a2a import RemoteAgent

            return RemoteAgent(agent, workshop)
        case PluggedAgent():
            return workshop.kinds.make(agent, workshop)
        case _:
            assert_never(agent)
