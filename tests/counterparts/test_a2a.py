"""Agents of kind a2a against the server of `@a2a-js/sdk` and against aimock, through the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.workflow.agents import A2aAgent
from tests.agents.test_mcp_agents import Place, ask
from tests.cli.conftest import Terminal, until
from tests.counterparts.programs import Program, by_node, placed, started

HEAD = "workflow: {id: w, name: W, version: 1.0.0, max-parallel: 8, steps: [%s]}\n"
QUESTION = "`legal`: it asks: which ${inputs.x} environment?"


@pytest.fixture(scope="module")
def server(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("a2a")
    script = placed("a2a_agent.mjs", modules, folder)
    with started(by_node(script), folder, ready="/tasks") as program:
        yield program


@pytest.fixture
def project(server: Program, terminal: Terminal) -> Terminal:
    agents = [
        {"id": "legal", "kind": "a2a", "endpoint": server.url},
        {"id": "live", "kind": "a2a", "endpoint": server.url, "stream": True},
        {"id": "rest", "kind": "a2a", "endpoint": server.url, "stream": True, "transport": "HTTP+JSON"},
    ]
    terminal.write("agents.yaml", json.dumps({"agents": agents}))
    return terminal


def steps(*made: str) -> str:
    return HEAD % ", ".join(f"{{type: agent, {step}}}" for step in made)


def states(server: Program) -> list[str]:
    """How the tasks stand, oldest first."""
    return [state.removeprefix("TASK_STATE_") for state in server.get("/tasks").values()]


def test_streamed_or_not_and_over_both_transports_the_answers_are_the_same(
    project: Terminal, server: Program
) -> None:
    never = "fallback-actions: [{condition: error, action: skip}]"
    words = ["review", "json", "pieces", "nothing", "message", "fail", "reject"]
    made = [
        f"id: {agent}-{word}, agent: {agent}, prompt: {word}, {never}"
        for agent in ("legal", "live", "rest")
        for word in words
    ]
    project.write("w.yaml", steps(*made, "id: skill, capability: 'a2a:review-plan', input: {a: [1]}"))
    ended = project("run", "w.yaml", "--output", "json")
    assert ended.code == 0, ended.err
    for agent in ("legal", "live", "rest"):
        got = {word: ended.document["result"].get(f"{agent}-{word}") for word in words}
        assert got["review"] == "approved: review"
        assert got["json"] == {"approved": True, "given": "json", "score": 3}
        assert (got["pieces"], got["message"]) == ("one two three", "no task is needed")
        assert got["nothing"] is None
        errors = [ended.document["steps"][f"{agent}-{word}"]["error"] for word in ("fail", "reject")]
        assert [error["details"]["code"] for error in errors] == ["agent.remote"] * 2
        assert errors[0]["message"] == f"`{agent}`: its task failed: cannot do [/red] it"
        assert "will not do it" in errors[1]["message"]
    assert ended.document["result"]["skill"] == 'approved: {"a":[1]}'
    assert ["data"] in [one["kinds"] for one in server.get("/heard")]
    assert project("logs", "w", "live-pieces").out.count("one two three") == 1
    offered = project("agents", "capabilities", "rest").out.split()
    assert offered == ["a2a:review-plan", "a2a:legal"]


def test_what_an_agent_asks_a_person_answers_and_the_same_task_goes_on_in_another_process(
    project: Terminal, server: Program
) -> None:
    agents = ("legal", "live", "rest")
    said = {"legal": "ask once more", "live": "[/red] live", "rest": "[/red] rest"}
    project.write("w.yaml", steps(*(f"id: {agent}, agent: {agent}, prompt: ask {agent}" for agent in agents)))
    before = len(server.get("/heard"))
    assert project("run", "w.yaml").code == 3
    asked = project("approvals", "--output", "json").document["approvals"]
    assert {one["message"] for one in asked} == {QUESTION.replace("legal", agent) for agent in agents}
    refused = project("approve", "w", "live")
    assert (refused.code, "answer" in refused.err) == (2, True)
    for agent, words in said.items():
        assert project("approve", "w", agent, "--input", f"answer={words}").code == 0
    assert project("resume", "w").code == 3  # one of them asks again
    assert project("reject", "w", "legal", "--reason", "enough").code == 0
    ended = project("resume", "w", "--output", "json")
    assert {agent: ended.document["result"].get(agent) for agent in ("live", "rest")} == {
        agent: f"approved: [/red] {agent}" for agent in ("live", "rest")
    }
    assert "rejected" in ended.document["steps"]["legal"]["error"]["message"]
    heard = server.get("/heard")[before:]
    tasks = {one["said"].removeprefix("ask "): one["taskId"] for one in heard[:3]}
    assert {one["said"]: one["taskId"] for one in heard[3:]} == {said[agent]: tasks[agent] for agent in said}
    assert len({one["messageId"] for one in heard}) == 6


def test_a_deadline_and_a_cancelled_run_cancel_the_remote_task(project: Terminal, server: Program) -> None:
    begun = len(states(server))
    project.write(
        "w.yaml",
        steps(
            "id: a, agent: legal, prompt: wait, timeout: 2s", "id: b, agent: live, prompt: wait, timeout: 2s"
        ),
    )
    assert project("run", "w.yaml").code == 1
    assert states(server)[begun:] == ["CANCELED"] * 2
    project.write("w.yaml", steps("id: a, agent: legal, prompt: wait", "id: b, agent: rest, prompt: wait"))
    process = project.start("run", "w.yaml")
    until(lambda: states(server)[begun + 2 :] == ["WORKING"] * 2)
    process.terminate()
    process.communicate(timeout=30)
    assert states(server)[begun + 2 :] == ["CANCELED"] * 2


def test_a_task_that_nobody_knows_any_more_is_an_error_in_the_words_of_the_agent(
    server: Program, tmp_path: Path
) -> None:
    from mplp_cli.agents.contract import Resumed

    gone = Resumed(asked={"agent": "a", "taskId": "gone", "contextId": "c", "question": "q"}, answer="x")
    for transport in ("JSONRPC", "HTTP+JSON"):
        agent = A2aAgent(id="a", endpoint=server.url, transport=transport)
        error = Place(tmp_path).ask(agent, ask(resumed=gone, prompt="p"))
        assert error.code == "agent.remote"
        assert "not found" in error.message.lower()


def test_aimock_answers_in_one_piece_from_a_card_below_its_address(
    modules: Path, terminal: Terminal, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reviewer: dict[str, Any] = {
        "name": "reviewer",
        "description": "reviews",
        "version": "1.0.0",
        "skills": [{"id": "review", "name": "Review", "description": "d", "tags": ["t"]}],
        "capabilities": {"streaming": True},
        "messages": [{"pattern": "ping", "parts": [{"text": "pong"}]}],
        "tasks": [
            {
                "pattern": "review",
                "artifacts": [{"artifactId": "a", "name": "v", "parts": [{"text": "approve"}]}],
            }
        ],
    }
    folder = tmp_path_factory.mktemp("aimock-a2a")
    (folder / "aimock.json").write_text(json.dumps({"a2a": {"path": "/a2a", "agents": [reviewer]}}), "utf-8")
    script = modules / "@copilotkit/aimock/dist/aimock-cli.js"
    command = by_node(script, "-c", "aimock.json", "-p", "{port}")
    with started(command, folder, ready="/a2a/.well-known/agent-card.json") as aimock:
        agent = {"id": "r", "kind": "a2a", "endpoint": f"{aimock.url}/a2a"}
        terminal.write("agents.yaml", json.dumps({"agents": [agent]}))
        terminal.write("w.yaml", steps("id: m, agent: r, prompt: ping", "id: t, agent: r, prompt: review"))
        ended = terminal("run", "w.yaml", "--output", "json")
        assert ended.code == 0, ended.err
        assert ended.document["result"] == {"m": "pong", "t": "approve"}
