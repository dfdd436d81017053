"""What each operation does, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import InvalidTransitionError, OperationError, UnknownObjectError

MISSING = "00000000-0000-4000-8000-00000000dead"
A, B, C = (f"{letter * 8}-{letter * 4}-4{letter * 3}-8{letter * 3}-{letter * 12}" for letter in "abc")


@pytest.fixture
def context(world: Any) -> str:
    identifier: str = world("context/create-context", name="Ship", type="release")["contextId"]
    return identifier


def _events(body: dict[str, Any]) -> list[str]:
    return [event["event_type"] for event in body["events"]]


# ---- context -----------------------------------------------------------------------------------


def test_a_context_takes_what_it_is_given(world: Any) -> None:
    body = world(
        "context/create-context", name="a", title="A", domain="d", environment="production", entryPoint="e",
        summary="s", tags=["t"], language="en", ownerRole="o", constraints={"k": [1]}, status="draft",
    )["context"]  # fmt: skip
    assert body["root"] == {"domain": "d", "environment": "production", "entry_point": "e"}
    assert (body["title"], body["summary"], body["tags"], body["status"]) == ("A", "s", ["t"], "draft")
    assert (body["language"], body["owner_role"], body["constraints"]) == ("en", "o", {"k": [1]})


def test_a_context_without_a_type_has_a_general_domain(world: Any) -> None:
    assert world("context/create-context", name="a")["context"]["root"]["domain"] == "general"


def test_names_of_contexts_may_repeat(world: Any, context: str) -> None:
    assert world("context/create-context", name="Ship")["contextId"] != context


def test_an_update_changes_what_is_given_and_keeps_the_rest(world: Any, context: str) -> None:
    world.clock.ms += 1_000
    body = world("context/update-context", contextId=context, summary="s", tags=["x"])["context"]
    assert (body["title"], body["summary"], body["tags"]) == ("Ship", "s", ["x"])
    assert body["meta"]["updated_at"] == "2026-01-01T00:00:01.000Z"
    assert body["meta"]["created_at"] == "2026-01-01T00:00:00.000Z"
    assert body["events"][-1]["data"] == {"fields": ["summary", "tags"]}


def test_an_update_of_nothing_or_of_a_closed_context_is_refused(world: Any, context: str) -> None:
    with pytest.raises(OperationError, match="nothing to change"):
        world("context/update-context", contextId=context)
    world("context/close-context", contextId=context, reason="done")
    with pytest.raises(OperationError, match="is `closed` and stays"):
        world("context/update-context", contextId=context, title="x")


def test_contexts_are_listed_page_by_page(world: Any) -> None:
    made = [world("context/create-context", name=str(n))["contextId"] for n in range(5)]
    world("context/close-context", contextId=made[1])
    page = world("context/list-contexts", page=2, limit=2)
    assert [body["context_id"] for body in page.pop("contexts")] == made[2:4]
    assert page == {"total": 5, "page": 2, "limit": 2, "totalPages": 3, "hasNext": True, "hasPrevious": True}
    closed = world("context/list-contexts", status="closed")
    assert [body["context_id"] for body in closed["contexts"]] == [made[1]]
    assert world("context/list-contexts", status="draft")["totalPages"] == 0


@pytest.mark.parametrize("status", ["suspended", "closed", "archived"])
def test_nothing_is_added_to_a_context_that_rests_or_has_ended(world: Any, context: str, status: str) -> None:
    for move in {"suspended": ["suspend"], "closed": ["close"], "archived": ["close", "archive"]}[status]:
        world(f"context/{move}-context", contextId=context)
    for operation, given in (
        ("role/assign-roles", {"roles": ["a"]}),
        ("role/create-role", {"name": "a"}),
        ("plan/create-plan", {"assignedRoles": ["a"]}),
        ("trace/start-monitoring", {}),
        ("dialog/facilitate-communication", {"participants": ["a"]}),
    ):
        with pytest.raises(InvalidTransitionError, match=f"is `{status}`; nothing can be added") as caught:
            world(operation, contextId=context, **given)
        assert (caught.value.hint is not None) == (status == "suspended")


# ---- role --------------------------------------------------------------------------------------


def test_a_role_that_the_context_has_is_used_again(world: Any, context: str) -> None:
    first = world("role/assign-roles", contextId=context, roles=["a", "b"])["assignments"]
    again = world("role/assign-roles", contextId=context, roles=["b", "c", "b"])["assignments"]
    assert again[0]["roleId"] == again[2]["roleId"] == first[1]["roleId"]
    assert [item["participantId"] for item in again] == ["b-2", "c", "b-3"]
    listed = world("role/list-roles", contextId=context)
    assert [role["name"] for role in listed["roles"]] == ["a", "b", "c"]
    assert _events(listed["roles"][1]) == ["role.created", *["role.assigned"] * 3]


def test_agents_are_assigned_by_name_or_in_order(world: Any, context: str) -> None:
    named = world("role/assign-roles", contextId=context, roles=["a", "b"], agents={"b": "bot"})
    assert [(i["agentId"], i["participantId"]) for i in named["assignments"]] == [(None, "a"), ("bot", "bot")]
    ordered = world("role/assign-roles", contextId=context, roles=["a", "b"], agents=["x", "y"])
    assert [item["agentId"] for item in ordered["assignments"]] == ["x", "y"]
    with pytest.raises(OperationError, match="names 1 and `roles` 2"):
        world("role/assign-roles", contextId=context, roles=["a", "b"], agents=["x"])
    with pytest.raises(OperationError, match="`reviwer`, which is not in `roles`") as caught:
        world("role/assign-roles", contextId=context, roles=["reviewer"], agents={"reviwer": "x"})
    assert caught.value.hint == "did you mean `reviewer`?"


def test_a_role_can_be_made_read_and_listed(world: Any, context: str) -> None:
    made = world(
        "role/create-role", name="a", description="d", capabilities=["plan.create"], contextId=context
    )
    assert (made["role"]["description"], made["role"]["capabilities"]) == ("d", ["plan.create"])
    assert world("role/get-role", roleId=made["roleId"])["role"] == made["role"]
    loose = world("role/create-role", name="a")
    assert [role["role_id"] for role in world("role/list-roles", contextId=context)["roles"]] == [
        made["roleId"]
    ]
    assert world("role/list-roles", name="a")["total"] == 2
    assert loose["roleId"] != made["roleId"]


def test_a_name_belongs_to_one_role_of_a_context(world: Any, context: str) -> None:
    world("role/create-role", name="a", contextId=context)
    with pytest.raises(OperationError, match="has a role `a` already"):
        world("role/create-role", name="a", contextId=context)


@pytest.mark.parametrize(
    "operation", ["role/assign-roles", "plan/create-plan", "dialog/facilitate-communication"]
)
def test_an_unknown_context_is_refused(world: Any, operation: str) -> None:
    given = {"roles": ["a"]} if "role" in operation else {}
    given = given or ({"assignedRoles": ["a"]} if "plan" in operation else {"participants": ["a"]})
    with pytest.raises(UnknownObjectError):
        world(operation, contextId=MISSING, **given)


# ---- plan --------------------------------------------------------------------------------------


def test_a_plan_takes_the_steps_it_is_given(world: Any, context: str) -> None:
    steps = [
        {"description": "one", "stepId": A},
        {"description": "two", "stepId": B, "dependencies": [A], "agentRole": "x", "orderIndex": 7},
    ]
    plan = world("plan/create-plan", contextId=context, steps=steps, name="N", objective="O")["plan"]
    assert (plan["title"], plan["objective"], plan["status"]) == ("N", "O", "draft")
    assert [s["step_id"] for s in plan["steps"]] == [A, B]
    assert plan["steps"][0] == {"step_id": A, "description": "one", "status": "pending"}
    assert (plan["steps"][1]["dependencies"], plan["steps"][1]["agent_role"]) == ([A], "x")
    assert plan["steps"][1]["order_index"] == 7


def test_a_plan_without_an_objective_in_a_workflow_without_a_description_has_its_title(world: Any) -> None:
    from msgspec.structs import replace

    world.caller = replace(world.caller, description="")
    context = world("context/create-context", name="c")["contextId"]
    plan = world("plan/create-plan", contextId=context, assignedRoles=["a"], title="T")["plan"]
    assert plan["objective"] == "T"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([{"description": "a", "stepId": A}, {"description": "b", "stepId": A}], "two steps have the id"),
        ([{"description": "a", "dependencies": [MISSING]}], "which is no step of the plan"),
        ([{"description": "a", "stepId": A, "dependencies": [A]}], "wait for one another"),
        (
            [
                {"description": "a", "stepId": A, "dependencies": [B]},
                {"description": "b", "stepId": B, "dependencies": [A]},
                {"description": "c", "stepId": C},
            ],
            f"wait for one another: {A}, {B}",
        ),
    ],
)
def test_steps_that_cannot_be_done_are_refused(
    world: Any, context: str, steps: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(OperationError, match=message):
        world("plan/create-plan", contextId=context, steps=steps)


def test_a_plan_of_no_roles_is_refused(world: Any, context: str) -> None:
    with pytest.raises(OperationError, match="at least one step"):
        world("plan/create-plan", contextId=context, assignedRoles=[])


def test_plans_are_read_and_listed(world: Any, context: str) -> None:
    plan = world("plan/create-plan", contextId=context, assignedRoles=["a"])
    other = world("context/create-context", name="other")["contextId"]
    world("plan/create-plan", contextId=other, assignedRoles=["a"])
    assert world("plan/get-plan", planId=plan["planId"]) == plan
    assert world("plan/list-plans")["total"] == 2
    assert [p["plan_id"] for p in world("plan/list-plans", contextId=context)["plans"]] == [plan["planId"]]
    assert world("plan/list-plans", contextId=context, status="failed")["plans"] == []


def test_a_plan_is_carried_out_step_by_step(world: Any, context: str) -> None:
    steps = [{"description": "one", "stepId": A}, {"description": "two", "stepId": B, "dependencies": [A]}]
    plan = world("plan/create-plan", contextId=context, steps=steps)["planId"]
    with pytest.raises(InvalidTransitionError, match="its steps change while it is `in_progress`"):
        world("plan/update-step-status", planId=plan, stepId=A, status="in_progress")
    world("plan/propose-plan", planId=plan)
    world("plan/approve-plan", planId=plan)
    world("plan/start-plan", planId=plan)
    with pytest.raises(OperationError, match=f"cannot start before {A}"):
        world("plan/update-step-status", planId=plan, stepId=B, status="in_progress")
    for step in (A, B):
        with pytest.raises(OperationError, match="steps that are not done"):
            world("plan/complete-plan", planId=plan)
        world("plan/update-step-status", planId=plan, stepId=step, status="in_progress")
        world("plan/update-step-status", planId=plan, stepId=step, status="completed", reason="ok")
    done = world("plan/complete-plan", planId=plan, reason="all done")
    assert done["status"] == "completed"
    assert _events(done["plan"]) == [
        "plan.created", "plan.proposed", "plan.approved", "plan.started",
        "plan.step.started", "plan.step.completed", "plan.step.started", "plan.step.completed", "plan.completed",
    ]  # fmt: skip
    with pytest.raises(UnknownObjectError, match="has no step"):
        world("plan/update-step-status", planId=plan, stepId=MISSING, status="failed")


# ---- trace -------------------------------------------------------------------------------------


def test_a_trace_needs_a_plan_or_a_context_that_agree(world: Any, context: str) -> None:
    plan = world("plan/create-plan", contextId=context, assignedRoles=["a"])["planId"]
    assert world("trace/start-monitoring", contextId=context)["planId"] is None
    assert world("trace/start-monitoring", planId=plan, contextId=context)["contextId"] == context
    other = world("context/create-context", name="other")["contextId"]
    with pytest.raises(OperationError, match="belongs to the context"):
        world("trace/start-monitoring", planId=plan, contextId=other)
    with pytest.raises(OperationError, match="needs a plan or a context"):
        world("trace/start-monitoring", planId=None)


def test_a_stopped_trace_holds_what_happened_in_its_context_meanwhile(world: Any, context: str) -> None:
    world("role/assign-roles", contextId=context, roles=["early"])
    world.clock.ms += 10
    trace = world("trace/start-monitoring", contextId=context, label="watch")["traceId"]
    world.clock.ms += 10
    world("role/assign-roles", contextId=context, roles=["late"])
    other = world("context/create-context", name="other")["contextId"]
    world("role/assign-roles", contextId=other, roles=["elsewhere"])
    world.clock.ms += 10
    world("plan/create-plan", contextId=context, assignedRoles=["late"])
    world("trace/record-event", traceId=trace, eventType="noted")
    world.clock.ms += 10
    stopped = world("trace/stop-monitoring", traceId=trace)["trace"]
    assert _events(stopped) == [
        "trace.started", "role.created", "role.assigned", "noted", "plan.created", "trace.completed",
    ]  # fmt: skip
    assert [e["timestamp"] for e in stopped["events"]] == sorted(e["timestamp"] for e in stopped["events"])
    assert stopped["finished_at"] == "2026-01-01T00:00:00.040Z"
    assert stopped["root_span"]["attributes"]["label"] == "watch"
    for operation, given in (
        ("add-segment", {"label": "x"}),
        ("record-event", {"eventType": "x"}),
        ("update-segment", {"segmentId": A}),
    ):
        with pytest.raises(InvalidTransitionError, match="is `completed`; nothing can be added"):
            world(f"trace/{operation}", traceId=trace, **given)
    with pytest.raises(InvalidTransitionError, match="cannot become `failed`"):
        world("trace/stop-monitoring", traceId=trace, status="failed")


def test_segments_lie_inside_one_another(world: Any, context: str) -> None:
    trace = world("trace/start-monitoring", contextId=context)["traceId"]
    outer = world("trace/add-segment", traceId=trace, label="outer", segmentId=A, attributes={"n": 1})
    assert outer["segment"]["started_at"] == "2026-01-01T00:00:00.000Z"
    world("trace/add-segment", traceId=trace, label="inner", parentSegmentId=A, segmentId=B, status="pending")
    with pytest.raises(OperationError, match="already"):
        world("trace/add-segment", traceId=trace, label="x", segmentId=A)
    with pytest.raises(UnknownObjectError, match="has no segment"):
        world("trace/add-segment", traceId=trace, label="x", parentSegmentId=C)
    with pytest.raises(UnknownObjectError, match="has no segment"):
        world("trace/update-segment", traceId=trace, segmentId=C)
    world("trace/update-segment", traceId=trace, segmentId=B, status="skipped")
    ended = world("trace/update-segment", traceId=trace, segmentId=A)
    assert ended["segment"]["finished_at"] == "2026-01-01T00:00:00.000Z"
    segments = world("trace/get-trace", traceId=trace)["trace"]["segments"]
    assert [(s["segment_id"], s["status"], s.get("parent_segment_id")) for s in segments] == [
        (A, "completed", None),
        (B, "skipped", A),
    ]


def test_types_of_events_are_made_of_words_and_dots(world: Any, context: str) -> None:
    trace = world("trace/start-monitoring", contextId=context)["traceId"]
    noted = world("trace/record-event", traceId=trace, eventType="Step-started_now", data={"n": 1})
    assert noted["eventType"] == "step.started.now"
    event = world("trace/get-trace", traceId=trace)["trace"]["events"][-1]
    assert (event["event_id"], event["source"], event["data"]) == (noted["eventId"], "step-1", {"n": 1})
    assert event["trace_id"] == trace
    for wrong in ("1st", "a b", "a..b", "ä", "_"):
        with pytest.raises(OperationError, match="is no type of event"):
            world("trace/record-event", traceId=trace, eventType=wrong)


# ---- dialog ------------------------------------------------------------------------------------


def test_a_dialog_begins_with_a_message_that_names_everybody(world: Any, context: str) -> None:
    opened = world(
        "dialog/facilitate-communication", participants=["ann", {"role": "dev", "agentId": "bot", "kind": "agent"}],
        topic="The plan", messages=[{"content": "Hello", "senderId": "bot"}, {"content": "Hi", "role": "user"}],
        threadId=A,
    )  # fmt: skip
    assert (opened["contextId"], opened["threadId"]) == (context, A), "the run's only context"
    assert [item["participantId"] for item in opened["participants"]] == ["ann", "bot"]
    messages = opened["dialog"]["messages"]
    assert [(m["role"], m["content"]) for m in messages] == [
        ("system", "Participants: ann, bot. Topic: The plan"),
        ("agent", "Hello"),
        ("user", "Hi"),
    ]
    assert messages[1]["event"]["data"] == {"senderId": "bot"}


def test_a_dialog_finds_its_context_or_says_that_it_cannot(world: Any) -> None:
    with pytest.raises(OperationError, match="this run has made none"):
        world("dialog/facilitate-communication", participants=["a"])
    first = world("context/create-context", name="a")["contextId"]
    second = world("context/create-context", name="b")["contextId"]
    with pytest.raises(OperationError, match="this run has made 2"):
        world("dialog/facilitate-communication", participants=["a"])
    assigned = world("role/assign-roles", contextId=second, roles=["x"])["assignments"]
    assert world("dialog/facilitate-communication", participants=assigned)["contextId"] == second
    opened = world("dialog/facilitate-communication", participants=assigned, contextId=first)
    assert opened["contextId"] == first


def test_nobody_is_named_twice_and_strangers_do_not_speak(world: Any, context: str) -> None:
    with pytest.raises(OperationError, match="`a` is named twice"):
        world("dialog/facilitate-communication", participants=["a", {"role": "b", "participantId": "a"}])
    dialog = world("dialog/facilitate-communication", participants=["anna"])["dialogId"]
    with pytest.raises(OperationError, match="`ana` is not a participant") as caught:
        world("dialog/send-message", dialogId=dialog, content="x", senderId="ana")
    assert caught.value.hint == "did you mean `anna`?"
    assert context


def test_messages_are_said_in_an_active_dialog_and_read_at_any_time(world: Any, context: str) -> None:
    dialog = world("dialog/facilitate-communication", participants=["a"], contextId=context)["dialogId"]
    sent = world("dialog/send-message", dialogId=dialog, content="one", senderId="a")
    assert sent["messageCount"] == 2
    world("dialog/send-message", dialogId=dialog, content="", role="assistant")
    history = world("dialog/get-history", dialogId=dialog, limit=2)
    assert [m["content"] for m in history["messages"]] == ["one", ""]
    assert history["messageCount"] == 3
    world("dialog/pause-dialog", dialogId=dialog)
    with pytest.raises(InvalidTransitionError, match="is `paused`; nothing can be said"):
        world("dialog/send-message", dialogId=dialog, content="x")
    ended = world("dialog/end-dialog", dialogId=dialog, reason="enough")["dialog"]
    assert ended["ended_at"] == "2026-01-01T00:00:00.000Z"
    assert _events(ended) == ["dialog.started", "dialog.paused", "dialog.completed"]
    assert world("dialog/get-history", dialogId=dialog)["status"] == "completed"


# ---- confirm -----------------------------------------------------------------------------------


@pytest.fixture
def plan(world: Any, context: str) -> str:
    identifier: str = world("plan/create-plan", contextId=context, assignedRoles=["a"])["planId"]
    return identifier


def test_an_approval_of_a_plan_is_asked_and_given(world: Any, plan: str) -> None:
    asked = world(
        "confirm/request-approval", planId=plan, reason="ready", requestedByRole="dev", approvers=["lead"]
    )
    assert asked["status"] == "pending"
    body = asked["confirm"]
    assert (body["target_type"], body["target_id"], body["requested_by_role"]) == ("plan", plan, "dev")
    with pytest.raises(OperationError, match="`leed` may not decide") as caught:
        world("confirm/approve", confirmId=asked["confirmId"], decidedByRole="leed")
    assert caught.value.hint == "did you mean `lead`?"
    given = world("confirm/approve", confirmId=asked["confirmId"], decidedByRole="lead", decisionId=A)
    assert (given["status"], given["decisionId"]) == ("approved", A)
    assert given["confirm"]["decisions"] == [
        {
            "decision_id": A,
            "status": "approved",
            "decided_by_role": "lead",
            "decided_at": "2026-01-01T00:00:00.000Z",
        }
    ]
    assert world("confirm/get-approval", confirmId=asked["confirmId"])["confirm"] == given["confirm"]


def test_a_rejection_says_why_and_the_question_can_be_asked_again(world: Any, plan: str) -> None:
    confirm = world("confirm/request-approval", planId=plan, approvers=["lead"])["confirmId"]
    with pytest.raises(OperationError, match="needs `reason`"):
        world("confirm/reject", confirmId=confirm, decidedByRole="lead")
    rejected = world("confirm/reject", confirmId=confirm, decidedByRole="lead", reason="too early")["confirm"]
    assert (rejected["status"], rejected["reason"]) == ("rejected", "too early")
    with pytest.raises(OperationError, match="is about the plan"):
        world("confirm/request-approval", confirmId=confirm, targetId=MISSING)
    again = world("confirm/request-approval", confirmId=confirm, reason="now?")["confirm"]
    assert (again["status"], again["reason"]) == ("pending", "now?")
    with pytest.raises(OperationError, match="may not decide"):
        world("confirm/approve", confirmId=confirm, decidedByRole="stranger")
    rejection = again["decisions"][0]["decision_id"]
    with pytest.raises(OperationError, match="has a decision"):
        world("confirm/approve", confirmId=confirm, decidedByRole="lead", decisionId=rejection)
    approved = world("confirm/approve", confirmId=confirm, decidedByRole="lead")["confirm"]
    assert [d["status"] for d in approved["decisions"]] == ["rejected", "approved"]
    assert _events(approved) == [
        "confirm.requested",
        "confirm.rejected",
        "confirm.requested",
        "confirm.approved",
    ]


def test_a_question_can_be_taken_back_by_who_asked(world: Any, plan: str) -> None:
    confirm = world("confirm/request-approval", planId=plan, approvers=["lead"])["confirmId"]
    body = world("confirm/cancel-approval", confirmId=confirm, reason="not needed")["confirm"]
    assert body["status"] == "cancelled"
    assert body["decisions"][0]["decided_by_role"] == body["requested_by_role"] == "release"


def test_what_is_asked_about_must_be_there_and_clear(world: Any, plan: str, context: str) -> None:
    assert world("confirm/request-approval", targetType="context", targetId=context)["status"] == "pending"
    assert world("confirm/request-approval", targetId=MISSING)["confirm"]["target_type"] == "other"
    for kind in ("context", "plan", "trace", "extension"):
        with pytest.raises(UnknownObjectError, match=f"there is no {kind}"):
            world("confirm/request-approval", targetType=kind, targetId=MISSING)
    with pytest.raises(OperationError, match="name different targets"):
        world("confirm/request-approval", planId=plan, targetType="context", targetId=context)


def test_without_a_target_the_newest_plan_of_the_run_is_asked_about_else_the_run(
    world: Any, new_world: Any
) -> None:
    run = "11111111-1111-4111-8111-111111111111"
    world.caller = new_world(run=run).caller
    asked = world("confirm/request-approval", reason="go on?")["confirm"]
    assert (asked["target_type"], asked["target_id"]) == ("other", run)
    for kind in ("context", "plan", "trace", "extension"):
        with pytest.raises(OperationError, match=f"an approval of a {kind} needs to know which one"):
            world("confirm/request-approval", targetType=kind)
    context = world("context/create-context", name="a")["contextId"]
    made = [world("plan/create-plan", contextId=context, assignedRoles=["a"])["planId"] for _ in range(2)]
    for given in ({}, {"targetType": "plan"}):
        asked = world("confirm/request-approval", **given)["confirm"]
        assert (asked["target_type"], asked["target_id"]) == ("plan", made[1])
    assert world("confirm/request-approval", targetType="other")["confirm"]["target_id"] == run
