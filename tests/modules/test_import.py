"""What the caller gives is in the object, field for field, and nothing besides that was not given."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import DuplicateObjectError, OperationError

CONTEXT, PLAN, ROLE, A, B, CONFIRM, TRACE, SPAN = (
    f"{letter * 8}-{letter * 4}-4{letter * 3}-9{letter * 3}-{letter * 12}" for letter in "12345678"
)
GOVERNANCE = {
    "lifecyclePhase": "build",
    "truthDomain": "team",
    "locked": False,
    "lastConfirmRef": {"id": CONFIRM, "module": "confirm", "description": "d"},
}
SPAN_PLACE = {
    "trace_id": TRACE, "span_id": SPAN, "parent_span_id": A, "context_id": CONTEXT, "attributes": {"a": [1]},
}  # fmt: skip
META = {
    "created_at": "2024-02-29T08:00:00+01:00", "created_by": "ann", "tags": ["x"],
    "cross_cutting": ["security", "transaction"],
}  # fmt: skip
FULL_CONTEXT = {
    "context_id": CONTEXT,
    "root": {"domain": "d", "environment": "e", "entry_point": "p", "else": {"deep": [None, 1.5]}},
    "title": "T",
    "status": "suspended",
    "summary": "",
    "tags": ["t", "u"],
    "language": "en",
    "owner_role": "lead",
    "constraints": {"budget": {"max": 3}},
    "created_at": "2024-02-29T07:00:00Z",
    "updated_at": "2024-03-01T07:00:00Z",
    "governance": GOVERNANCE,
    "trace": SPAN_PLACE,
}
FULL_PLAN = {
    "plan_id": PLAN,
    "context_id": CONTEXT,
    "title": "T",
    "objective": "O",
    "status": "in_progress",
    "steps": [
        {"step_id": A, "description": "one", "status": "completed", "dependencies": [], "order_index": 4},
        {"step_id": B, "description": "two", "status": "blocked", "dependencies": [A], "agent_role": "dev"},
    ],
    "trace": SPAN_PLACE,
}
FULL_ROLE = {
    "role_id": ROLE,
    "name": "dev",
    "description": "",
    "capabilities": ["plan.create", "plan.*"],
    "created_at": "2024-02-29T07:00:00Z",
    "updated_at": "2024-03-01T07:00:00Z",
    "governance": GOVERNANCE,
    "trace": SPAN_PLACE,
}


def _content(body: dict[str, Any]) -> dict[str, Any]:
    """Without what is noted about every object."""
    return {key: value for key, value in body.items() if key not in {"meta", "events"}}


@pytest.mark.parametrize(
    ("kind", "full", "extra"),
    [
        ("context", FULL_CONTEXT, {"name": "N"}),
        ("context", FULL_CONTEXT, {}),
        ("plan", FULL_PLAN, {"name": "N", "priority": "high"}),
        ("role", FULL_ROLE, {"contextId": CONTEXT}),
    ],
)
def test_an_object_with_every_field_given_is_what_was_given(
    world: Any, protocol_problems: Any, kind: str, full: dict[str, Any], extra: dict[str, Any]
) -> None:
    if kind != "context":
        world("context/create-context", name="c", contextId=CONTEXT)
    body = world(f"{kind}/create-{kind}", **full, **extra, meta=META)[kind]
    assert _content(body) == full
    assert {key: body["meta"][key] for key in META} == {**META, "tags": body["meta"]["tags"]}
    assert body["meta"]["tags"][0] == "x"
    assert protocol_problems(kind, body) == []
    assert list(world.newest()[kind, full[f"{kind}_id"]].body) == list(body)


@pytest.mark.parametrize(
    ("operation", "given", "made"),
    [
        (
            "context/create-context", {"title": "T", "root": {"domain": "", "environment": "e"}},
            {"title", "root", "status"},
        ),
        (
            "plan/create-plan",
            {"contextId": CONTEXT, "title": "T", "objective": "O", "steps": [{"description": "one"}]},
            {"context_id", "title", "objective", "status", "steps"},
        ),
        ("role/create-role", {"name": "dev"}, {"name"}),
    ],
)  # fmt: skip
def test_an_object_with_little_given_has_no_more_than_it_must_have(
    world: Any, operation: str, given: dict[str, Any], made: set[str]
) -> None:
    world("context/create-context", name="c", contextId=CONTEXT)
    kind = operation.partition("/")[0]
    body = world(operation, **given)[kind]
    assert set(_content(body)) == {f"{kind}_id", *made}
    if kind == "context":
        assert body["root"] == given["root"]
    if kind == "plan":
        assert set(body["steps"][0]) == {"step_id", "description", "status"}


def test_parts_of_the_root_are_merged_and_do_not_contradict(world: Any) -> None:
    body = world("context/create-context", name="a", type="t", entryPoint="p", root={"domain": "d", "k": 1})
    assert body["context"]["root"] == {
        "domain": "d", "environment": "development", "entry_point": "p", "type": "t", "k": 1,
    }  # fmt: skip
    with pytest.raises(OperationError, match="`domain` is `x` and in `root` it is `d`"):
        world("context/create-context", name="a", domain="x", root={"domain": "d"})
    with pytest.raises(OperationError, match="root/domain"):
        world("context/create-context", name="a", root={"domain": 5})


def test_an_id_is_taken_once_even_when_its_object_is_gone(world: Any) -> None:
    world("context/create-context", name="c", contextId=CONTEXT)
    world("context/delete-context", contextId=CONTEXT)
    with pytest.raises(DuplicateObjectError):
        world("context/create-context", name="c", contextId=CONTEXT)


def test_a_plan_carries_no_governance(world: Any) -> None:
    world("context/create-context", name="c", contextId=CONTEXT)
    with pytest.raises(OperationError, match="has no parameter `governance`"):
        world("plan/create-plan", contextId=CONTEXT, assignedRoles=["a"], governance=GOVERNANCE)
