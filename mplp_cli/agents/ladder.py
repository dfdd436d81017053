"""How a model is brought to answer with JSON: what its endpoint enforces, as far down as need be.

    json_schema   the endpoint holds the model to the schema
    json_object   it holds it to JSON; the schema stands in the prompt
    prompt        nobody holds it to anything; the schema stands in the prompt

An endpoint that refuses a level, or answers with prose in spite of it, is asked again one level below. Whether an
answer fits its schema is looked at elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal, TypeVar

import msgspec

from mplp_cli.errors import AgentError, OutputFormatError
from mplp_cli.workflow.agents import OutputMode
from mplp_cli.workflow.language.jsontext import parse_json
from mplp_cli.workflow.values import Json

Level = Literal["json_schema", "json_object", "prompt"]
#: The level that works, by endpoint and model. Kept as long as a run.
Levels = MutableMapping[tuple[str, str], Level]
T = TypeVar("T")

_BELOW: dict[Level, Level] = {"json_schema": "json_object", "json_object": "prompt"}
_NAMES = (
    "response_format",
    "response format",
    "json_schema",
    "json_object",
    "json mode",
    "structured output",
)
#: Characters of an answer that an error keeps.
_KEPT = 500


def first_level(mode: OutputMode, schema: dict[str, Any] | None) -> Level | None:
    """Where to begin; None where text is wanted. Without a schema nobody can be held to one."""
    match mode:
        case "raw" | "text" | "jsonl":
            return None
        case "auto":
            return None if schema is None else "json_schema"
        case "json" | "json_schema":
            return "json_object" if schema is None else "json_schema"
        case "json_object" | "prompt":
            return mode


def goes_down(mode: OutputMode) -> bool:
    """Whether the level is ours to choose: a definition that names one means that one."""
    return mode in ("auto", "json")


def response_format(level: Level, schema: dict[str, Any] | None) -> dict[str, Json] | None:
    """What the endpoint is told, if it is told anything."""
    if level == "json_object":
        return {"type": "json_object"}
    if level == "prompt" or schema is None:
        return None
    stated = {"name": "answer", "schema": schema, "strict": is_closed(schema)}
    return {"type": "json_schema", "json_schema": stated}


def words_for(level: Level, schema: dict[str, Any] | None) -> str:
    """What the model is told; empty where the endpoint sees to it."""
    if level == "json_schema":
        return ""
    said = "Answer with one JSON value and nothing else: no explanation, no code fence."
    if schema is None:
        return said
    return f"{said} It must fit this JSON Schema:\n{msgspec.json.encode(schema).decode()}"


def is_closed(schema: Json) -> bool:
    """Whether every object in a schema requires all that it names and allows nothing else.

    Endpoints refuse to be strict about other schemas.
    """
    if isinstance(schema, list):
        return all(map(is_closed, schema))
    if not isinstance(schema, dict):
        return True
    named = schema.get("properties")
    if schema.get("type") == "object" or isinstance(named, dict):
        needed = schema.get("required")
        if schema.get("additionalProperties") is not False or not isinstance(named, dict):
            return False
        if not isinstance(needed, list) or {*named} != {item for item in needed if isinstance(item, str)}:
            return False
    inner = named.values() if isinstance(named, dict) else ()
    # The words of values (`enum`, `const`, `default`) are no schemas.
    rest = [schema.get(key) for key in ("items", "prefixItems", "anyOf", "allOf", "oneOf")]
    defined = [part for key in ("$defs", "definitions") for part in (schema.get(key) or {}).values()]
    return all(map(is_closed, [*inner, *rest, *defined]))


def read_answer(text: str, agent: str) -> Json:
    """The JSON that `text` is, be it in one code fence; agent.output_invalid if it is prose."""
    try:
        return parse_json(without_fence(text), "the answer")
    except OutputFormatError as error:
        raise AgentError(
            "agent.output_invalid",
            f"`{agent}`: {error.message}",
            agent=agent,
            retryable=True,
            details={**error.details, "answer": text[:_KEPT]},
        ) from None


def without_fence(text: str) -> str:
    """`text` without the one code fence that is around all of it."""
    stripped = text.strip()
    first, line_break, rest = stripped.partition("\n")
    info = first[3:]
    if first.startswith("```") and line_break and rest.endswith("```") and "`" not in info:
        return rest[:-3].strip()
    return stripped


def is_prose(error: AgentError) -> bool:
    """Whether an answer came that is not JSON."""
    return error.code == "agent.output_invalid" and "answer" in error.details


def is_refused(error: AgentError, names: tuple[str, ...] = _NAMES) -> bool:
    """Whether the endpoint does not know what it was asked for by one of these names."""
    said = str(error.details.get("body", "")).lower()
    return error.details.get("status") in (400, 422) and any(name in said for name in names)


async def go_down(
    start: Level,
    ask: Callable[[Level], Awaitable[T]],
    *,
    key: tuple[str, str],
    levels: Levels,
) -> T:
    """The first answer that is JSON, from the level that is known to work, else from `start` on.

    `ask` raises the error of `read_answer` for prose. What was refused or answered with prose is not tried again: an
    endpoint that holds a model to JSON gives no prose.
    """
    while True:
        level = levels.get(key, start)
        try:
            return await ask(level)
        except AgentError as error:
            below = _BELOW.get(level)
            if below is None or not (is_refused(error) or is_prose(error)):
                raise
            if levels.get(key, start) == level:  # else a call at the same time was there first
                levels[key] = below
