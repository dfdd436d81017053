"""`mplp interfaces`: agents take over reserved interfaces, for every process, until they are inert again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Terminal

#: A script of answers, a function, a program that is there, and one that is not.
AGENTS = """\
agents:
  - id: planner
    kind: mock
    capabilities: [plan.create]
    script: [{when: {goal: bad}, reply: [{title: no steps}]}, {when: {goal: "*"}, reply: [{title: Ship, steps: []}]}]
  - {id: seer, kind: python, entrypoint: "seers:predict", capabilities: [core.predict]}
  - {id: judge, kind: command, command: [sh, -c, 'cat > asked; echo "{\\"score\\": 0.5, \\"missing\\": []}"']}
  - {id: gone, kind: command, command: [no-such-program], capabilities: [confirm.recommend]}
activation:
  role.assessAgentCapabilities: {agent: judge}
"""
SEERS = "def predict(scenario):\n    return {'forecast': [scenario]}\n"
FLOW = """\
workflow:
  id: suggest
  name: Suggest
  version: 1.0.0
  steps:
    - {id: ideas, type: module-operation, module: plan, operation: generate-plan-suggestions, parameters: {goal: a}}
    - id: each
      type: foreach
      dependencies: [ideas]
      items: ${ideas.result}
      steps: [{id: one, type: set, values: {title: "${item.title}"}}]
  outputs: {ideas: "${ideas.result}"}
"""


@pytest.fixture
def project(terminal: Terminal) -> Terminal:
    terminal.write("agents.yaml", AGENTS)
    terminal.write("seers.py", SEERS)
    return terminal


def active(terminal: Terminal) -> dict[str, list[str]]:
    listed = terminal("interfaces", "-o", "json").document["interfaces"]
    return {
        f"{one['module']}.{one['interface']}": one["agents"] for one in listed if one["status"] == "active"
    }


def call(terminal: Terminal, interface: str, **given: Any) -> Any:
    return terminal("interfaces", "call", interface, "--input", json.dumps(given), "-o", "json").document


def test_without_agents_they_are_inert_and_activation_is_skipped(terminal: Terminal) -> None:
    listed = terminal("interfaces", "list", "-o", "json").document["interfaces"]
    assert len(listed) == 20
    assert {one["status"] for one in listed} == {"inert"}
    assert not (terminal.directory / ".mplp").exists(), "a question makes no state"
    ended = terminal("interfaces", "activate", "-o", "json")
    assert ended.code == 0
    assert ended.document == {"status": "skipped", "reason": "L4层不可用", "reasonCode": "l4-unavailable"}
    assert "there are no agents" in terminal("interfaces", "activate", "plan").err
    assert call(terminal, "plan.generatePlanSuggestions", goal="a") == []
    assert call(terminal, "plan.optimize-plan-with-ai") == {"status": "reserved", "optimization": "pending"}


def test_agents_take_over_what_they_can_and_one_that_is_gone_stops_only_its_module(project: Terminal) -> None:
    ended = project("interfaces", "activate", "-o", "json")
    assert ended.code == 1
    assert (ended.document["status"], ended.document["summary"]) == (
        "completed",
        {"modules": 10, "success": 3, "failed": 1, "skipped": 6, "interfaces": 3},
    )
    results = {one["moduleId"]: one for one in ended.document["moduleResults"]}
    assert results["plan"] == {
        "moduleId": "plan", "status": "success", "activatedInterfaces": ["generatePlanSuggestions"],
    }  # fmt: skip
    assert list(results["confirm"]) == ["moduleId", "status", "error"]
    assert "there is no program `no-such-program`" in results["confirm"]["error"]
    assert results["trace"]["reason"] == "no agent offers `trace.anomalies` or `trace.optimize`"
    taken = {
        "plan.generatePlanSuggestions": ["planner"],
        "role.assessAgentCapabilities": ["judge"],
        "core.predictSystemBehavior": ["seer"],
    }
    assert active(project) == taken, "it holds for the processes that follow"
    assert "failed" in project("interfaces", "activate", "confirm").out
    assert "active" in project("interfaces").out

    assert call(project, "plan.generatePlanSuggestions", goal="a") == [{"title": "Ship", "steps": []}]
    assert call(project, "core.predictSystemBehavior", scenario="s") == {"forecast": ["s"]}
    assert call(project, "role.assessAgentCapabilities", agentId="seer") == {"score": 0.5, "missing": []}
    asked = json.loads((project.directory / "asked").read_text())
    assert asked["agent"] == {"id": "seer", "capabilities": ["core.predict"]}
    assert call(project, "confirm.recommendApprovers") == []
    assert project("call", "plan.generate-plan-suggestions", "-p", "goal=a", "-o", "json").document

    refused = project("interfaces", "call", "plan.generatePlanSuggestions", "-i", "{goal: bad}", "-o", "json")
    assert refused.code == 1
    assert "steps" in refused.err
    off = project("interfaces", "deactivate", "plan", "-o", "json").document
    assert off["moduleResults"][0]["deactivatedInterfaces"] == ["generatePlanSuggestions"]
    assert active(project) == {name: agents for name, agents in taken.items() if not name.startswith("plan")}
    assert call(project, "plan.generatePlanSuggestions", goal="a") == []


def test_a_step_gets_what_the_agent_answers_where_the_interface_is_active(project: Terminal) -> None:
    project.write("flow.yaml", FLOW)
    assert project("run", "flow.yaml", "-o", "json").document["outputs"] == {"ideas": []}
    assert "plan: agents answer generatePlanSuggestions" in project("modules", "restart", "plan").err
    ended = project("run", "flow.yaml", "-o", "json")
    assert ended.document["outputs"] == {"ideas": [{"title": "Ship", "steps": []}]}
    project.write("agents.yaml", "agents: [{id: other, kind: mock}]\n")
    gone = project("run", "flow.yaml")
    assert gone.code == 1
    assert "no agent offers `plan.create`" in gone.out + gone.err


def test_settings_say_who_takes_over_before_the_files_of_agents_do(project: Terminal) -> None:
    project.write(
        "mplp.yaml",
        "agents: agents.yaml\nactivation: {mode: explicit, plan.generatePlanSuggestions: {agent: planner}}\n",
    )
    assert project("interfaces", "activate").code == 0
    assert active(project) == {"plan.generatePlanSuggestions": ["planner"]}
    project.write("mplp.yaml", "activation: {mode: explicit, plan.generatePlan: {agent: planner}}\n")
    ended = project("interfaces")
    assert ended.code == 2
    assert "mplp.yaml:1:30: error[schema-unknown-key]" in ended.err


def test_only_what_is_there_and_reserved_can_be_called_or_activated(project: Terminal) -> None:
    assert "did you mean `plan`?" in project("interfaces", "activate", "plam").err
    ended = project("interfaces", "call", "plan.create-plan")
    assert ended.code == 2
    assert "no reserved interface" in ended.err
    assert project("interfaces", "call", "plan.generatePlanSuggestions", "-i", "{gaol: a}").code == 2
    assert "plan.generatePlanSuggestions\tPlans" in project("__complete", "interfaces").out


def test_an_agent_that_missed_its_heartbeats_takes_over_nothing(terminal: Terminal) -> None:
    text = "id: late\nkind: mock\ncapabilities: [plan.create]\nheartbeat: {interval: 1ms}\ndefault: []\n"
    terminal.write("late.yaml", text)
    terminal("agents", "register", "late.yaml")
    terminal.write("agents.yaml", "agents: []\nactivation: {plan.optimizePlanWithAI: {agent: late}}\n")
    ended = terminal("interfaces", "activate", "-o", "json")
    assert (ended.document["status"], ended.err) == ("skipped", ""), "a registered agent is one to bind"
