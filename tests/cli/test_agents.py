"""`mplp agents`: what the files of a project define, what is registered, and why one cannot be used."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Terminal

AGENTS = """\
budgets: {shared: {max-calls: 3}}
agents:
  - {id: planner, kind: openai, endpoint: "${env.BASE}", model: m, capabilities: [plan.create], budget: shared}
  - {id: linter, kind: command, command: [sh], capabilities: [text.lint], tags: [fast]}
"""
CRM = "id: crm\nkind: http\nendpoint: http://127.0.0.1:9/x\ncapabilities: [crm.lookup]\nheartbeat: {interval: 1ms}\n"


@pytest.fixture
def project(terminal: Terminal) -> Terminal:
    terminal.write("agents.yaml", AGENTS)
    terminal.write("crm.yaml", CRM)
    return terminal


def ids(terminal: Terminal, *words: str) -> list[str]:
    ended = terminal("agents", *words, "--output", "json")
    return [str(one["id"]) for one in ended.document["agents"]]


def test_without_agents_it_says_how_to_define_one(terminal: Terminal) -> None:
    ended = terminal("agents")
    assert (ended.code, ended.out) == (0, "")
    assert "mplp help agents" in ended.err
    assert terminal("agents", "-o", "json").document == {"agents": []}


def test_files_and_registrations_are_one_list(project: Terminal) -> None:
    answer = project("agents", "register", "crm.yaml", "-o", "json").document
    assert list(answer) == ["id", "agentId", "capabilities", "endpoints", "registeredAt", "status"]
    assert answer["endpoints"] == [{"url": "http://127.0.0.1:9/x"}]
    assert ids(project) == ["planner", "linter", "crm"]
    text = project("agents").out
    assert "agents.yaml" in text
    assert "registered" in text
    shown = project("agents", "show", "crm", "-o", "json").document
    assert shown["registration"] == answer
    assert shown["definition"]["heartbeat"] == {"interval": 1}
    assert project("agents", "capabilities", "crm").out == "crm.lookup\n"
    assert project("agents", "unregister", "crm").code == 0
    assert ids(project) == ["planner", "linter"]


def test_agents_are_discovered_by_what_they_can_do(project: Terminal) -> None:
    assert ids(project, "discover", "--capability", "plan.*") == ["planner"]
    assert ids(project, "discover", "--any-of", "text.lint", "--any-of", "plan.create") == [
        "planner",
        "linter",
    ]
    assert ids(project, "discover", "--tag", "fast", "--kind", "command") == ["linter"]
    found = project("agents", "discover", "-c", "text.lint", "-o", "json").document["agents"]
    assert found == [{"id": "linter", "capabilities": ["text.lint"], "status": "active", "lastSeen": None}]
    assert project("agents", "discover", "-c", "nothing").code == 1


def test_one_that_missed_its_heartbeats_is_unreachable_until_it_shows_itself(project: Terminal) -> None:
    project("agents", "register", "crm.yaml")
    assert ids(project, "discover", "--status", "unreachable") == ["crm"]
    assert project("agents", "doctor", "crm").code == 1
    assert project("agents", "heartbeat", "linter", "-o", "json").document["status"] == "active"


def test_the_doctor_says_what_is_missing(project: Terminal) -> None:
    ended = project("agents", "doctor")
    assert ended.code == 1
    assert "`BASE` is not set" in ended.out
    project.env["BASE"] = "http://127.0.0.1:9/v1"
    assert project("agents", "doctor", "-o", "json").document["agents"][0]["usable"] is True
    assert project("agents", "doctor").code == 0


@pytest.mark.parametrize("verb", ["show", "unregister", "capabilities", "heartbeat", "doctor"])
def test_an_unknown_agent_is_named_and_the_one_that_was_meant(project: Terminal, verb: str) -> None:
    ended = project("agents", verb, "lintr", "--output", "json")
    assert ended.code == 2
    assert '"AgentNotFoundError"' in ended.err
    assert "linter" in ended.err or verb == "unregister"


def test_a_file_that_is_not_valid_is_shown_with_its_places(project: Terminal) -> None:
    project.write("agents.yaml", AGENTS.replace("kind: command", "kind: comand"))
    ended = project("agents")
    assert ended.code == 2
    assert "agents.yaml:4:24" in ended.err
    assert "did you mean `command`?" in ended.err
    assert '"agent-unknown-kind"' in project("agents", "-o", "json").err


def test_a_definition_that_is_not_valid_is_not_registered(project: Terminal) -> None:
    project.write("crm.yaml", CRM.replace("endpoint", "endpont") + "budget: shard\n")
    ended = project("agents", "register", "crm.yaml")
    assert ended.code == 2
    assert "did you mean `endpoint`?" in ended.err
    assert "did you mean `shared`?" in ended.err
    assert ids(project) == ["planner", "linter"]


def test_settings_name_other_files_or_define_agents_themselves(project: Terminal) -> None:
    project.write("more.yaml", "agents: [{id: extra, kind: mock, default: 1}, {id: linter, kind: mock}]\n")
    project.write("mplp.yaml", "agents: [agents.yaml, more.yaml]\n")
    assert ids(project) == ["planner", "linter", "extra"]
    project.write("mplp.yaml", "agents: more.yaml\n")
    assert ids(project) == ["extra", "linter"]
    project.write("mplp.yaml", "agents:\n  - {id: here, kind: mock, default: 1}\n")
    assert ids(project) == ["here"]
    project.write("mplp.yaml", "agents:\n  - {id: here, kind: mok}\n")
    assert "mplp.yaml:2:22" in project("agents").err
    project.write("mplp.yaml", "agents: nowhere.yaml\n")
    ended = project("agents")
    assert ended.code == 2
    assert "nowhere.yaml" in ended.err


def test_a_workflow_may_name_what_the_project_has(project: Terminal) -> None:
    project.write(
        "flow.yaml",
        "workflow: {id: w, name: W, version: 1.0.0, steps: [{id: s, type: set, values: {}}]}\n"
        "agents: [{id: mine, kind: mock, fallback: [linter], budget: shared}]\n",
    )
    assert project("validate", "flow.yaml").code == 0
    assert project("run", "flow.yaml").code == 0
    project.write("agents.yaml", "agents: []\n")
    assert "agent-unknown-fallback" in project("validate", "flow.yaml").err


def test_hostile_words_in_a_definition_are_data(project: Terminal) -> None:
    project.write("agents.yaml", 'agents: [{id: a, kind: mock, name: "[/red] {{x}} ${y}", default: 1}]\n')
    assert "[/red] {{x}} ${y}" in project("agents", "show", "a").out


def test_agents_that_fall_back_to_each_other_are_refused(terminal: Terminal) -> None:
    (terminal.directory / "agents.yaml").write_text(
        "agents:\n"
        "  - {id: a, kind: mock, fallback: [d, b]}\n"
        "  - {id: b, kind: mock, fallback: [c]}\n"
        "  - {id: c, kind: mock, fallback: [d, a]}\n"
        "  - {id: d, kind: mock}\n"
    )
    ended = terminal("agents", "list", "--output", "json")
    assert ended.code == 2
    [problem] = json.loads(ended.err or ended.out)["error"]["details"]["problems"]
    assert (problem["code"], problem["line"], problem["column"]) == ("agent-fallback-cycle", 4, 39)
    assert problem["message"].endswith("a -> b -> c -> a")


def test_registering_is_an_event_and_a_copy_of_the_store_has_the_agents(terminal: Terminal) -> None:
    (terminal.directory / "one.yaml").write_text("{id: one, kind: mock, capabilities: [x]}")
    terminal("agents", "register", "one.yaml")
    (terminal.directory / "copy").mkdir()
    assert terminal("backup", "copy/", "--output", "json").document["agents"] == 1
    terminal("agents", "unregister", "one")
    told = terminal("events", "list", "--output", "json").document["events"]
    assert [one["type"] for one in told] == ["agent.registered", "agent.unregistered"]
    listed = terminal("agents", "list", "--state-dir", "copy", "--output", "json").document["agents"]
    assert [one["id"] for one in listed] == ["one"]
