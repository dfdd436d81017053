"""Keys of the language in camelCase and snake_case become kebab-case; keys of the user's data stay as they are."""

from __future__ import annotations

from typing import Any, Final

from mplp_cli.errors import Path, Problem

#: Every key of the language that is more than one word.
_KEYS = (
    "max-parallel", "fail-fast", "error-handling", "retry-policy", "fallback-actions", "max-retries",
    "backoff-strategy", "initial-delay", "max-delay", "retry-on", "fail-on", "step-id", "result-schema",
    "tolerated-failures", "max-iterations", "expect-status", "follow-redirects", "on-limit", "time-zone", "catch-up",
    "input-schema", "output-schema", "repair-attempts", "pass-env", "bearer-env", "max-concurrency", "stale-after",
    "retry-after", "max-calls", "max-tokens", "max-usd", "max-time", "on-exceed", "cache-read", "cache-write",
    "connect-timeout", "card-path", "agents-called", "input-tokens", "output-tokens",
    "at-once", "secret-headers", "correlation-rules", "minimum-events", "state-dir", "deny-private",
    "clear-at", "clear-for",
)  # fmt: skip


def _spellings() -> dict[str, str]:
    made = {"thenStep": "then", "then-step": "then", "then_step": "then",
            "elseStep": "else", "else-step": "else", "else_step": "else"}  # fmt: skip
    for key in _KEYS:
        first, *rest = key.split("-")
        made[first + "".join(word.capitalize() for word in rest)] = key
        made["_".join((first, *rest))] = key
    return made


#: Other spelling -> the key as the format writes it.
SPELLINGS: Final = _spellings()

#: For each kind of language mapping: which of its keys hold further ones. `*` marks lists (or single items).
_INSIDE: Final[dict[str, dict[str, str]]] = {
    "workflow": {"steps": "step", "finally": "step", "defaults": "step", "error-handling": "step",
                 "concurrency": "plain", "triggers": "trigger", "events": "events"},
    "step": {
        "steps": "step", "then": "step", "else": "step", "step": "step", "condition": "plain", "join": "plain",
        "retry-policy": "plain", "fallback-actions": "step", "error-handling": "step", "defaults": "plain",
    },
    "plain": {},
    "trigger": {"where": "plain"},
    "events": {"filters": "filter", "transformers": "route", "routes": "route", "correlation-rules": "rule"},
    "filter": {"drop": "plain", "keep": "plain"},
    "route": {"match": "plain", "target": "plain", "retry-policy": "plain", "set": "plain"},
    "rule": {"match": "plain", "events": "plain", "actions": "action"},
    "action": {"emit": "plain"},
    "settings file": {"events": "events", "alerts": "alert"},
    "alert": {"event": "plain"},
    "agents file": {"agents": "agent", "budgets": "named", "prices": "named", "activation": "named"},
    "agent": {"limits": "plain", "heartbeat": "plain", "script": "answer", "tools": "plain"},
    "answer": {"error": "plain"},
    # Names of the user's, each with a mapping of the language.
    "named": {"*": "plain"},
    "test file": {"cases": "test case"},
    "test case": {"mocks": "mocks", "approvals": "plain", "expect": "expectations"},
    "mocks": {"agents": "turns", "steps": "turns"},
    "turns": {"*": "turn"},
    "turn": {"error": "plain", "fail": "plain", "usage": "plain"},
    "expectations": {"steps": "named", "budget": "plain", "events": "plain"},
}  # fmt: skip


def canonical(key: str) -> str:
    """The format's spelling of a key."""
    return SPELLINGS.get(key, key)


def normalise(document: Any, keys: frozenset[str]) -> tuple[Any, list[Problem]]:
    """The document in the format's spelling, and every key that stands twice in two spellings.

    `keys` are all keys of the document: without another spelling among them there is nothing to do,
    and the same document comes back.
    """
    if not isinstance(document, dict) or SPELLINGS.keys().isdisjoint(keys):
        return document, []
    problems: list[Problem] = []
    workflow = document.get("workflow")
    return {**document, "workflow": _mapping(workflow, "workflow", ("workflow",), problems)}, problems


def normalise_agents(document: Any, *, alone: bool) -> tuple[Any, list[Problem]]:
    """The same for a mapping with agents, budgets and prices; `alone`: for one agent."""
    problems: list[Problem] = []
    return _mapping(document, "agent" if alone else "agents file", (), problems), problems


def normalise_settings(document: Any) -> tuple[Any, list[Problem]]:
    """The same for what `mplp.yaml` says under `events`; its other keys are taken as they are written."""
    problems: list[Problem] = []
    return _mapping(document, "settings file", (), problems), problems


def normalise_cases(document: Any) -> tuple[Any, list[Problem]]:
    """The same for a file of test cases."""
    problems: list[Problem] = []
    return _mapping(document, "test file", (), problems), problems


def _mapping(value: Any, kind: str, path: Path, problems: list[Problem]) -> Any:
    if isinstance(value, list):
        return [_mapping(v, kind, (*path, n), problems) for n, v in enumerate(value)]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    inside = _INSIDE[kind]
    written: dict[str, str] = {}
    for key, held in value.items():
        name = key if "*" in inside else canonical(key)
        if name in made:
            problems.append(
                Problem(
                    code="schema-spelled-twice",
                    message=f"`{written[name]}` and `{key}` are one key in two spellings",
                    hint=f"keep one: `{name}`",
                    path=(*path, name),
                    on="key",
                )
            )
            continue
        written[name] = key
        further = inside.get(name, inside.get("*"))
        made[name] = held if further is None else _mapping(held, further, (*path, name), problems)
    return made
