"""Agents of kind mcp against servers that nobody here wrote, from the command line and over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mplp_cli.errors import AgentError
from mplp_cli.workflow.agents import McpAgent
from tests.agents.test_mcp_agents import Place, ask
from tests.cli.conftest import Terminal, until
from tests.counterparts.programs import Program, by_node, node, started

EVERYTHING = "@modelcontextprotocol/server-everything/dist/index.js"
FILES = "@modelcontextprotocol/server-filesystem/dist/index.js"

FLOW = """\
workflow:
  id: tools
  name: Tools
  version: 1.0.0
  steps:
    - {id: write, type: agent, agent: files, input: {tool: write_file, arguments: {path: "%s/b.txt", content: one}}}
    - {id: read, type: agent, dependencies: [write], capability: mcp:read_text_file, input: {path: "%s/b.txt"}}
    - {id: sum, type: agent, agent: everything, input: {tool: get-sum, arguments: {a: 2, b: 40}}}
    - {id: weather, type: agent, capability: mcp:get-structured-content, input: {location: New York}}
  outputs:
    read: ${read.result}
    sum: ${sum.result}
    weather: ${weather.result.conditions}
"""

LONG = """\
workflow:
  id: long
  name: Long
  version: 1.0.0
  steps:
    - id: long
      type: agent
      capability: mcp:trigger-long-running-operation
      input: {duration: 600, steps: 6000}
"""


@pytest.fixture
def project(tmp_path: Path, modules: Path) -> Iterator[Terminal]:
    """A project whose agents are the servers, and a folder `data` with a file."""
    terminal = Terminal(tmp_path)
    data = terminal.directory / "data"
    data.mkdir()
    terminal.write("data/a.txt", "hello")
    agents = [
        {"id": "everything", "kind": "mcp", "command": [node(), str(modules / EVERYTHING), "stdio"]},
        {"id": "files", "kind": "mcp", "command": [node(), str(modules / FILES), str(data)]},
    ]
    terminal.write("agents.yaml", json.dumps({"agents": agents}))
    terminal.write("flow.yaml", FLOW % (data, data))
    terminal.write("long.yaml", LONG)
    yield terminal
    for process in terminal.started:
        process.kill()
        process.communicate()


def servers(place: Path) -> list[psutil.Process]:
    """The servers of a project, which can be told by the run that their environment names."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any("modelcontextprotocol" in word for word in process.info["cmdline"] or ()):
            try:
                if process.cwd() == str(place):
                    found.append(process)
            except psutil.Error:
                continue
    return found


def test_a_workflow_calls_tools_and_their_servers_end_with_it(project: Terminal) -> None:
    ended = project("run", "flow.yaml", "--output", "json")
    assert ended.code == 0, ended.err
    assert ended.document["outputs"] == {
        "read": {"content": "one"},
        "sum": "The sum of 2 and 40 is 42.",
        "weather": "Cloudy",
    }
    assert not servers(project.directory)
    offered = project("agents", "capabilities", "files").out.splitlines()
    assert "mcp:read_text_file" in offered
    found = project("agents", "discover", "--kind", "mcp", "--capability", "mcp:ech*", "--output", "json")
    assert [one["id"] for one in found.document["agents"]] == ["everything"]
    refused = project(
        "agents", "call", "files", "--input", "{tool: read_text_file, arguments: {path: /etc/passwd}}"
    )
    assert (refused.code, "Access denied" in refused.err) == (1, True)


def test_a_server_ends_when_its_run_is_cancelled_or_its_driver_is_killed(project: Terminal) -> None:
    def begun() -> Any:
        process = project.start("run", "long.yaml")
        until(lambda: servers(project.directory))
        return process

    process = begun()
    process.terminate()
    process.wait(30)
    assert not servers(project.directory)
    process = begun()
    process.kill()
    process.wait(30)
    until(lambda: not servers(project.directory))


@pytest.fixture(scope="module")
def everything(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    place = tmp_path_factory.mktemp("everything")
    with started(by_node(modules / EVERYTHING, "streamableHttp"), place) as program:
        yield program


def test_a_server_is_called_over_http(everything: Program, tmp_path: Path) -> None:
    place = Place(tmp_path)
    agent = McpAgent(id="a", endpoint=f"{everything.url}/mcp", discovers=True)
    asked = [ask("get-sum", arguments={"a": n, "b": 1}) for n in range(3)]
    structured = ask(agent="", capability="mcp:get-structured-content", input={"location": "Chicago"})
    image, slow = (
        ask("get-tiny-image"),
        ask("trigger-long-running-operation", arguments={"duration": 0.1, "steps": 2}),
    )
    *sums, weather, blocks, _, unfit = place.ask(agent, *asked, structured, image, slow, ask("get-sum"))
    assert sums == [f"The sum of {n} and 1 is {n + 1}." for n in range(3)]
    assert set(weather) == {"temperature", "conditions", "humidity"}
    assert [block["type"] for block in blocks] == ["text", "image", "text"]
    assert "2 of 2\n" in place.told
    assert isinstance(unfit, AgentError)
    assert unfit.code == "agent.tool"


def test_a_server_of_an_older_protocol_is_called_over_http(modules: Path, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    tool = {"name": "lookup", "description": "x", "inputSchema": schema, "result": "42"}
    told = {
        "port": 0,
        "mcp": {"path": "/mcp", "serverInfo": {"name": "aimock", "version": "1"}, "tools": [tool]},
    }
    (tmp_path / "aimock.json").write_text(json.dumps(told))
    command = by_node(modules / "@copilotkit/aimock/dist/aimock-cli.js", "-c", "aimock.json", "-p", "{port}")
    with started(command, tmp_path) as program:
        agent = McpAgent(id="a", endpoint=f"{program.url}/mcp")
        assert Place(tmp_path).ask(agent, ask(input={"q": "everything"})) == "42"
        program.end()
        assert Place(tmp_path).ask(agent, ask(input={"q": "again"})).code == "agent.unavailable"
