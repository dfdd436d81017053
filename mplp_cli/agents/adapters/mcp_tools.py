"""Which tool of a server is called, with what, and what its result means. Nothing here waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from msgspec import Struct

from mplp_cli.agents.adapters.given import arguments_of
from mplp_cli.agents.contract import AgentRequest, AgentResult
from mplp_cli.errors import AgentError
from mplp_cli.workflow.agents import McpAgent
from mplp_cli.workflow.suggest import nearest
from mplp_cli.workflow.values import Json

#: What capabilities begin with that stand for a tool.
MARK: Final = "mcp:"
#: Names of tools that a message lists; characters of what a tool says of its failure.
_LISTED, _SAID = 20, 2_000


class Tool(Struct, frozen=True, kw_only=True):
    """A tool as its server describes it. What it does not say is what the protocol says of silence."""

    name: str
    destructive: bool = True
    #: Calling it twice does no more than once.
    repeatable: bool = False


def tool_of(described: Any) -> Tool:
    """A tool from the description of the SDK."""
    hints = described.annotations
    reads = bool(hints is not None and hints.read_only_hint)
    harmless = hints is not None and hints.destructive_hint is False
    return Tool(
        name=described.name,
        destructive=not (reads or harmless),
        repeatable=reads or bool(hints is not None and hints.idempotent_hint),
    )


def why_denied(agent: McpAgent, tool: Tool) -> str:
    """Why the definition does not let a tool be called; empty if it does."""
    rules = agent.tools
    if any(fnmatchcase(tool.name, pattern) for pattern in rules.deny):
        return "`tools.deny` has it"
    if rules.allow is not None and not any(fnmatchcase(tool.name, pattern) for pattern in rules.allow):
        return "`tools.allow` does not have it"
    if rules.destructive == "refuse" and tool.destructive and tool.name not in (rules.allow or ()):
        return "it may destroy something, and `tools.allow` does not have its very name"
    return ""


def capabilities(agent: McpAgent, tools: Mapping[str, Tool]) -> list[str]:
    """One for each tool that may be called."""
    return [f"{MARK}{name}" for name, tool in tools.items() if not why_denied(agent, tool)]


def chosen(agent: McpAgent, tools: Mapping[str, Tool], request: AgentRequest) -> tuple[str, dict[str, Any]]:
    """The name of the tool that a request means, and its arguments. AgentError `agent.input_invalid`.

    The tool of the wanted capability; else the one that the input names, as `{tool, arguments}`; else the only one.
    """
    wanted = [one.removeprefix(MARK) for one in request.capability.split() if one.startswith(MARK)]
    if len(wanted) == 1:
        fitting = [
            name for name in tools if fnmatchcase(name, wanted[0]) and not why_denied(agent, tools[name])
        ]
        if len(fitting) == 1 or wanted[0] in tools:
            return (wanted[0] if wanted[0] in tools else fitting[0]), arguments_of(request)
    given = request.input
    if (
        isinstance(given, dict)
        and isinstance(given.get("tool"), str)
        and given.keys() <= {"tool", "arguments"}
    ):
        arguments = given.get("arguments") or {}
        if not isinstance(arguments, dict):
            raise _unclear(agent, "`arguments` of its input is a map of the tool's arguments", tools)
        return given["tool"], arguments
    usable = [name for name, tool in tools.items() if not why_denied(agent, tool)]
    if len(usable) == 1:
        return usable[0], arguments_of(request)
    raise _unclear(
        agent,
        "it is not said which tool is meant: ask for the capability mcp:NAME, or give {tool: NAME, arguments: {...}}",
        tools,
    )


def permitted(agent: McpAgent, tools: Mapping[str, Tool], name: str) -> Tool:
    """The tool of that name, if it may be called. AgentError `guard.denied`, or `agent.tool` if there is none."""
    if name in tools:
        why = why_denied(agent, tools[name])
        if not why:
            return tools[name]
        said = f"agent `{agent.id}`: the tool `{name}` may not be called: {why}"
        raise AgentError("guard.denied", said, agent=agent.id, details={"tool": name, "sent": False})
    near = nearest(name, tools)
    more = f"did you mean `{near}`?" if near else _listing(agent, tools)
    said = f"agent `{agent.id}`: its server has no tool `{name}`; {more}"
    raise AgentError("agent.tool", said, agent=agent.id, details={"tool": name, "sent": False})


def _unclear(agent: McpAgent, what: str, tools: Mapping[str, Tool]) -> AgentError:
    said = f"agent `{agent.id}`: {what}; {_listing(agent, tools)}"
    return AgentError("agent.input_invalid", said, agent=agent.id, details={"sent": False})


def _listing(agent: McpAgent, tools: Mapping[str, Tool]) -> str:
    usable = [name for name, tool in tools.items() if not why_denied(agent, tool)]
    more = f" and {len(usable) - _LISTED} more" if len(usable) > _LISTED else ""
    return (
        f"its tools are {', '.join(usable[:_LISTED])}{more}" if usable else "none of its tools may be called"
    )


def answer(agent: McpAgent, tool: Tool, result: Any) -> AgentResult:
    """What a tool has given: structured content as it is, else text as text, else the blocks of its content.

    AgentError `agent.tool` if it has failed.
    """
    blocks: Sequence[Any] = result.content
    text = "\n".join(block.text for block in blocks if block.type == "text")
    if result.is_error:
        said = " ".join(text.split())[:_SAID] or "it says nothing"
        raise AgentError(
            "agent.tool",
            f"agent `{agent.id}`: the tool `{tool.name}` failed: {said}",
            agent=agent.id,
            retryable=tool.repeatable or agent.idempotent,
            details={"tool": tool.name, "text": text[:_SAID]},
        )
    output: Json = result.structured_content
    if output is None and all(block.type == "text" for block in blocks):
        output = text if blocks else None
    elif output is None:
        output = [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in blocks]
    return AgentResult(output=output, text=text or None)
