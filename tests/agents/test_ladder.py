"""How a model is brought to answer with JSON."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mplp_cli.agents.ladder import (
    Level,
    Levels,
    first_level,
    go_down,
    is_closed,
    is_refused,
    read_answer,
    response_format,
    words_for,
)
from mplp_cli.errors import AgentError

CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
KEY = ("http://x", "m")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" \n[1]\n", [1]),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("```\n1\n```\n", 1),
        ('"```\\n1\\n```"', "```\n1\n```"),
        ("12345678901234567890123", 12345678901234567890123),
    ],
)  # fmt: skip
def test_an_answer_is_json_be_it_in_a_fence(text: str, value: Any) -> None:
    assert read_answer(text, "a") == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sure: {}",
        "{}{}",
        "```json\n{}\n``` done",
        "Here:\n```json\n{}\n```",
        "```json {} ```",
        "NaN",
        "[" * 100_000,
    ],
    ids=range(8),
)
def test_prose_is_not_an_answer(text: str) -> None:
    with pytest.raises(AgentError) as caught:
        read_answer(text, "a")
    assert caught.value.code == "agent.output_invalid"
    assert caught.value.details["answer"] == text[:500]


@pytest.mark.parametrize(
    ("mode", "with_schema", "without"),
    [
        ("auto", "json_schema", None),
        ("json", "json_schema", "json_object"),
        ("json_schema", "json_schema", "json_object"),
        ("json_object", "json_object", "json_object"),
        ("prompt", "prompt", "prompt"),
        ("raw", None, None),
        ("text", None, None),
    ],
)
def test_where_the_ladder_begins(mode: Any, with_schema: str | None, without: str | None) -> None:
    assert first_level(mode, CLOSED) == with_schema
    assert first_level(mode, None) == without


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        (CLOSED, True),
        ({"type": "string"}, True),
        ({"type": "object"}, False),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "additionalProperties": True}, False),
        ({"type": "array", "items": CLOSED}, True),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"anyOf": [CLOSED, {"type": "object"}]}, False),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "object"}}}, False),
        ({"enum": [{"type": "object"}]}, True),
        ({**CLOSED, "required": [["a"]]}, False),
    ],
)
def test_an_endpoint_is_strict_only_about_closed_schemas(schema: Any, closed: bool) -> None:
    assert is_closed(schema) is closed
    stated = response_format("json_schema", schema)
    assert stated is not None
    assert stated["json_schema"]["strict"] is closed


def test_the_schema_stands_where_it_is_needed() -> None:
    assert words_for("json_schema", CLOSED) == ""
    for level in ("json_object", "prompt"):
        assert '"additionalProperties":false' in words_for(level, CLOSED)
        assert "JSON" in words_for(level, None)
    assert response_format("json_object", CLOSED) == {"type": "json_object"}
    assert response_format("prompt", CLOSED) is None


def refusal(status: int, body: str) -> AgentError:
    return AgentError("agent.http", "no", details={"status": status, "body": body})


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (refusal(400, "Unknown `response_format`"), True),
        (refusal(422, '{"detail": "JSON mode is not on"}'), True),
        (refusal(400, "context too long"), False),
        (refusal(500, "response_format"), False),
        (AgentError("agent.timeout", "response_format"), False),
    ],
)
def test_a_refusal_names_the_format(error: AgentError, refused: bool) -> None:
    assert is_refused(error) is refused


def going_down(works: set[Level], failure: AgentError, levels: Levels) -> tuple[str | None, list[Level]]:
    asked: list[Level] = []

    async def ask(level: Level) -> str:
        asked.append(level)
        if level in works:
            return "yes"
        raise failure

    try:
        return asyncio.run(go_down("json_schema", ask, key=KEY, levels=levels)), asked
    except AgentError:
        return None, asked


PROSE = AgentError("agent.output_invalid", "no", details={"answer": "Sure"})


def test_a_level_that_works_is_remembered() -> None:
    levels: Levels = {}
    assert going_down({"prompt"}, PROSE, levels) == ("yes", ["json_schema", "json_object", "prompt"])
    assert going_down({"prompt"}, PROSE, levels) == ("yes", ["prompt"])


@pytest.mark.parametrize("failure", [PROSE, refusal(400, "response_format")], ids=["prose", "refused"])
def test_what_does_not_work_is_not_tried_again_even_if_nothing_does(failure: AgentError) -> None:
    levels: Levels = {}
    assert going_down(set(), failure, levels) == (None, ["json_schema", "json_object", "prompt"])
    assert going_down(set(), failure, levels) == (None, ["prompt"])


def test_calls_at_the_same_time_go_down_together() -> None:
    levels: Levels = {}
    asked: list[Level] = []
    both = asyncio.Barrier(2)

    async def ask(level: Level) -> str:
        asked.append(level)
        if level == "json_schema":
            await both.wait()
            raise PROSE
        return level

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(go_down("json_schema", ask, key=KEY, levels=levels))

    asyncio.run(main())
    assert asked == ["json_schema", "json_schema", "json_object", "json_object"]


def test_other_errors_end_it() -> None:
    assert going_down(set(), AgentError("agent.rate_limited", "no"), {}) == (None, ["json_schema"])
