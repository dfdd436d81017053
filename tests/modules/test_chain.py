"""The five operations of the seed's example, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mplp_cli.modules.shapes import UUID4

ROLES = ["coordinator", "executor", "reviewer"]
Judge = Callable[[str, dict[str, Any]], list[str]]


@pytest.fixture
def chain(world: Any) -> dict[str, dict[str, Any]]:
    """The results by module, each step fed from the ones before as the example's references do."""
    context = world("context/create-context", name="collaboration-session", type="multi-agent")
    role = world("role/assign-roles", contextId=context["contextId"], roles=ROLES)
    assignments = role["assignments"]
    plan = world("plan/create-plan", contextId=context["contextId"], assignedRoles=assignments)
    trace = world("trace/start-monitoring", planId=plan["planId"])
    dialog = world("dialog/facilitate-communication", participants=assignments)
    return {"context": context, "role": role, "plan": plan, "trace": trace, "dialog": dialog}


def _is_id(value: Any) -> bool:
    import re

    return isinstance(value, str) and re.fullmatch(UUID4, value) is not None


def test_every_field_that_the_example_refers_to_is_there(chain: dict[str, dict[str, Any]]) -> None:
    for module, field in (
        ("context", "contextId"),
        ("plan", "planId"),
        ("trace", "traceId"),
        ("trace", "spanId"),
        ("dialog", "dialogId"),
        ("dialog", "threadId"),
    ):
        assert _is_id(chain[module][field]), field
    assert chain["trace"]["status"] == "running"
    assert chain["context"]["status"] == chain["dialog"]["status"] == "active"


def test_there_is_one_assignment_for_each_role_in_order(chain: dict[str, dict[str, Any]]) -> None:
    assignments = chain["role"]["assignments"]
    assert [item["role"] for item in assignments] == ROLES
    assert all(
        set(item) >= {"role", "roleId", "participantId", "kind", "agentId", "contextId"}
        for item in assignments
    )
    assert len({item["roleId"] for item in assignments}) == 3
    assert [item["participantId"] for item in chain["dialog"]["participants"]] == ROLES


def test_the_plan_has_a_step_for_each_role(chain: dict[str, dict[str, Any]]) -> None:
    plan = chain["plan"]["plan"]
    assert [step["agent_role"] for step in plan["steps"]] == ROLES
    assert plan["steps"][0]["description"] == "coordinator: collaboration-session"
    assert [step["order_index"] for step in plan["steps"]] == [0, 1, 2]
    assert plan["title"] == "Plan for collaboration-session"
    assert plan["objective"] == "Ship it", "the workflow's description"


def test_the_context_says_where_it_belongs(chain: dict[str, dict[str, Any]]) -> None:
    context = chain["context"]["context"]
    assert context["context_id"] == chain["context"]["contextId"]
    assert context["title"] == "collaboration-session"
    assert context["root"] == {"domain": "multi-agent", "environment": "development", "type": "multi-agent"}


def test_the_run_stands_in_every_object(world: Any, chain: dict[str, dict[str, Any]]) -> None:
    assert len(world.stored) == 7
    assert all("run:run-1" in item.body["meta"]["tags"] for item in world.stored)


def test_all_objects_are_valid(world: Any, chain: dict[str, Any], protocol_problems: Judge) -> None:
    for item in world.stored:
        assert protocol_problems(item.kind, item.body) == []


def test_the_invariants_of_single_agent_work_hold(chain: dict[str, dict[str, Any]]) -> None:
    context, plan, trace = (chain[kind][kind] for kind in ("context", "plan", "trace"))
    assert _is_id(context["context_id"])
    assert context["status"] == "active"
    assert plan["context_id"] == context["context_id"]
    assert plan["steps"]
    assert all(_is_id(step["step_id"]) and step["agent_role"] for step in plan["steps"])
    assert trace["events"]
    assert trace["context_id"] == trace["root_span"]["context_id"] == context["context_id"]
    assert trace["plan_id"] == plan["plan_id"]
    assert trace["root_span"]["trace_id"] == trace["trace_id"]


def test_the_example_can_run_again_on_the_same_store(world: Any, chain: dict[str, dict[str, Any]]) -> None:
    again = world("context/create-context", name="collaboration-session", type="multi-agent")
    assert again["contextId"] != chain["context"]["contextId"]
    roles = world("role/assign-roles", contextId=again["contextId"], roles=ROLES)["assignments"]
    assert {r["roleId"] for r in roles}.isdisjoint(r["roleId"] for r in chain["role"]["assignments"])
