"""Agents that are models, against an endpoint on a loopback port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mplp_cli.agents.adapters.openai import OpenAIAdapter
from mplp_cli.agents.contract import AgentResult, Usage
from mplp_cli.agents.ladder import Levels
from mplp_cli.errors import AgentError
from mplp_cli.workflow.agents import OpenAIAgent
from tests.agents.services import (
    ENVIRON,
    TOKEN,
    Hang,
    Seen,
    Service,
    StoppedClock,
    answer,
    connecting,
    open_client,
    refused,
    request,
    silent,
)

Reply = Callable[[Seen], bytes | list[bytes]]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
USED = {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 6}}
COUNTED = Usage(input_tokens=4, output_tokens=4, cache_read=6)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"


def said(content: Any, finish: str | None = "stop", **message: Any) -> bytes:
    """A completion that is not streamed."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": finish,
    }
    return answer({"model": "tiny-2", "choices": [choice], "usage": USED})


def piece(content: str | None = None, finish: str | None = None, **delta: Any) -> bytes:
    """A piece of a stream."""
    choice = {"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish}
    return (
        b"data: "
        + json.dumps({"model": "tiny-2", "choices": [choice]}, ensure_ascii=False).encode()
        + b"\n\n"
    )


LAST = b"data: " + json.dumps({"choices": [], "usage": USED}).encode() + b"\n\ndata: [DONE]\n\n"


def with_model(
    reply: Reply, work: Callable[[OpenAIAdapter], Awaitable[Any]], levels: Levels | None = None, **fields: Any
) -> tuple[Any, list[Seen]]:
    async def main() -> tuple[Any, list[Seen]]:
        async with Service(reply) as service, open_client() as client:
            agent = OpenAIAgent(
                id="planner",
                **{"endpoint": f"{service.url}/v1", "model": "tiny", "bearer_env": "LLM_KEY", **fields},
            )
            known: Levels = {} if levels is None else levels
            adapter = OpenAIAdapter(agent, connecting(client), ENVIRON, StoppedClock(), known)
            return await work(adapter), service.seen

    return asyncio.run(main())


def ask(
    reply: Reply, schema: Any = None, *, prompt: str | None = "Plan", **fields: Any
) -> tuple[Any, list[Seen]]:
    """The answer, and what the endpoint saw."""
    asked = request(prompt=prompt, schema=schema)
    return with_model(reply, lambda adapter: adapter.call(asked, silent), **fields)


def error_of(reply: Reply, schema: Any = None, **fields: Any) -> AgentError:
    asked = request(prompt="Plan", schema=schema)
    failed, _ = with_model(reply, lambda adapter: refused(adapter.call(asked, silent)), **fields)
    assert isinstance(failed, AgentError)
    assert failed.details["agent"] == "planner"
    assert TOKEN not in repr((failed.message, failed.hint, failed.details))
    return failed


def in_turn(*replies: bytes) -> Reply:
    """One reply after the other; the last one again and again."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def streamed(*pieces: bytes) -> Reply:
    return lambda _: [HEAD, *pieces]


# ---- one answer --------------------------------------------------------------------------------


def test_a_model_is_asked_with_its_instructions_and_answers_in_prose() -> None:
    result, (seen,) = ask(lambda _: said("Begin."), instructions="Be brief.", params={"temperature": 0})
    assert result == AgentResult(output="Begin.", text="Begin.", usage=COUNTED, finish="stop", model="tiny-2")
    assert (seen.method, seen.target) == ("POST", "/v1/chat/completions")
    assert seen.headers["authorization"] == f"Bearer {TOKEN}"
    assert seen.json == {
        "model": "tiny",
        "temperature": 0,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Plan"}],
    }


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"prompt": "Plan", "input": {"a": 1}}, 'Plan\n\n{"a":1}'),
        ({"input": {"a": 1}}, '{"a":1}'),
        ({"input": "text"}, "text"),
        ({"operation": "plan.create-plan", "capability": "plan.create"}, "plan.create-plan"),
        ({"prompt": "Plan", "repair": "`n` is missing"}, "Plan\n\n`n` is missing"),
    ],
)
def test_prompt_input_and_what_is_to_be_mended_are_one_message(fields: dict[str, Any], content: str) -> None:
    _, (seen,) = with_model(lambda _: said("x"), lambda adapter: adapter.call(request(**fields), silent))
    assert seen.json["messages"] == [{"role": "user", "content": content}]


def test_what_an_endpoint_leaves_out_is_not_known() -> None:
    result, _ = ask(lambda _: answer({"choices": [{"message": {"content": "x"}}]}))
    assert result == AgentResult(output="x", text="x", model="tiny")


def test_tools_that_a_model_wants_called_are_data() -> None:
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
        {"id": "c2", "type": "function", "function": {"name": "rm", "arguments": "not json"}},
        {"id": "c3", "type": "function", "function": {"name": "now", "arguments": ""}},
    ]
    result, _ = ask(lambda _: said(None, "tool_calls", tool_calls=calls), SCHEMA)
    assert result.output == {
        "toolCalls": [
            {"id": "c1", "name": "add", "arguments": {"a": 1}},
            {"id": "c2", "name": "rm", "arguments": "not json"},
            {"id": "c3", "name": "now", "arguments": {}},
        ]
    }
    assert result.finish == "tool_calls"


def test_a_list_of_parts_is_their_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert ask(lambda _: said(parts))[0].output == "ab"


def test_an_answer_at_its_limit_of_tokens_is_truncated_and_says_what_was_used() -> None:
    failed = error_of(lambda _: said('{"n": ', "length"), SCHEMA)
    assert failed.code == "agent.truncated"
    assert not failed.failure().retryable
    assert failed.details["usage"]["output_tokens"] == 4


@pytest.mark.parametrize("reply", [said(None, "stop", refusal="I will not"), said("I w", "content_filter")])
def test_a_refusal_is_an_error(reply: bytes) -> None:
    failed = error_of(lambda _: reply)
    assert failed.code == "agent.remote"
    assert "gives no answer" in failed.message


@pytest.mark.parametrize("body", [{"hello": 1}, [], 3, {"choices": "x"}, b"<html>", b""])
def test_what_is_no_completion_is_invalid(body: Any) -> None:
    failed = error_of(lambda _: answer(body), SCHEMA)
    assert failed.code == "agent.output_invalid"
    assert "planner" in failed.message


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [
        ("429 Too Many Requests", "agent.rate_limited", True),
        ("500 Internal Server Error", "agent.unavailable", True),
        ("401 Unauthorized", "agent.http", False),
        ("400 Bad Request", "agent.http", False),
    ],
)
def test_a_status_that_is_no_success_is_an_error(status: str, code: str, again: bool) -> None:
    body = {"error": {"message": f"no, {TOKEN}", "type": "x"}}
    failed = error_of(lambda _: answer(body, status, "Retry-After: 2"), SCHEMA)
    assert (failed.code, failed.failure().retryable, failed.retry_after) == (code, again, 2)
    assert "no, ***" in failed.message


def test_the_model_may_be_named_by_a_variable() -> None:
    _, (seen,) = ask(lambda _: said("x"), model="m-${env.LLM_KEY}")
    assert seen.json["model"] == f"m-{TOKEN}"
    assert error_of(lambda _: said("x"), model="${env.NO_MODEL}").message.startswith(
        "`planner`: the variable `NO_MODEL`"
    )


def test_an_endpoint_keeps_its_query() -> None:
    async def main() -> str:
        async with Service(lambda _: said("x")) as service, open_client() as client:
            agent = OpenAIAgent(id="p", endpoint=f"{service.url}/v1/?version=7", model="m")
            await OpenAIAdapter(agent, connecting(client), {}, StoppedClock(), {}).call(
                request(prompt="x"), silent
            )
            return service.seen[0].target

    assert asyncio.run(main()) == "/v1/chat/completions?version=7"


# ---- streams -----------------------------------------------------------------------------------


def heard(reply: Reply, **fields: Any) -> tuple[AgentResult, list[str]]:
    told: list[str] = []
    asked = request(prompt="Plan")
    result, _ = with_model(reply, lambda adapter: adapter.call(asked, told.append), stream=True, **fields)
    return result, told


def test_the_pieces_of_a_stream_are_told_as_they_come() -> None:
    result, told = heard(
        streamed(b": hello\n\n", piece(""), piece("Be"), piece("gin."), piece(None, "stop"), LAST)
    )
    assert told == ["Be", "gin."]
    assert result == AgentResult(output="Begin.", text="Begin.", usage=COUNTED, finish="stop", model="tiny-2")


def test_a_stream_may_be_cut_anywhere_and_hold_any_line_break() -> None:
    text = "a\u2028b\x85c \x1b[31m[/red] {{ x }} ${env.LLM_KEY} \U0001f600"
    whole = piece(text).replace(b"\n\n", b"\r\n\r\n") + piece(None, "stop") + LAST
    result, _ = heard(lambda _: [HEAD, *(whole[i : i + 3] for i in range(0, len(whole), 3))])
    assert result.output == text


def test_a_token_in_the_pieces_of_a_stream_is_masked_however_it_is_cut() -> None:
    result, told = heard(
        streamed(piece("x " + TOKEN[:5]), piece(TOKEN[5:] + " y"), piece(None, "stop"), LAST)
    )
    assert result.output == "".join(told) == "x *** y"


def test_tools_in_pieces_are_put_together() -> None:
    pieces = [
        piece(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "add", "arguments": ""}}]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": '{"a":'}}]),
        piece(tool_calls=[{"index": 1, "id": "c2", "function": {"name": "now", "arguments": "{}"}}]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": " 1}"}}]),
    ]
    result, _ = heard(streamed(*pieces, piece(None, "tool_calls"), LAST))
    assert result.output == {
        "toolCalls": [
            {"id": "c1", "name": "add", "arguments": {"a": 1}},
            {"id": "c2", "name": "now", "arguments": {}},
        ]
    }


@pytest.mark.parametrize(
    "pieces",
    [
        [piece("Be")],
        [piece("Be"), piece(None, "stop")],
        [piece("Be"), b"data: [DONE]\n\n"],
        [piece("Be"), piece(None, "stop")[:-12]],
        [],
    ],
    ids=["no end", "no [DONE]", "no reason", "cut in a piece", "nothing"],
)
def test_a_stream_without_its_whole_end_is_truncated(pieces: list[bytes]) -> None:
    failed = error_of(streamed(*pieces), stream=True)
    assert failed.code == "agent.truncated"
    assert failed.failure().retryable


@pytest.mark.parametrize(
    "end", [b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n\r\n", b"data:[DONE]\n\n"]
)
def test_line_breaks_after_the_last_word_may_be_missing(end: bytes) -> None:
    assert heard(streamed(piece("x", "stop"), end))[0].output == "x"


def test_a_piece_that_is_not_json_is_invalid() -> None:
    failed = error_of(streamed(piece("Be"), b"data: <html>\n\n"), stream=True)
    assert failed.code == "agent.output_invalid"


def test_a_stream_whose_connection_breaks_is_truncated() -> None:
    head = HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    failed = error_of(lambda _: [head, b"1000\r\n" + piece("Be")], stream=True)
    assert failed.code == "agent.truncated"
    assert failed.failure().retryable


def test_what_is_told_of_one_answer_stands_apart_from_the_next() -> None:
    told: list[str] = []
    asked = request(prompt="Plan", schema=SCHEMA)
    replies = in_turn(
        b"".join([HEAD, piece("Sure"), piece("!", "stop"), LAST]),
        b"".join([HEAD, piece("[1]", "stop"), LAST]),
    )
    result, _ = with_model(replies, lambda adapter: adapter.call(asked, told.append), stream=True)
    assert result.output == [1]
    assert told == ["Sure", "!", "\n", "[1]"]


def test_an_error_in_a_stream_is_an_error() -> None:
    failed = error_of(streamed(piece("Be"), b'data: {"error": {"message": "overloaded"}}\n\n'), stream=True)
    assert failed.code == "agent.unavailable"
    assert "overloaded" in failed.message


def test_an_endpoint_that_does_not_stream_is_heard_at_once() -> None:
    result, told = heard(lambda _: said("Begin."))
    assert (result.output, told) == ("Begin.", ["Begin."])


def test_an_endpoint_that_does_not_know_usage_in_streams_is_asked_without() -> None:
    def reply(seen: Seen) -> bytes | list[bytes]:
        if "stream_options" in seen.json:
            return answer({"detail": "unknown field stream_options"}, "422 Unprocessable Entity")
        return [HEAD, piece("x", "stop"), b"data: [DONE]\n\n"]

    result, _ = heard(reply)
    assert result.output == "x"
    assert result.usage is None


def test_a_stream_that_hangs_has_its_deadline() -> None:
    def hang(_: Seen) -> bytes:
        raise Hang

    failed, _ = with_model(
        hang, lambda adapter: refused(adapter.call(request(prompt="x", timeout=0.05), silent)), stream=True
    )
    assert failed.code == "agent.timeout"


def test_five_megabytes_of_pieces_are_an_answer_and_more_than_ten_are_not() -> None:
    large = "x" * (1 << 20)
    result, told = heard(streamed(*[piece(large)] * 5, piece(None, "stop"), LAST))
    assert result.output == large * 5
    assert len(told) == 5
    failed = error_of(streamed(*[piece(large)] * 11, piece(None, "stop"), LAST), stream=True)
    assert failed.code == "agent.output_invalid"


# ---- the ladder --------------------------------------------------------------------------------


def levels_of(seen: list[Seen]) -> list[str]:
    return [one.json.get("response_format", {}).get("type", "prompt") for one in seen]


def test_the_endpoint_is_given_the_schema_to_hold_the_model_to() -> None:
    result, (seen,) = ask(lambda _: said('{"n": 1}'), SCHEMA)
    assert result.output == {"n": 1}
    assert seen.json["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": False},
    }


def test_an_endpoint_that_refuses_is_asked_one_level_below_and_remembered() -> None:
    def reply(seen: Seen) -> bytes:
        if seen.json.get("response_format", {}).get("type") == "json_schema":
            return answer({"error": {"message": "response_format is not supported"}}, "400 Bad Request")
        return said('```json\n{"n": 1}\n```')

    async def twice(adapter: OpenAIAdapter) -> list[AgentResult]:
        return [await adapter.call(request(prompt="x", schema=SCHEMA), silent) for _ in range(2)]

    results, seen = with_model(reply, twice)
    assert [(one.output, one.calls, one.usage) for one in results] == [({"n": 1}, 1, COUNTED)] * 2
    assert levels_of(seen) == ["json_schema", "json_object", "json_object"]
    assert '"required":["n"]' in seen[1].json["messages"][0]["content"]


def test_prose_leads_down_and_everything_used_on_the_way_counts() -> None:
    levels: Levels = {}
    result, seen = ask(in_turn(said("Sure!"), said("Of course!"), said('{"n": 1}')), SCHEMA, levels=levels)
    assert result.output == {"n": 1}
    assert (result.calls, result.usage) == (3, Usage(input_tokens=12, output_tokens=12, cache_read=18))
    assert levels_of(seen) == ["json_schema", "json_object", "prompt"]
    assert list(levels.values()) == ["prompt"]


def test_a_model_that_never_answers_with_json_is_invalid() -> None:
    levels: Levels = {}
    failed = error_of(lambda _: said("Sure!"), SCHEMA, levels=levels)
    assert failed.code == "agent.output_invalid"
    assert failed.failure().retryable
    assert failed.details["answer"] == "Sure!"
    assert (failed.details["calls"], failed.details["usage"]["output_tokens"]) == (3, 12)
    assert list(levels.values()) == ["prompt"]


def test_a_level_that_the_definition_names_is_the_only_one() -> None:
    failed, seen = with_model(
        lambda _: said("Sure!"),
        lambda adapter: refused(adapter.call(request(prompt="x", schema=SCHEMA), silent)),
        output="json_object",
    )
    assert failed.code == "agent.output_invalid"
    assert levels_of(seen) == ["json_object"]


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Entity"])
def test_a_refusal_that_does_not_name_the_format_is_an_error(status: str) -> None:
    failed, seen = with_model(
        lambda _: answer({"error": "context too long"}, status),
        lambda adapter: refused(adapter.call(request(prompt="x", schema=SCHEMA), silent)),
    )
    assert failed.code == "agent.http"
    assert len(seen) == 1


def test_text_is_text_where_the_definition_wants_it() -> None:
    assert ask(lambda _: said('{"n": 1}'), SCHEMA, output="text")[0].output == '{"n": 1}'
    assert ask(lambda _: said('{"n": 1}'), output="json")[0].output == {"n": 1}


# ---- probes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "429 Too Many Requests"])
def test_an_endpoint_that_answers_is_there(status: str) -> None:
    _, (seen,) = with_model(lambda _: answer({}, status), lambda adapter: adapter.probe())
    assert (seen.method, seen.target) == ("GET", "/v1/models")


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "502 Bad Gateway"])
def test_an_endpoint_that_fails_or_lets_nobody_in_is_not_there(status: str) -> None:
    failed, _ = with_model(lambda _: answer({}, status), lambda adapter: refused(adapter.probe()))
    assert failed.details["status"] == int(status[:3])
