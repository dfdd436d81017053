"""Agents of kind a2a where things go wrong: cards, connections, tokens, and answers that were lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.agents import extras
from mplp_cli.agents.ailments import ailments
from mplp_cli.agents.contract import AgentRequest, Resumed
from mplp_cli.errors import AgentError
from mplp_cli.loading.agents import Beside, load_agents
from mplp_cli.workflow.agents import A2aAgent
from tests.agents.services import Hang, Seen, Service, answer
from tests.agents.test_mcp_agents import Place, ask

TOKEN = "t0ken-t0ken"


def card(url: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "R",
        "supportedInterfaces": [
            {"url": f"{url}/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        ],
        "capabilities": {"streaming": True},
        "defaultInputModes": ["text/plain"],
        "skills": [],
        **more,
    }


def task(state: str, words: str = "", **more: Any) -> dict[str, Any]:
    message = {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": words}]}
    status = {"state": f"TASK_STATE_{state}", **({"message": message} if words else {})}
    return {"id": "t1", "contextId": "c1", "status": status, **more}


def talk(
    folder: Path,
    say: Any,
    *asked: AgentRequest,
    private: bool = False,
    cards: Any = None,
    **keys: Any,
) -> tuple[Any, list[Seen]]:
    """What comes of requests to an agent, and what it was sent. It answers `say(method, params)`, or `say` itself;
    `cards` is its card if it has another."""

    async def main() -> tuple[Any, list[Seen]]:
        def reply(seen: Seen) -> bytes | list[bytes]:
            if seen.method == "GET":
                found = card(service.url) if cards is None else cards
                return found if isinstance(found, bytes) else answer(found)
            said = say(seen.json["method"], seen.json["params"]) if callable(say) else say
            if isinstance(said, (bytes, list)):
                return said
            return answer({"jsonrpc": "2.0", "id": seen.json["id"], **said})

        async with Service(reply) as service:
            agent = A2aAgent(id="a", endpoint=service.url, repair_attempts=0, **keys)
            agents = Place(folder).agents(agent, deny_private=private)
            found: list[Any] = []
            try:
                for request in asked or (ask(prompt="p"),):
                    try:
                        found.append((await agents.ask(request, lambda text: None)).output)
                    except AgentError as error:
                        found.append(error)
            finally:
                await agents.aclose()
            return (found[0] if len(found) == 1 else found), service.seen

    return asyncio.run(main())


def completed(_method: str, _params: dict[str, Any]) -> dict[str, Any]:
    done = task("COMPLETED", artifacts=[{"artifactId": "x", "parts": [{"text": f"echo {TOKEN}"}]}])
    return {"result": {"task": done}}


def test_a_card_that_is_none_or_leads_nowhere_is_told_as_such(tmp_path: Path) -> None:
    cards: list[tuple[Any, str, str]] = [
        ({"skills": 3}, "agent.remote", "is not the card of an agent"),
        (answer(b"<html>", kind="text/html"), "agent.output_invalid", "the answer is not JSON"),
        (answer({}, "404 Not Found"), "agent.http", "404 Not Found"),
        (answer({}, "401 Unauthorized"), "agent.http", "401"),
        ({"name": "R", "skills": []}, "agent.remote", "its card has nothing"),
    ]
    for found, code, words in cards:
        error, _ = talk(tmp_path, completed, cards=found)
        assert error.code == code, error.message
        assert words in error.message
        assert not error.failure().retryable


def test_tokens_go_to_the_server_of_the_endpoint_only_and_come_back_from_nowhere(tmp_path: Path) -> None:
    output, seen = talk(tmp_path, completed, bearer_env="TOKEN")
    assert output == "echo ***"
    assert [one.headers["authorization"] for one in seen] == [f"Bearer {TOKEN}"] * 2
    elsewhere = card("http://localhost:1")
    error, seen = talk(tmp_path, completed, bearer_env="TOKEN", cards=elsewhere)
    assert (error.code, error.details["sent"], len(seen)) == ("guard.denied", False, 1)
    assert "http://localhost:1" in error.message


def test_private_addresses_are_denied_where_those_of_http_steps_are(tmp_path: Path) -> None:
    error, seen = talk(tmp_path, completed, private=True)
    assert (error.code, seen) == ("guard.denied", [])


def test_what_is_not_of_the_protocol_is_an_error_of_the_agent(tmp_path: Path) -> None:
    said: list[tuple[Any, str, str]] = [
        ({"result": {}}, "agent.remote", "neither task nor message"),
        ({"result": [1]}, "agent.remote", ""),
        (answer(b"gar\x1bbage"), "agent.remote", ""),
        (
            {"error": {"code": -32001, "message": "[/red] no such task"}},
            "agent.remote",
            "[/red] no such task",
        ),
        (answer(None, "429 Too Many Requests", "Retry-After: 7"), "agent.rate_limited", "429"),
        (answer(None, "503 Service Unavailable"), "agent.unavailable", "503"),
        (answer({"x": "y" * (11 << 20)}), "agent.output_invalid", "10 MiB"),
        ({"result": {"task": task("AUTH_REQUIRED", "log in")}}, "agent.remote", "credentials"),
        ({"result": {"task": task("CANCELED")}}, "agent.cancelled", "cancelled"),
    ]
    for reply, code, words in said:
        error, _ = talk(tmp_path, reply)
        assert error.code == code, error.message
        assert words in error.message


def test_a_stream_that_breaks_off_is_followed_by_looking_at_the_task(tmp_path: Path) -> None:
    def say(method: str, _params: dict[str, Any]) -> Any:
        if method == "GetTask":
            return {"result": completed("", {})["result"]["task"]}
        first = {"jsonrpc": "2.0", "id": "1", "result": {"task": task("WORKING")}}
        return [
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            _chunk(first),
        ]

    output, seen = talk(tmp_path, say, stream=True)
    assert output == f"echo {TOKEN}"
    assert [one.json["method"] for one in seen[1:]] == ["SendStreamingMessage", "GetTask"]


def _chunk(value: Any) -> bytes:
    data = f"data: {json.dumps(value)}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_an_answer_is_given_only_to_a_task_that_still_asks_the_same(tmp_path: Path) -> None:
    stands = {
        "waits": task("INPUT_REQUIRED", "which one?"),
        "asks something else": task("INPUT_REQUIRED", "really?"),
        "has got it": completed("", {})["result"]["task"],
    }
    asked = {"agent": "a", "taskId": "t1", "contextId": "c1", "question": "which one?"}
    request = ask(prompt="p", resumed=Resumed(asked=asked, answer="that"))
    outcomes: dict[str, Any] = {}
    sent: dict[str, list[str]] = {}
    for name, stand in stands.items():

        def say(method: str, params: dict[str, Any], stand: dict[str, Any] = stand) -> Any:
            return {"result": stand} if method == "GetTask" else completed(method, params)

        outcomes[name], seen = talk(tmp_path, say, request)
        sent[name] = [one.json["method"] for one in seen[1:]]
    assert sent["waits"] == ["GetTask", "SendMessage"]
    assert sent["asks something else"] == sent["has got it"] == ["GetTask"]
    assert outcomes["has got it"] == outcomes["waits"] == f"echo {TOKEN}"
    error = outcomes["asks something else"]
    assert (error.code, error.details["question"]) == ("agent.input_required", "really?")


def test_an_agent_that_says_nothing_is_given_up_in_time_and_nothing_stays_open(tmp_path: Path) -> None:
    def say(_method: str, _params: dict[str, Any]) -> Any:
        raise Hang

    error, _ = talk(tmp_path, say, ask(prompt="p", timeout=1.5))
    assert error.code == "agent.timeout"


def test_without_the_sdk_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extras.EXTRAS, "a2a", ("no-such-package", (1, 3)))
    command = 'pip install "mplp-cli[a2a]"'
    agent = A2aAgent(id="a", endpoint="http://127.0.0.1:1")
    error = Place(tmp_path).ask(agent, ask(prompt="p"))
    assert (error.code, error.hint) == ("agent.unavailable", command)
    [ill] = ailments(agent, str(tmp_path), {})
    assert (ill.code, ill.hint) == ("extra-missing", command)
    text = b"agents: [{id: a, kind: a2a, endpoint: 'http://h'}]"
    found, [problem] = load_agents(text, "agents.yaml", beside=Beside(missing=extras.missing_extra))
    assert found is not None
    assert (problem.code, problem.severity, problem.hint) == ("agent-extra", "warning", command)
