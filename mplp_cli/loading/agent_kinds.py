"""Kinds of agents: those of the format, those that packages add, and why an agent is none of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.explain import reasons
from mplp_cli.loading.schema import definition, verdict
from mplp_cli.loading.wording import quoted
from mplp_cli.protocols import AgentKinds
from mplp_cli.workflow.agents import AgentDefinition, PluggedAgent
from mplp_cli.workflow.suggest import nearest

if TYPE_CHECKING:
    from mplp_cli.loading.agents import Beside

#: Kinds whose agents say themselves what they offer, unless their definition does.
DISCOVERING = ("mcp", "a2a")
#: What the definitions of this version are tagged with.
BUILT_IN = frozenset(
    str(kind.__struct_config__.tag) for kind in get_args(AgentDefinition) if kind is not PluggedAgent
)


def kinds(added: AgentKinds | None) -> list[str]:
    """What definitions may call a kind; `added` are those of packages."""
    own: list[str] = definition("agent")["properties"]["kind"]["anyOf"][0]["enum"]
    return list(dict.fromkeys([*own, *(added.names() if added is not None else ())]))


def why_not(agent: Any, path: Path, beside: Beside) -> list[Problem]:
    """Why the schema refuses an agent, in words about its kind only."""
    kind = agent.get("kind") if isinstance(agent, dict) else None
    if isinstance(kind, str) and kind in BUILT_IN:
        valid = verdict(f"{kind}-agent").is_valid(agent)
        return [] if valid else reasons(f"{kind}-agent", agent, path)
    if kind is None or not isinstance(kind, str):
        return [p for p in reasons("agent", agent, path) if p.path != (*path, "kind") or kind is not None]
    known = kinds(beside.kinds)
    if kind in known or beside.stored:
        return _plugged(agent, kind, path, beside)
    where, listing = (*path, "kind"), f"kinds: {', '.join(known)}"
    near = _KIND_WORDS.get(kind) or nearest(kind, known)
    more = f"{listing}; an installed package may add more"
    hint = f"did you mean `{near}`? {more}" if near else more
    return [
        Problem(
            code="agent-unknown-kind",
            message=f"there is no kind of agent {quoted(kind)}",
            hint=hint,
            path=where,
        )
    ]


def _plugged(agent: dict[str, Any], kind: str, path: Path, beside: Beside) -> list[Problem]:
    """What is wrong with an agent of a kind that a package has brought along."""
    if not verdict("plugged-agent").is_valid(agent):
        return reasons("plugged-agent", agent, path)
    if beside.kinds is None or beside.stored:
        return []
    hint = f"`options` are those of the kind `{kind}`, which {beside.kinds.package_of(kind)} brings along"
    return [
        Problem(
            code="agent-options",
            message=said,
            hint=hint,
            path=(*path, "options", *place) if "options" in agent else path,
        )
        for place, said in beside.kinds.misfits(kind, agent.get("options", {}))
    ]


_KIND_WORDS = {
    "shell": "command", "exec": "command", "program": "command", "process": "command", "function": "python",
    "py": "python", "llm": "openai", "chat": "openai", "model": "openai", "gpt": "openai", "ollama": "openai",
    "https": "http", "rest": "http", "webhook": "http", "fake": "mock", "test": "mock", "script": "mock",
}  # fmt: skip
