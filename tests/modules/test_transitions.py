"""Every move from every status: allowed exactly where the table says so."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from mplp_cli.errors import InvalidTransitionError
from mplp_cli.modules.builtin import collab, confirm, context, core, dialog, extension, network, plan, trace
from mplp_cli.modules.records import Transitions

#: Operation -> status it leads to.
CONTEXT = {
    "activate-context": "active", "suspend-context": "suspended", "close-context": "closed",
    "archive-context": "archived",
}  # fmt: skip
PLAN = {
    "propose-plan": "proposed", "revise-plan": "draft", "approve-plan": "approved", "start-plan": "in_progress",
    "complete-plan": "completed", "fail-plan": "failed", "cancel-plan": "cancelled",
}  # fmt: skip
DIALOG = {
    "pause-dialog": "paused", "resume-dialog": "active", "end-dialog": "completed", "cancel-dialog": "cancelled",
}  # fmt: skip
CONFIRM = {
    "approve": "approved", "reject": "rejected", "cancel-approval": "cancelled", "request-approval": "pending",
}  # fmt: skip
COLLAB = {
    "resume-collab": "active", "suspend-collab": "suspended", "end-collab": "completed",
    "cancel-collab": "cancelled",
}  # fmt: skip
EXTENSION = {
    "activate-extension": "active", "deactivate-extension": "inactive", "deprecate-extension": "deprecated",
}  # fmt: skip
NETWORK = {
    "provision-network": "provisioning", "activate-network": "active", "degrade-network": "degraded",
    "maintain-network": "maintenance", "retire-network": "retired",
}  # fmt: skip
CORE = {"activate-core": "active", "deprecate-core": "deprecated", "archive-core": "archived"}
MODULES: dict[str, tuple[dict[str, str], Transitions, str]] = {
    "context": (CONTEXT, context.TRANSITIONS, "draft"),
    "plan": (PLAN, plan.TRANSITIONS, "draft"),
    "dialog": (DIALOG, dialog.TRANSITIONS, "active"),
    "confirm": (CONFIRM, confirm.MODULE.transitions, "pending"),
    "collab": (COLLAB, {s: to for s, to in collab.TRANSITIONS.items() if s != "draft"}, "active"),
    "extension": (EXTENSION, extension.TRANSITIONS, "registered"),
    "network": (NETWORK, network.TRANSITIONS, "draft"),
    "core": (CORE, core.TRANSITIONS, "draft"),
}
CASES = [
    (module, status, operation)
    for module, (moves, table, _) in MODULES.items()
    for status in table
    for operation in moves
]


def _path(moves: dict[str, str], table: Transitions, start: str, goal: str) -> list[str]:
    """The operations that lead from one status to another."""
    ways: deque[tuple[str, list[str]]] = deque([(start, [])])
    while ways:
        status, path = ways.popleft()
        if status == goal:
            return path
        ways.extend(
            (to, [*path, name]) for name, to in moves.items() if to in table[status] and name not in path
        )
    raise AssertionError(f"no way from {start} to {goal}")


def _fresh(world: Any, module: str) -> str:
    made = world("context/create-context", name="a", status="draft")["contextId"]
    if module == "context":
        return str(made)
    if module == "plan":
        return str(world("plan/create-plan", contextId=made, assignedRoles=["a"])["planId"])
    if module == "dialog":
        return str(world("dialog/facilitate-communication", contextId=made, participants=["a"])["dialogId"])
    if module == "collab":
        world("role/create-role", name="a", contextId=made)
        session = {
            "contextId": made,
            "title": "t",
            "mode": "swarm",
            "participants": ["a"],
            "status": "active",
        }
        return str(world("collab/create-collab", **session)["collabId"])
    given: dict[str, Any] = {"contextId": made, "name": "a"}
    if module == "extension":
        return str(world("extension/register-extension", **given, version="1.0.0")["extensionId"])
    if module == "network":
        return str(world("network/create-network", **given, topologyType="mesh", nodes=[{}])["networkId"])
    if module == "core":
        return str(world("core/initialize")["coreId"])
    return str(world("confirm/request-approval", targetType="context", targetId=made)["confirmId"])


def _move(world: Any, module: str, operation: str, identifier: str) -> str:
    given: dict[str, Any] = {f"{module}Id": identifier}
    if operation in {"approve", "reject"}:
        given |= {"decidedByRole": "lead", "reason": "r"}
    if operation == "complete-plan":
        body = world("plan/get-plan", planId=identifier)["plan"]
        step = body["steps"][0]
        if body["status"] == "in_progress" and step["status"] == "pending":
            world("plan/update-step-status", planId=identifier, stepId=step["step_id"], status="skipped")
    return str(world(f"{module}/{operation}", **given)["status"])


@pytest.mark.parametrize(("module", "status", "operation"), CASES)
def test_a_move_is_allowed_exactly_where_the_table_says_so(
    world: Any, module: str, status: str, operation: str
) -> None:
    moves, table, start = MODULES[module]
    identifier = _fresh(world, module)
    for name in _path(moves, table, start, status):
        _move(world, module, name, identifier)
    if moves[operation] in table[status]:
        assert _move(world, module, operation, identifier) == moves[operation]
        return
    before = len(world.stored)
    with pytest.raises(InvalidTransitionError) as caught:
        _move(world, module, operation, identifier)
    assert len(world.stored) == before
    details = caught.value.details
    assert (details["from"], details["to"], details["allowed"]) == (
        status,
        moves[operation],
        list(table[status]),
    )
    assert caught.value.hint == (
        f"from `{status}` it can become {', '.join(f'`{to}`' for to in table[status])}"
        if table[status]
        else f"`{status}` is final"
    )


@pytest.mark.parametrize("status", list(context.TRANSITIONS))
def test_only_a_suspended_context_is_resumed(world: Any, status: str) -> None:
    identifier = _fresh(world, "context")
    for name in _path(CONTEXT, context.TRANSITIONS, "draft", status):
        _move(world, "context", name, identifier)
    if status == "suspended":
        assert _move(world, "context", "resume-context", identifier) == "active"
    else:
        with pytest.raises(InvalidTransitionError):
            _move(world, "context", "resume-context", identifier)


@pytest.mark.parametrize("to", list(plan.STEP_TRANSITIONS))
@pytest.mark.parametrize("status", list(plan.STEP_TRANSITIONS))
def test_a_step_of_a_plan_moves_as_its_table_says(world: Any, status: str, to: str) -> None:
    identifier = _fresh(world, "plan")
    for operation in ("approve-plan", "start-plan"):
        _move(world, "plan", operation, identifier)
    step = world("plan/get-plan", planId=identifier)["steps"][0]["step_id"]
    names = {name: name for name in plan.STEP_TRANSITIONS}
    for name in _path(names, plan.STEP_TRANSITIONS, "pending", status):
        world("plan/update-step-status", planId=identifier, stepId=step, status=name)
    if to in plan.STEP_TRANSITIONS[status]:
        result = world("plan/update-step-status", planId=identifier, stepId=step, status=to)
        assert result["steps"][0]["status"] == to
    else:
        with pytest.raises(InvalidTransitionError):
            world("plan/update-step-status", planId=identifier, stepId=step, status=to)


@pytest.mark.parametrize("to", list(trace.SEGMENT_TRANSITIONS))
@pytest.mark.parametrize("status", list(trace.SEGMENT_TRANSITIONS))
def test_a_segment_of_a_trace_moves_as_its_table_says(world: Any, status: str, to: str) -> None:
    made = world("context/create-context", name="a")["contextId"]
    identifier = world("trace/start-monitoring", contextId=made)["traceId"]
    segment = world("trace/add-segment", traceId=identifier, label="x", status="pending")["segmentId"]
    names = {name: name for name in trace.SEGMENT_TRANSITIONS}
    given = {"traceId": identifier, "segmentId": segment}
    for name in _path(names, trace.SEGMENT_TRANSITIONS, "pending", status):
        world("trace/update-segment", **given, status=name)
    if to in trace.SEGMENT_TRANSITIONS[status]:
        assert world("trace/update-segment", **given, status=to)["status"] == to
    else:
        with pytest.raises(InvalidTransitionError):
            world("trace/update-segment", **given, status=to)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_trace_ends_once(world: Any, status: str) -> None:
    made = world("context/create-context", name="a")["contextId"]
    identifier = world("trace/start-monitoring", contextId=made)["traceId"]
    assert world("trace/stop-monitoring", traceId=identifier, status=status)["status"] == status
    with pytest.raises(InvalidTransitionError):
        world("trace/stop-monitoring", traceId=identifier, status="completed")


@pytest.mark.parametrize("to", list(network.NODE_TRANSITIONS))
@pytest.mark.parametrize("status", list(network.NODE_TRANSITIONS))
def test_a_node_moves_as_its_table_says_and_stays_as_often_as_it_likes(
    world: Any, status: str, to: str
) -> None:
    made = world("context/create-context", name="a")["contextId"]
    given = {
        "contextId": made,
        "name": "n",
        "topologyType": "mesh",
        "nodes": [{"name": "x", "status": status}],
    }
    identifier = world("network/create-network", **given)["networkId"]
    before = len(world.stored)
    move = {"networkId": identifier, "nodeId": "x", "status": to}
    if to == status:
        assert world("network/update-node-status", **move)["node"]["status"] == to
        assert len(world.stored) == before
    elif status == "retired":
        with pytest.raises(InvalidTransitionError):
            world("network/update-node-status", **move)
    else:
        moved = world("network/update-node-status", **move)
        assert moved["network"]["nodes"] == [moved["node"]]
        assert moved["node"]["status"] == to
        assert moved["network"]["events"][-1]["data"] == {
            "nodeId": moved["nodeId"], "before": status, "status": to,
        }  # fmt: skip


@pytest.mark.parametrize("operation", ["enable-module", "disable-module"])
@pytest.mark.parametrize("status", list(core.MODULE_TRANSITIONS))
def test_a_module_of_a_core_moves_as_its_table_says(world: Any, status: str, operation: str) -> None:
    world("core/initialize", modules=[{"moduleId": "plan", "status": status}])
    to = operation.replace("-module", "d")
    if to in core.MODULE_TRANSITIONS[status]:
        assert world(f"core/{operation}", moduleId="plan")["core"]["modules"][0]["status"] == to
    else:
        with pytest.raises(InvalidTransitionError):
            world(f"core/{operation}", moduleId="plan")
