"""Agents that are services, against a service on a loopback port."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from mplp_cli.agents.adapters.http import HttpAdapter
from mplp_cli.agents.adapters.wire import MAX_BODY, seconds_until
from mplp_cli.errors import AgentError
from mplp_cli.workflow.agents import HttpAgent
from mplp_cli.workflow.retry import Retry
from tests.agents.services import (
    ENVIRON,
    NOW,
    TOKEN,
    Hang,
    Seen,
    Service,
    StoppedClock,
    answer,
    connecting,
    mocked,
    open_client,
    refused,
    request,
    silent,
)

Reply = Callable[[Seen], bytes | list[bytes]]


def with_service(
    reply: Reply, work: Callable[[HttpAdapter], Awaitable[Any]], **fields: Any
) -> tuple[Any, list[Seen]]:
    """What `work` gives with the adapter of a service at `/leads`, and what the service was asked."""

    async def main() -> tuple[Any, list[Seen]]:
        async with Service(reply) as service, open_client() as client:
            agent = HttpAgent(id="crm", **{"endpoint": f"{service.url}/leads", **fields})
            adapter = HttpAdapter(agent, connecting(client), ENVIRON, StoppedClock())
            return await work(adapter), service.seen

    return asyncio.run(main())


def call(reply: Reply, asked: Any = None, **fields: Any) -> tuple[Any, list[Seen]]:
    return with_service(
        reply,
        lambda adapter: adapter.call(request(input={"q": 1}) if asked is None else asked, silent),
        **fields,
    )


def error_of(reply: Reply, **fields: Any) -> AgentError:
    failed, _ = with_service(
        reply, lambda adapter: refused(adapter.call(request(input={"q": 1}), silent)), **fields
    )
    assert isinstance(failed, AgentError)
    assert failed.details["agent"] == "crm"
    assert TOKEN not in repr((failed.message, failed.hint, failed.details, failed.__context__))
    return failed


def test_the_input_is_sent_as_json_with_the_token_and_the_key_of_the_effect() -> None:
    asked = request(input={"name": "Ada"}, idempotency_key="key-1")
    result, (seen,) = call(
        lambda _: answer({"score": 7}), asked, method="PUT", headers={"X-Team": "blue"}, bearer_env="LLM_KEY"
    )
    assert result.output == {"score": 7}
    assert (seen.method, seen.target, seen.json) == ("PUT", "/leads", {"name": "Ada"})
    assert seen.headers["authorization"] == f"Bearer {TOKEN}"
    assert seen.headers["idempotency-key"] == "key-1"
    assert seen.headers["x-team"] == "blue"
    assert seen.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"input": [1]}, [1]),
        ({"prompt": "hello"}, {"prompt": "hello"}),
        ({"prompt": "hello", "input": 1}, {"prompt": "hello", "input": 1}),
        ({}, None),
    ],
)
def test_a_prompt_goes_along_with_the_input(fields: dict[str, Any], body: Any) -> None:
    _, (seen,) = call(lambda _: answer(1), request(**fields))
    assert seen.json == body


def test_an_answer_without_a_body_is_null() -> None:
    assert call(lambda _: answer(b"", "204 No Content"))[0].output is None


def test_headers_and_the_endpoint_may_name_variables() -> None:
    result, (seen,) = call(lambda _: answer(1), headers={"X-Key": "k ${env.LLM_KEY}"})
    assert seen.headers["x-key"] == f"k {TOKEN}"
    assert result.output == 1


def test_a_rate_limit_says_after_how_many_seconds_to_come_back() -> None:
    failed = error_of(lambda _: answer({"error": "slow"}, "429 Too Many Requests", "Retry-After: 7"))
    assert failed.code == "agent.rate_limited"
    assert failed.failure().retryable
    assert failed.retry_after == 7
    assert Retry(max_retries=1).wait(failed.failure(), 1) == 7000
    assert failed.message.endswith("was answered with 429 Too Many Requests: slow")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), (" 3 ", 3), ("Thu, 01 Jan 2026 00:01:00 GMT", 60), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("", None), ("soon", None), ("-1", None), ("Thu, 99 Jan 2026 00:00:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert seconds_until(text, NOW) == seconds


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [
        ("500 Internal Server Error", "agent.unavailable", True),
        ("503 Service Unavailable", "agent.unavailable", True),
        ("401 Unauthorized", "agent.http", False),
        ("403 Forbidden", "agent.http", False),
        ("404 Not Found", "agent.http", False),
        ("408 Request Timeout", "agent.http", True),
    ],
)
def test_a_status_that_is_no_success_is_an_error(status: str, code: str, again: bool) -> None:
    failed = error_of(lambda _: answer({"message": "no"}, status), bearer_env="LLM_KEY")
    assert (failed.code, failed.failure().retryable) == (code, again)
    assert failed.details["status"] == int(status[:3])


def test_a_service_that_is_not_there_is_unavailable_and_was_sent_nothing() -> None:
    failed = error_of(lambda _: b"", endpoint="http://127.0.0.1:1/leads")
    assert failed.code == "agent.unavailable"
    assert failed.failure().retryable
    assert failed.details["sent"] is False
    assert failed.message == "`crm`: POST http://127.0.0.1:1/leads: Connection refused"


def test_a_service_that_dies_before_it_answers_is_unavailable() -> None:
    assert error_of(lambda _: []).code == "agent.unavailable"


def test_an_answer_that_breaks_off_is_truncated() -> None:
    failed = error_of(lambda _: [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\n[1,2,\r\n"])
    assert failed.code == "agent.truncated"
    assert failed.failure().retryable


def test_an_answer_that_is_not_json_is_invalid() -> None:
    failed = error_of(lambda _: answer(b"<html>hello</html>", kind="text/html"))
    assert failed.code == "agent.output_invalid"
    assert "is not JSON" in failed.message
    assert failed.details["body"] == "<html>hello</html>"


def test_an_answer_without_a_bottom_is_invalid() -> None:
    deep = b"[" * 900 + b"]" * 900
    assert error_of(lambda _: answer(deep), bearer_env="LLM_KEY").code == "agent.output_invalid"


def test_a_service_that_hangs_has_its_deadline() -> None:
    def hang(_: Seen) -> bytes:
        raise Hang

    failed, _ = with_service(hang, lambda adapter: refused(adapter.call(request(timeout=0.05), silent)))
    assert failed.code == "agent.timeout"
    assert failed.details["timeout"] == 50


def test_five_megabytes_are_an_answer_and_more_than_ten_are_not() -> None:
    large = "x" * (5 << 20)
    assert call(lambda _: answer(large))[0].output == large
    failed = error_of(lambda _: answer(b'"' + b"x" * MAX_BODY + b'"'))
    assert failed.code == "agent.output_invalid"
    assert "more than 10 MiB" in failed.message


def test_hostile_text_arrives_as_data() -> None:
    hostile = ["[/red]", "\x1b[31m", "${env.LLM_KEY}", "{{ 1 + 1 }}", "$(reboot)", "\u2028", "</script>"]
    assert call(lambda _: answer(hostile))[0].output == hostile


def test_a_redirect_that_repeats_the_request_is_followed_within_the_origin() -> None:
    def reply(seen: Seen) -> bytes:
        if seen.target == "/leads":
            return answer(b"", "307 Temporary Redirect", "Location: /v2/leads")
        return answer(seen.json)

    result, seen = call(reply, bearer_env="LLM_KEY")
    assert result.output == {"q": 1}
    assert [one.target for one in seen] == ["/leads", "/v2/leads"]


def test_a_redirect_to_another_origin_is_not_followed() -> None:
    async def main() -> None:
        async with Service(lambda _: answer(1)) as other, open_client() as client:
            away = answer(b"", "307 Temporary Redirect", f"Location: {other.url}/steal?x=1")
            async with Service(lambda _: away) as service:
                agent = HttpAgent(id="crm", endpoint=service.url, bearer_env="LLM_KEY")
                adapter = HttpAdapter(agent, connecting(client), ENVIRON, StoppedClock())
                failed = await refused(adapter.call(request(), silent))
                assert failed.code == "agent.http"
                assert f"leads to {other.url}" in failed.message
                assert not failed.failure().retryable
                assert other.seen == []

    asyncio.run(main())


def test_a_redirect_that_would_change_the_request_is_an_error() -> None:
    failed = error_of(lambda _: answer(b"", "302 Found", "Location: /login"))
    assert failed.code == "agent.http"
    assert failed.hint is not None
    assert "redirects" in failed.hint


def test_redirects_in_a_circle_end() -> None:
    failed = error_of(lambda _: answer(b"", "307 Temporary Redirect", "Location: /leads"))
    assert "from one redirect to the next" in failed.message


@pytest.mark.parametrize("body", [{"error": {"message": f"bad token {TOKEN}"}}, TOKEN, [TOKEN]])
def test_a_service_that_says_the_token_back_does_not_spread_it(body: Any) -> None:
    failed = error_of(lambda _: answer(body, "401 Unauthorized"), bearer_env="LLM_KEY")
    assert "***" in repr(failed.details)
    result, _ = call(lambda _: answer(body), bearer_env="LLM_KEY")
    assert TOKEN not in repr(result.output)


def test_secrets_in_the_address_are_not_told() -> None:
    async def main() -> str:
        agent = HttpAgent(id="crm", endpoint="http://me:pass-word-1@crm.example/x?key=query-key-1")
        adapter = HttpAdapter(agent, mocked(lambda _: httpx2.Response(500)), {}, StoppedClock())
        return repr((await refused(adapter.call(request(), silent))).failure())

    told = asyncio.run(main())
    assert "POST http://crm.example/x was answered with 500" in told
    assert "pass-word-1" not in told
    assert "query-key-1" not in told


def test_a_variable_within_a_header_is_masked() -> None:
    failed = error_of(
        lambda _: answer(f"not {TOKEN}", "500 No"), headers={"X-Signed": "by=${env.LLM_KEY};v=1"}
    )
    assert failed.message.endswith("not ***")


def test_a_variable_that_is_not_set_is_named() -> None:
    failed = error_of(lambda _: answer(1), bearer_env="NO_SUCH_KEY")
    assert failed.code == "agent.unavailable"
    assert "`NO_SUCH_KEY`" in failed.message
    assert not failed.failure().retryable


def test_an_empty_variable_means_that_no_token_is_needed() -> None:
    async def main() -> Any:
        def reply(asked: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, json="authorization" in asked.headers)

        agent = HttpAgent(id="crm", endpoint="http://crm.example", bearer_env="KEY")
        adapter = HttpAdapter(agent, mocked(reply), {"KEY": ""}, StoppedClock())
        return (await adapter.call(request(), silent)).output

    assert asyncio.run(main()) is False


@pytest.mark.parametrize(
    "fields", [{"endpoint": "ftp://x"}, {"endpoint": "leads"}, {"headers": {"X": "a\nb"}}]
)
def test_what_cannot_be_sent_is_an_error(fields: dict[str, Any]) -> None:
    assert error_of(lambda _: answer(1), **fields).code == "agent.http"


def test_an_input_that_is_no_json_is_an_error() -> None:
    failed, seen = with_service(
        lambda _: answer(1), lambda adapter: refused(adapter.call(request(input={"a": object()}), silent))
    )
    assert failed.code == "agent.http"
    assert seen == []


def test_an_address_that_the_policy_of_the_machine_denies_is_not_called() -> None:
    from mplp_cli.engine.network import open_client as opened

    async def main() -> AgentError:
        async with Service(lambda _: answer(1)) as service, opened(deny_private=True) as client:
            agent = HttpAgent(id="crm", endpoint=service.url)
            failed = await refused(
                HttpAdapter(agent, connecting(client), {}, StoppedClock()).call(request(), silent)
            )
            assert service.seen == []
            return failed

    failed = asyncio.run(main())
    assert failed.code == "guard.denied"
    assert "not a public address" in failed.message
    assert failed.details["addresses"] == ["127.0.0.1"]


# ---- probes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "405 Method Not Allowed", "302 Found"])
def test_a_service_that_answers_is_there(status: str) -> None:
    _, (seen,) = with_service(lambda _: answer(b"", status), lambda adapter: adapter.probe())
    assert (seen.method, seen.target) == ("HEAD", "/leads")


@pytest.mark.parametrize("status", ["500 Internal Server Error", "401 Unauthorized", "403 Forbidden"])
def test_a_service_that_fails_or_lets_nobody_in_is_not_there(status: str) -> None:
    failed, (seen,) = with_service(
        lambda _: answer(b"", status), lambda adapter: refused(adapter.probe()), health="/healthz"
    )
    assert failed.details["status"] == int(status[:3])
    assert (seen.method, seen.target) == ("GET", "/healthz")


def test_a_service_that_cannot_be_reached_is_not_there() -> None:
    failed, _ = with_service(
        lambda _: b"", lambda adapter: refused(adapter.probe()), endpoint="http://127.0.0.1:1"
    )
    assert failed.code == "agent.unavailable"


def test_the_token_is_not_taken_to_a_health_path_elsewhere() -> None:
    failed, seen = with_service(
        lambda _: answer(1), lambda adapter: refused(adapter.probe()), health="http://127.0.0.1:1/x"
    )
    assert "another origin" in failed.message
    assert seen == []
