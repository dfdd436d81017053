"""What the boundary decides: who is asked, for how long, and whether an answer fits. Nothing here waits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from mplp_cli.agents.contract import AgentRequest, Usage
from mplp_cli.errors import AgentError, Path
from mplp_cli.workflow.agents import NO_AGENTS, AgentDefinition, PluggedAgent, kind_of, offers
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import Json

#: Where a value does not fit a JSON Schema (as JSON), and what is wrong there.
Misfits = Callable[[bytes, Json], Sequence[tuple[Path, str]]]
#: Characters of a value that an error shows.
_GOT: Final = 300


# ---- who -----------------------------------------------------------------------------------------


Standing = Literal["active", "unknown", "degraded", "unreachable"]
#: The better, the earlier.
_STANDINGS: Final = ("active", "unknown", "degraded", "unreachable")


def always_there(_agent: AgentDefinition) -> Standing:
    """Nobody waits to hear from agents."""
    return "active"


def route(
    definitions: Mapping[str, AgentDefinition],
    request: AgentRequest,
    inflight: Mapping[str, int],
    standing: Callable[[AgentDefinition], Standing] = always_there,
) -> list[AgentDefinition]:
    """Who is asked, and who instead if that one cannot be reached, in order. AgentError `agent.not_found`.

    Where any will do that offers a capability: the least loaded of the best, and always the same one in the same
    situation. Those that fit by the very word go before those that a pattern finds.
    """
    if request.agent:
        first = [named(definitions, request.agent)]
        if not first[0].fallback:
            return first
    else:
        wanted = request.capability.split()

        def rank(agent: AgentDefinition) -> tuple[int, bool, float, int]:
            calls, most = inflight.get(agent.id, 0), agent.limits.max_concurrency
            exact = set(wanted) <= set(agent.capabilities)
            return _STANDINGS.index(standing(agent)), not exact, calls / most if most else 0.0, calls

        first = sorted(offering(definitions, wanted), key=rank)
        if not first:
            raise _nobody_offers(definitions, wanted)
    ids = dict.fromkeys([*(agent.id for agent in first), *first[0].fallback])
    return [named(definitions, name) for name in ids]


def named(definitions: Mapping[str, AgentDefinition], name: str) -> AgentDefinition:
    """The agent of that id; AgentError `agent.not_found`."""
    found = definitions.get(name)
    if found is None:
        raise AgentError(
            "agent.not_found", f"there is no agent `{name}`", agent=name, hint=known_hint(name, definitions)
        )
    return found


def known_hint(name: str, known: Mapping[str, Any]) -> str:
    """What may be meant by a name that no agent has."""
    listed = f"the agents are: {', '.join(sorted(known))}" if known else NO_AGENTS
    near = did_you_mean(name, known)
    return f"{near} {listed}" if near else listed


def offering(definitions: Mapping[str, AgentDefinition], wanted: Sequence[str]) -> list[AgentDefinition]:
    """The agents that offer all of these, in the order of their definitions; `plan.*` is a pattern."""
    return [agent for agent in definitions.values() if offers(agent.capabilities, wanted)]


def may_offer(agent: AgentDefinition, wanted: Sequence[str]) -> bool:
    """Whether an agent that says itself what it offers could offer that: a built-in kind marks it, as `mcp:NAME`."""
    marks = (kind_of(agent), "*")
    marked = any(one.partition(":")[0] in marks for one in wanted)
    return agent.discovers and (marked or isinstance(agent, PluggedAgent))


def assuming(
    definitions: Mapping[str, AgentDefinition], wanted: Sequence[str]
) -> Mapping[str, AgentDefinition]:
    """The definitions, where nobody is known to offer what is wanted as if all did that may offer it."""
    if offering(definitions, wanted):
        return definitions
    return {
        name: replace(agent, capabilities=[*agent.capabilities, *wanted])
        if may_offer(agent, wanted)
        else agent
        for name, agent in definitions.items()
    }


def _nobody_offers(definitions: Mapping[str, AgentDefinition], wanted: Sequence[str]) -> AgentError:
    offered = sorted({one for agent in definitions.values() for one in agent.capabilities})
    near = did_you_mean(wanted[0], offered) if wanted else None
    listed = f"they offer: {', '.join(offered)}" if offered else "none of the agents offers anything"
    return AgentError(
        "agent.not_found",
        f"no agent offers {' and '.join(f'`{one}`' for one in wanted)}",
        hint=f"{near} {listed}" if near else listed,
    )


def time_for(request: AgentRequest, agent: AgentDefinition) -> float | None:
    """Seconds that a call may take, repairs included; None: no limit."""
    limits = [seconds for seconds in (request.timeout, (agent.timeout or 0) / 1000) if seconds > 0]
    return min(limits) if limits else None


# ---- what goes in --------------------------------------------------------------------------------


def check_input(agent: AgentDefinition, request: AgentRequest, misfits: Misfits) -> None:
    """AgentError `agent.input_invalid` if the input does not fit the agent's `input-schema`."""
    if agent.input_schema is None:
        return
    wrong = misfits(msgspec.json.encode(agent.input_schema), request.input)
    if wrong:
        raise _unfit("agent.input_invalid", agent.id, "the input", wrong, request.input)


# ---- what comes out ------------------------------------------------------------------------------


def fitting(agent: AgentDefinition, output: Json, schema: dict[str, Any] | None, misfits: Misfits) -> Json:
    """The answer as its schema wants it. AgentError `agent.output_invalid` if it cannot be made to fit.

    Text is read as JSON (in one code fence, if it stands in one) where the schema does not take it as it is.
    """
    if schema is None:
        return output
    written = msgspec.json.encode(schema)
    wrong = misfits(written, output)
    if wrong and isinstance(output, str):
        try:
            read = json.loads(unfenced(output))
        except (ValueError, RecursionError):
            pass
        else:
            output, wrong = read, misfits(written, read)
    if wrong:
        raise _unfit("agent.output_invalid", agent.id, "the answer", wrong, output)
    return output


def unfenced(text: str) -> str:
    """What stands in a code fence that holds the whole text; else the text."""
    lines = text.strip().split("\n")
    fenced = len(lines) > 2 and lines[0].startswith("```") and lines[-1].strip() == "```"
    return "\n".join(lines[1:-1]) if fenced else text


def _unfit(code: str, agent: str, what: str, wrong: Sequence[tuple[Path, str]], value: Json) -> AgentError:
    path, said = wrong[0]
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    place = json_path(path)
    where = f" at {place}" if path else ""
    return AgentError(
        code,
        f"agent `{agent}`: {what} does not fit its schema{where}: {said}{more}",
        agent=agent,
        details={
            "path": place,
            "expected": said,
            "got": _shown(value, path),
            "misfits": [{"path": json_path(at), "message": why} for at, why in wrong[:20]],
        },
    )


def json_path(path: Path) -> str:
    """`$.findings[0].line`."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _shown(value: Json, path: Path) -> str:
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            break
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _GOT else f"{text[:_GOT]}..."


def repair_text(error: AgentError) -> str:
    """What an agent is told whose answer was refused."""
    return f"Your last answer was refused: {error.message}\nAnswer again, so that it fits."


def together(one: Usage | None, other: Usage | None) -> Usage | None:
    """What two calls have used."""
    if one is None or other is None:
        return one or other
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cache_read=one.cache_read + other.cache_read,
        cache_write=one.cache_write + other.cache_write,
    )
