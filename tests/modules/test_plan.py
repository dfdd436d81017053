"""Plans that are changed, judged, begun and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import (
    DuplicateObjectError,
    InvalidTransitionError,
    OperationError,
    UnknownObjectError,
)
from mplp_cli.protocols import ProtocolObject

A, B, C, D, E = (f"{letter * 8}-{letter * 4}-4{letter * 3}-8{letter * 3}-{letter * 12}" for letter in "abcde")
STATUSES = ("draft", "proposed", "approved", "in_progress", "completed", "cancelled", "failed")


def _step(identifier: str, *before: str, **fields: Any) -> dict[str, Any]:
    return {"stepId": identifier, "description": identifier[0], "dependencies": list(before), **fields}


@pytest.fixture
def context(world: Any) -> str:
    identifier: str = world("context/create-context", name="Ship")["contextId"]
    return identifier


@pytest.fixture
def diamond(world: Any, context: str) -> str:
    """A before B and C, both before D; E alone."""
    steps = [_step(E, order_index=9), _step(D, B, C), _step(C, A), _step(A, order_index=1), _step(B, A)]
    identifier: str = world("plan/create-plan", contextId=context, steps=steps, status="approved")["planId"]
    return identifier


def _events(body: dict[str, Any]) -> list[str]:
    return [event["event_type"] for event in body["events"]]


def test_a_plan_says_anew_what_it_is_for(world: Any, context: str) -> None:
    made = world("plan/create-plan", contextId=context, assignedRoles=["a"], priority="low")
    assert (made["priority"], made["progress"]) == ("low", 0)
    plan = made["planId"]
    changed = world("plan/update-plan", planId=plan, title="T", objective="O", priority="critical")
    assert (changed["plan"]["title"], changed["plan"]["objective"]) == ("T", "O")
    assert changed["priority"] == "critical"
    assert changed["plan"]["events"][-1]["data"] == {
        "fields": ["objective", "priority", "title"], "priority": "critical",
    }  # fmt: skip
    world("plan/update-plan", planId=plan, title="U")
    assert world("plan/get-plan", planId=plan)["priority"] == "critical"
    with pytest.raises(OperationError, match="nothing to change"):
        world("plan/update-plan", planId=plan)
    world("plan/cancel-plan", planId=plan)
    with pytest.raises(OperationError, match="is `cancelled` and stays"):
        world("plan/update-plan", planId=plan, title="T")


def test_plans_are_found_by_priority_and_time(world: Any, context: str) -> None:
    first = world("plan/create-plan", contextId=context, assignedRoles=["a"], priority="high")["planId"]
    world.clock.ms += 1_000
    second = world("plan/create-plan", contextId=context, assignedRoles=["a"])["planId"]

    def found(**given: Any) -> list[str]:
        return [plan["plan_id"] for plan in world("plan/list-plans", **given)["plans"]]

    assert found(priority="high") == [first]
    assert found(createdAfter="2026-01-01T01:00:00+01:00") == [second]
    assert found(createdAfter="2025-12-31T23:59:59Z") == [first, second]
    with pytest.raises(OperationError, match="`createdAfter`: 'monday' is not a time"):
        found(createdAfter="monday")


def test_a_plan_is_deleted_unless_something_refers_to_it(world: Any, context: str) -> None:
    steps = [{"description": "x"}]
    made = [world("plan/create-plan", contextId=context, steps=steps)["planId"] for _ in range(4)]
    loose, traced, asked, busy = made
    trace = world("trace/start-monitoring", planId=traced)["traceId"]
    confirm = world("confirm/request-approval", planId=asked)["confirmId"]
    world("plan/approve-plan", planId=busy)
    world("plan/start-plan", planId=busy)
    assert world("plan/delete-plan", planId=loose) == {"planId": loose, "deleted": True}
    for plan, user in ((traced, f"trace {trace}"), (asked, f"confirm {confirm}")):
        with pytest.raises(OperationError, match=f"{user} would refer to nothing"):
            world("plan/delete-plan", planId=plan)
    with pytest.raises(InvalidTransitionError, match="is `in_progress` and cannot be deleted"):
        world("plan/delete-plan", planId=busy)
    assert world("plan/list-plans")["total"] == 3


# ---- steps -------------------------------------------------------------------------------------


def test_steps_are_added_changed_and_removed(world: Any, context: str) -> None:
    plan = world("plan/create-plan", contextId=context, steps=[_step(A)])["planId"]
    added = world("plan/add-step", planId=plan, step={"description": "b", "dependencies": [A], "step_id": B})
    assert added["step"] == {"step_id": B, "description": "b", "status": "pending", "dependencies": [A]}
    changed = world("plan/update-step", planId=plan, stepId=B, changes={"agent_role": "dev", "orderIndex": 3})
    assert changed["step"] == {**added["step"], "agent_role": "dev", "order_index": 3}
    assert changed["plan"]["events"][-1]["data"] == {"stepId": B, "fields": ["agent_role", "order_index"]}
    with pytest.raises(OperationError, match=f"{B} would wait for nothing"):
        world("plan/remove-step", planId=plan, stepId=A)
    world("plan/update-step", planId=plan, stepId=B, changes={"dependencies": []})
    removed = world("plan/remove-step", planId=plan, stepId=A)
    assert [step["step_id"] for step in removed["plan"]["steps"]] == [B]
    assert removed["stepId"] == A
    with pytest.raises(OperationError, match="is the only one"):
        world("plan/remove-step", planId=plan, stepId=B)
    assert _events(removed["plan"])[1:] == [
        "plan.step.added", "plan.step.updated", "plan.step.updated", "plan.step.removed",
    ]  # fmt: skip


def test_a_change_of_steps_leaves_a_plan_that_can_be_done(world: Any, context: str) -> None:
    plan = world("plan/create-plan", contextId=context, steps=[_step(A), _step(B, A), _step(C, B)])["planId"]
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("add-step", {"step": _step(D, E)}, "no step of the plan"),
        ("add-step", {"step": _step(D, D)}, f"wait for one another: {D}"),
        ("update-step", {"stepId": A, "changes": {"dependencies": [C]}}, f"one another: {A}, {C}, {B}"),
        ("update-step", {"stepId": A, "changes": {}}, "nothing to change"),
    ]
    for operation, given, message in cases:
        with pytest.raises(OperationError, match=message):
            world(f"plan/{operation}", planId=plan, **given)
    with pytest.raises(DuplicateObjectError, match="has a step"):
        world("plan/add-step", planId=plan, step=_step(A))
    with pytest.raises(UnknownObjectError, match="has no step"):
        world("plan/update-step", planId=plan, stepId=D, changes={"description": "x"})
    with pytest.raises(UnknownObjectError, match="has no step"):
        world("plan/remove-step", planId=plan, stepId=D)


@pytest.mark.parametrize("status", STATUSES)
def test_steps_change_while_nobody_works_on_them(world: Any, context: str, status: str) -> None:
    steps = [_step(A), _step(B), _step(C, status="completed")]
    plan = world("plan/create-plan", contextId=context, steps=steps, status=status)["planId"]
    calls: list[tuple[str, dict[str, Any]]] = [
        ("add-step", {"step": {"description": "x"}}),
        ("update-step", {"stepId": A, "changes": {"description": "x"}}),
        ("remove-step", {"stepId": B}),
    ]
    for operation, given in calls:
        if status in {"draft", "proposed", "approved", "failed"}:
            assert world(f"plan/{operation}", planId=plan, **given)["planId"] == plan
        else:
            with pytest.raises(InvalidTransitionError, match=f"is `{status}`; its steps stay") as caught:
                world(f"plan/{operation}", planId=plan, **given)
            assert (caught.value.hint is not None) == (status == "in_progress")
    if status == "failed":
        with pytest.raises(OperationError, match="is `completed` and stays as it is"):
            world("plan/remove-step", planId=plan, stepId=C)


# ---- judged and begun --------------------------------------------------------------------------


def test_a_sound_plan_is_valid(world: Any, diamond: str) -> None:
    assert world("plan/validate-plan", planId=diamond) == {"planId": diamond, "valid": True, "errors": []}


def _stored(new_world: Any, steps: list[dict[str, Any]]) -> Any:
    """A world in whose store is a plan that this version would not have written."""
    body = {
        "meta": {"protocol_version": "1.0.0", "schema_version": "1.0.0"},
        "plan_id": E, "context_id": D, "title": "t", "objective": "o", "status": "approved", "steps": steps,
    }  # fmt: skip
    return new_world([ProtocolObject("plan", E, 1, body)])


def test_every_fault_of_a_plan_is_found(new_world: Any) -> None:
    steps = [
        {"step_id": A, "description": "a", "status": "pending", "dependencies": [B]},
        {"step_id": B, "description": "b", "status": "pending", "dependencies": [A, D]},
        {"step_id": C, "description": "c", "status": "pending", "dependencies": [A]},
    ]
    world = _stored(new_world, steps)
    judged = world("plan/validate-plan", planId=E)
    assert not judged["valid"]
    assert [(fault["code"], fault["stepIds"]) for fault in judged["errors"]] == [
        ("unknown-dependency", [B, D]),
        ("circle", [A, B]),
    ]
    with pytest.raises(OperationError, match="no step of the plan; steps of the plan wait for one another"):
        world("plan/execute-plan", planId=E)
    begun = world("plan/execute-plan", planId=E, validateDependencies=False)
    assert (begun["status"], begun["waves"], begun["ready"], begun["stuck"]) == (
        "in_progress",
        [],
        [],
        [A, B, C],
    )
    empty = _stored(new_world, [])("plan/validate-plan", planId=E)
    assert [fault["code"] for fault in empty["errors"]] == ["no-steps"]


def test_a_dry_run_says_what_would_be_and_changes_nothing(world: Any, diamond: str) -> None:
    before = len(world.stored)
    told = world("plan/execute-plan", planId=diamond, dryRun=True)
    assert len(world.stored) == before
    assert (told["status"], told["dryRun"], told["progress"]) == ("approved", True, 0)
    assert told["waves"] == [[A, E], [C, B], [D]], "by order_index, then as they stand"
    assert told["ready"] == [A, E]


def test_a_plan_that_is_executed_is_begun_and_no_work_is_pretended(world: Any, diamond: str) -> None:
    begun = world("plan/execute-plan", planId=diamond, strategy="time_optimal")
    assert begun["status"] == begun["plan"]["status"] == "in_progress"
    assert begun["plan"]["events"][-1]["event_type"] == "plan.started"
    assert {step["status"] for step in begun["steps"]} == {"pending"}
    world("plan/update-step-status", planId=diamond, stepId=A, status="in_progress")
    half = world("plan/execute-plan", planId=diamond)
    assert (half["waves"], half["ready"]) == ([[A, E], [C, B], [D]], [E])
    assert _events(half["plan"]).count("plan.started") == 1
    world("plan/update-step-status", planId=diamond, stepId=A, status="completed")
    later = world("plan/execute-plan", planId=diamond)
    assert (later["waves"], later["ready"], later["progress"]) == ([[E, C, B], [D]], [E, C, B], 20)


def test_the_longest_chain_goes_first_where_time_counts(world: Any, context: str) -> None:
    steps = [_step(A), _step(B), _step(C, B)]
    plan = world("plan/create-plan", contextId=context, steps=steps, status="approved")["planId"]
    given = {"planId": plan, "dryRun": True}
    assert world("plan/execute-plan", **given)["waves"] == [[A, B], [C]]
    assert world("plan/execute-plan", **given, strategy="time_optimal")["waves"] == [[B, A], [C]]


@pytest.mark.parametrize("strategy", ["resource_optimal", "cost_optimal", "quality_optimal"])
def test_a_strategy_for_which_the_plan_says_too_little_is_refused(
    world: Any, diamond: str, strategy: str
) -> None:
    with pytest.raises(OperationError, match=f"`{strategy}` needs to know"):
        world("plan/execute-plan", planId=diamond, strategy=strategy)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("dry", [False, True])
def test_only_an_approved_plan_is_begun_and_a_failed_one_again(
    world: Any, context: str, status: str, dry: bool
) -> None:
    plan = world("plan/create-plan", contextId=context, steps=[_step(A)], status=status)["planId"]
    if status in {"approved", "in_progress", "failed"}:
        begun = world("plan/execute-plan", planId=plan, dryRun=dry)
        assert begun["status"] == (status if dry else "in_progress")
        return
    with pytest.raises(InvalidTransitionError, match=f"is `{status}` and cannot be carried out") as caught:
        world("plan/execute-plan", planId=plan, dryRun=dry)
    assert caught.value.hint == (
        "`plan/approve-plan` approves it" if status in {"draft", "proposed"} else f"`{status}` is final"
    )


def test_progress_is_the_share_of_completed_steps(world: Any, context: str) -> None:
    statuses = ["completed"] * 1 + ["skipped"] + ["pending"] * 6
    steps = [{"description": "x", "status": status} for status in statuses]
    made = world("plan/create-plan", contextId=context, steps=steps, status="in_progress")
    assert made["progress"] == 13, "12.5, halves up"


def test_optimizing_a_plan_is_left_to_agents(world: Any, diamond: str) -> None:
    before = len(world.stored)
    assert world("plan/optimize-plan", planId=diamond, targets=["time"]) == {"status": "reserved"}
    assert len(world.stored) == before
    with pytest.raises(UnknownObjectError):
        world("plan/optimize-plan", planId=A)
