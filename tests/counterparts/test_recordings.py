"""MCP servers, A2A agents and models replayed where nothing can be asked; and a whole team on a model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Terminal
from tests.cli.test_cassettes import alone, timeless
from tests.counterparts.programs import Program, by_node, node, placed, started

ROOT = Path(__file__).parents[2]
EVERYTHING = "@modelcontextprotocol/server-everything/dist/index.js"
FLOW = """\
workflow:
  id: others
  name: Others
  version: 1.0.0
  steps:
    - {id: sum, type: agent, agent: everything, input: {tool: get-sum, arguments: {a: 2, b: 40}}}
    - {id: weather, type: agent, capability: "mcp:get-structured-content", input: {location: New York}}
    - {id: wrong, type: agent, agent: everything, input: {tool: no-such-tool, arguments: {}},
       fallback-actions: [{condition: error, action: use-value, value: none}]}
    - {id: review, type: agent, agent: legal, prompt: "review ${sum.result}"}
    - {id: fails, type: agent, agent: live, prompt: fail,
       fallback-actions: [{condition: error, action: use-value, value: failed}]}
    - {id: pieces, type: agent, agent: live, prompt: pieces}
  outputs: {review: "${review.result}", sum: "${sum.result}", pieces: "${pieces.result}"}
"""
READING = {"path": "x", "summary": "two sentences", "findings": [{"line": 4, "text": "It is fast."}]}
VERDICT = {"decision": "approve", "reason": "it is enough", "confidence": 0.5, "remarks": []}
REPORT = {"title": "On caches", "markdown": "# On caches\n\nYes.\n"}
#: What a model answers to each member of the team.
ANSWERS = {
    "Plan the steps": {"steps": [{"description": "Read", "agentRole": "researcher"}]},
    "Which sentences": READING,
    "Do these findings": VERDICT,
    "Write the report": REPORT,
}


@pytest.fixture
def project(modules: Path, terminal: Terminal, tmp_path: Path) -> Iterator[Terminal]:
    """A project with an MCP server and an A2A agent."""
    script = placed("a2a_agent.mjs", modules, tmp_path)
    with started(by_node(script), tmp_path, ready="/tasks") as server:
        agents = [
            {"id": "everything", "kind": "mcp", "command": [node(), str(modules / EVERYTHING), "stdio"]},
            {"id": "legal", "kind": "a2a", "endpoint": server.url},
            {"id": "live", "kind": "a2a", "endpoint": server.url, "stream": True},
        ]
        terminal.write("agents.yaml", json.dumps({"agents": agents}))
        terminal.write("w.yaml", FLOW)
        yield terminal


def test_tools_and_remote_agents_are_replayed_where_nothing_can_be_asked(project: Terminal) -> None:
    seeded = ("--seed", "7", "--output", "json")
    live = project("run", "w.yaml", "--record", "c.jsonl", *seeded)
    assert live.code == 0, live.err
    assert live.document["outputs"]["review"].startswith("approved: review")
    again = alone(project, "run", "w.yaml", "--replay", "c.jsonl", "--strict", "--ephemeral", *seeded)
    assert (again.code, timeless(again.out)) == (0, timeless(live.out)), again.err


@pytest.fixture
def model(modules: Path, tmp_path: Path) -> Iterator[Program]:
    fixtures: list[dict[str, Any]] = [
        {"match": {"userMessage": asked}, "response": {"content": json.dumps(answer)}}
        for asked, answer in ANSWERS.items()
    ]
    (tmp_path / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}), "utf-8")
    config = {"strict": True, "llm": {"fixtures": "./fixtures.json"}}
    (tmp_path / "aimock.json").write_text(json.dumps(config), "utf-8")
    script = modules / "@copilotkit/aimock/dist/aimock-cli.js"
    with started(
        by_node(script, "-c", "aimock.json", "-p", "{port}"), tmp_path, ready="/v1/models"
    ) as program:
        yield program


def test_the_research_team_asks_a_model_where_the_environment_names_one(
    terminal: Terminal, model: Program
) -> None:
    terminal.env |= {"LLM_BASE_URL": f"{model.url}/v1", "LLM_MODEL": "any", "LLM_API_KEY": "none"}
    waits = terminal("run", ROOT / "workflows" / "research-team.yaml", "--output", "json")
    assert waits.code == 3, waits.err
    assert terminal("approve", "research-team", "--by", "ann").code == 0
    ended = terminal("resume", "research-team", "--output", "json")
    assert (ended.code, ended.document["outputs"]["title"]) == (0, "On caches"), ended.err
    assert (terminal.directory / "report.md").read_text("utf-8") == REPORT["markdown"]
    agents = ended.document["agents"]
    assert (agents["calls"], agents["unpriced"], agents["unpricedModels"]) == (9, 6, ["any"])
