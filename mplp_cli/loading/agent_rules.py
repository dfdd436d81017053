"""Rules about agents that their schema cannot say: what they name is there, and can be used.

They look at plain data, valid or not, so that their findings come in the same pass as the schema's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.results import references_out
from mplp_cli.loading.rules import OWN_HEADERS
from mplp_cli.loading.values import Fragment
from mplp_cli.loading.wording import quoted
from mplp_cli.workflow.agents import foreign_reference, variables_in
from mplp_cli.workflow.suggest import did_you_mean

if TYPE_CHECKING:
    from mplp_cli.loading.agents import Beside

_SCHEMAS = ("input-schema", "output-schema")


def check_agents(
    document: dict[str, Any], placed: Sequence[tuple[Path, Any]], beside: Beside
) -> Iterator[Problem]:
    """Findings about agents, each with the path of its agent."""
    first: dict[str, Path] = {}
    mappings = [(path, agent) for path, agent in placed if isinstance(agent, dict)]
    ids = [agent["id"] for _, agent in mappings if isinstance(agent.get("id"), str)]
    budgets = document.get("budgets")
    there = list(budgets) if isinstance(budgets, dict) else []
    for path, agent in mappings:
        name = agent.get("id")
        if isinstance(name, str) and first.setdefault(name, path) != path:
            yield Problem(
                code="agent-duplicate-id",
                message=f"two agents have the id {quoted(name)}",
                hint="give one of them another id: they are called by it",
                path=(*path, "id"),
                related=(*first[name], "id"),
            )
        yield from _budget(agent, path, there, beside)
        yield from _fallbacks(agent, path, ids, beside)
        for key in _SCHEMAS:
            held = agent.get(key)
            if isinstance(held, dict) and set(held) != {"file"}:
                yield from check_schema(key, held, (*path, key))
        yield from _address(agent, path)
        yield from _program(agent, path, beside)
        yield from _transport(agent, path)
        yield from _installed(agent, path, beside)
        yield from _variables(agent, path, beside)
    yield from _cycles(mappings)
    yield from _bindings(document.get("activation"), ids, beside)


def _budget(agent: dict[str, Any], path: Path, there: list[str], beside: Beside) -> Iterator[Problem]:
    name = agent.get("budget")
    if not isinstance(name, str) or name in there:
        return
    known = [*there, *sorted(beside.known().budgets)]
    if name not in known:
        listing = f"the budgets are {', '.join(known)}" if known else "define it under `budgets`"
        yield Problem(
            code="agent-unknown-budget",
            message=f"there is no budget {quoted(name)}",
            hint=did_you_mean(name, known) or listing,
            path=(*path, "budget"),
        )


def _fallbacks(agent: dict[str, Any], path: Path, ids: list[str], beside: Beside) -> Iterator[Problem]:
    named = agent.get("fallback")
    for n, name in enumerate(named if isinstance(named, list) else ()):
        if not isinstance(name, str) or (name in ids and name != agent.get("id")):
            continue
        known = [*ids, *sorted(beside.known().agents)]
        if name == agent.get("id"):
            said, hint = f"{quoted(name)} falls back to itself", "name another agent"
        elif name not in known:
            listing = f"the agents are {', '.join(known[:20])}"
            said, hint = f"there is no agent {quoted(name)}", did_you_mean(name, known) or listing
        else:
            continue
        yield Problem(code="agent-unknown-fallback", message=said, hint=hint, path=(*path, "fallback", n))


def _cycles(agents: Sequence[tuple[Path, dict[str, Any]]]) -> Iterator[Problem]:
    """Agents that fall back to each other in a circle: when one is gone, so are the others' ways out."""
    found = {agent["id"]: (path, agent["fallback"]) for path, agent in agents if _is_named(agent)}
    done: set[str] = set()
    for start in found:
        trail = [start]
        while trail:
            path, named = found[trail[-1]]
            following = next(
                (one for one in named if isinstance(one, str) and one in found and one not in done), None
            )
            if following is None or following == trail[-1]:
                done.add(trail.pop())
                continue
            if following in trail:
                circle = [*trail[trail.index(following) :], following]
                yield Problem(
                    code="agent-fallback-cycle",
                    message=f"agents fall back to each other in a circle: {' -> '.join(circle)}",
                    hint="let the last one of a chain stand by itself",
                    path=(*path, "fallback", named.index(following)),
                )
                done.update(trail)
                break
            trail.append(following)


def _is_named(agent: dict[str, Any]) -> bool:
    return isinstance(agent.get("id"), str) and isinstance(agent.get("fallback"), list)


def _bindings(activation: Any, ids: list[str], beside: Beside) -> Iterator[Problem]:
    for interface, binding in activation.items() if isinstance(activation, dict) else ():
        name = binding.get("agent") if isinstance(binding, dict) else None
        if not isinstance(name, str) or name in ids:
            continue
        known = [*ids, *sorted(beside.known().agents)]
        if name not in known:
            listing = f"the agents are {', '.join(known[:20])}" if known else "define it under `agents`"
            yield Problem(
                code="agent-unknown-binding",
                severity="warning",  # it may be registered later, and another may be unregistered
                message=f"there is no agent {quoted(name)}; {interface} stays inert until there is",
                hint=did_you_mean(name, known) or listing,
                path=("activation", interface, "agent"),
            )


def check_schema(key: str, schema: dict[str, Any], path: Path) -> Iterator[Problem]:
    """A schema that is none, or that reaches outside itself."""
    outside = next(references_out(schema, path), None)
    if outside is not None:
        yield Problem(
            code="agent-schema-reference",
            message=f"`{key}` cannot refer to {quoted(outside[1])}",
            hint="write it out, or refer to a place in it: #/$defs/name; nothing is fetched",
            path=outside[0],
        )
        return
    fragment = Fragment(schema)
    if fragment.error is not None:
        place, said = fragment.error
        yield Problem(
            code="agent-schema",
            message=f"`{key}` is not a JSON Schema: {said}",
            hint="write it like {type: object, required: [steps]}, or {file: path} of one",
            path=(*path, *place),
        )


def _address(agent: dict[str, Any], path: Path) -> Iterator[Problem]:
    """An endpoint and headers, as far as they are known before variables are."""
    endpoint, headers = agent.get("endpoint"), agent.get("headers")
    texts: list[tuple[Path, Any]] = [((*path, key), agent.get(key)) for key in ("endpoint", "model")]
    for name, value in headers.items() if isinstance(headers, dict) else ():
        texts.append(((*path, "headers", name), value))
        if isinstance(name, str) and name.lower() in OWN_HEADERS:
            said = f"the header {quoted(name)} is set by the connection itself"
            where = (*path, "headers", name)
            yield Problem(code="agent-header", message=said, hint="remove it", path=where, on="key")
    for where, text in texts:
        if isinstance(text, str) and foreign_reference(text):
            yield Problem(
                code="agent-reference",
                message=f"{quoted(text)} refers to something else than a variable",
                hint="write ${env.NAME}; what an agent is asked stands in the step that asks it",
                path=where,
            )
            return
    if not isinstance(endpoint, str) or endpoint.startswith("${env."):
        return
    if not endpoint.lower().startswith(("http://", "https://")):
        said, hint = f"no request can be sent to {quoted(endpoint)}", "begin with http:// or https://"
    elif "@" in endpoint.partition("//")[2].replace("?", "/").partition("/")[0]:
        said, hint = "the endpoint holds credentials", "name the variable of a token under `bearer-env`"
    else:
        return
    yield Problem(code="agent-url", message=said, hint=hint, path=(*path, "endpoint"))


def _program(agent: dict[str, Any], path: Path, beside: Beside) -> Iterator[Problem]:
    command, cwd = agent.get("command"), agent.get("cwd", "")
    if agent.get("kind") not in ("command", "mcp") or not isinstance(command, list) or not command:
        return
    program = command[0]
    if isinstance(program, str) and isinstance(cwd, str) and not beside.is_program(program, cwd):
        yield Problem(
            code="agent-command",
            severity="warning",
            message=f"the program {quoted(program)} is not found on this machine",
            hint="install it, or correct the first item of `command`; the agent cannot be called without it",
            path=(*path, "command", 0),
        )


#: Keys of `mcp` agents that belong to one way of reaching the server.
_OF_COMMANDS, _OF_ENDPOINTS = ("pass-env", "env", "cwd"), ("headers", "bearer-env")


def _transport(agent: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Keys of a `mcp` agent that nothing would look at."""
    if agent.get("kind") != "mcp" or ("command" in agent) == ("endpoint" in agent):
        return
    there, foreign = ("command", _OF_ENDPOINTS) if "command" in agent else ("endpoint", _OF_COMMANDS)
    for key in foreign:
        if key in agent:
            said = f"`{key}` means nothing beside `{there}`"
            hint = "a program has pass-env, env and cwd, an address headers and bearer-env"
            yield Problem(code="schema-conflict", message=said, hint=hint, path=(*path, key), on="key")


def _installed(agent: dict[str, Any], path: Path, beside: Beside) -> Iterator[Problem]:
    """A kind that needs a package that is not there."""
    kind = agent.get("kind")
    missing = beside.missing(kind) if isinstance(kind, str) and not beside.stored else None
    if missing is not None:
        yield Problem(
            code="agent-extra",
            severity="warning",
            message=missing[0],
            hint=missing[1],
            path=(*path, "kind"),
        )


def _variables(agent: dict[str, Any], path: Path, beside: Beside) -> Iterator[Problem]:
    """Variables that are not set, of an agent for which nobody stands in."""
    if agent.get("fallback") or beside.stored:
        return
    headers = agent.get("headers")
    texts: dict[Path, Any] = {(key,): agent.get(key) for key in ("endpoint", "model")}
    texts |= {("headers", name): text for name, text in headers.items()} if isinstance(headers, dict) else {}
    named: list[tuple[Path, str]] = [
        (at, name) for at, text in texts.items() if isinstance(text, str) for name in variables_in(text)
    ]
    if isinstance(bearer := agent.get("bearer-env"), str):
        named.append((("bearer-env",), bearer))
    for at, name in named:
        if not beside.is_set(name):
            yield Problem(
                code="agent-variable",
                severity="warning",
                message=f"the variable {quoted(name)} is not set",
                hint=f"export {name}=...; the agent cannot be called without it",
                path=(*path, *at),
            )
