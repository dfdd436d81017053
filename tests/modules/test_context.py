"""The state that a context shares, who takes part in it, how it is found and how it goes."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import (
    DuplicateObjectError,
    InvalidTransitionError,
    LockedObjectError,
    OperationError,
    UnknownObjectError,
)


@pytest.fixture
def context(world: Any) -> str:
    identifier: str = world("context/create-context", name="Ship", type="release")["contextId"]
    return identifier


def _last(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    event = body["events"][-1]
    return event["event_type"], event["data"]


def test_every_update_of_the_shared_state_is_one_version_more(world: Any, context: str) -> None:
    assert world("context/get-shared-state", contextId=context) == {
        "contextId": context, "version": 0, "variables": {},
    }  # fmt: skip
    first = world("context/update-shared-state", contextId=context, variables={"b": 1, "a": None})
    assert (first["version"], first["variables"]) == (1, {"b": 1, "a": None})
    assert _last(first["context"]) == ("context.state.synced", {"version": 1, "keys": ["a", "b"]})
    second = world("context/update-shared-state", contextId=context, key="b", value=[2])
    assert second["context"]["root"]["shared_state"] == {"version": 2, "variables": {"b": [2], "a": None}}
    assert second["context"]["root"]["domain"] == "release"
    assert world("context/update-shared-state", contextId=context, key="b", value=None)["version"] == 3
    one = world("context/get-shared-state", contextId=context, key="b")
    assert (one["version"], one["variables"]) == (3, {"b": None})
    with pytest.raises(OperationError, match="shares no `bb`") as caught:
        world("context/get-shared-state", contextId=context, key="bb")
    assert caught.value.hint == "did you mean `b`?"


def test_a_stale_write_to_the_shared_state_is_refused(world: Any, context: str) -> None:
    given = {"contextId": context, "variables": {"n": 1}}
    world("context/update-shared-state", **given, expectedVersion=0)
    with pytest.raises(OperationError, match="is at version 1, not 0") as caught:
        world("context/update-shared-state", **given, expectedVersion=0)
    assert caught.value.details["version"] == 1
    assert world("context/update-shared-state", **given, expectedVersion=1)["version"] == 2


def test_an_update_of_the_shared_state_says_what_is_to_be_shared(world: Any, context: str) -> None:
    for given in ({"key": "a"}, {"variables": {"a": 1}, "value": 2}):
        with pytest.raises(OperationError, match="belong together"):
            world("context/update-shared-state", contextId=context, **given)
    with pytest.raises(OperationError, match="nothing to share"):
        world("context/update-shared-state", contextId=context, variables={})
    with pytest.raises(OperationError, match="needs `variables` or `key`"):
        world("context/update-shared-state", contextId=context)


def test_who_takes_part_stands_in_the_context(world: Any, context: str) -> None:
    added = world("context/add-participant", contextId=context, agentId="bot", roles=["dev"])
    assert added["participant"] == {
        "participantId": "bot", "agentId": "bot", "roles": ["dev"], "capabilities": [],
    }  # fmt: skip
    assert _last(added["context"]) == ("context.participant.added", added["participant"])
    both = world("context/add-participant", contextId=context, participantId="ann", capabilities=["plan.*"])
    assert both["context"]["root"]["participants"] == [
        {"participant_id": "bot", "agent_id": "bot", "roles": ["dev"], "capabilities": []},
        {"participant_id": "ann", "roles": [], "capabilities": ["plan.*"]},
    ]
    with pytest.raises(DuplicateObjectError, match="`bot` takes part in the context"):
        world("context/add-participant", contextId=context, participantId="bot")
    with pytest.raises(UnknownObjectError, match="`anna` does not take part") as caught:
        world("context/remove-participant", contextId=context, participantId="anna")
    assert caught.value.hint == "did you mean `ann`?"
    left = world("context/remove-participant", contextId=context, participantId="bot", reason="done")
    assert [item["participantId"] for item in left["participants"]] == ["ann"]
    assert _last(left["context"]) == (
        "context.participant.removed",
        {**added["participant"], "reason": "done"},
    )


@pytest.mark.parametrize(
    ("root", "operation", "given", "message"),
    [
        ({"shared_state": [1]}, "update-shared-state", {"key": "a", "value": 1}, "is no shared state"),
        ({"shared_state": {"version": -1}}, "get-shared-state", {}, "is no shared state"),
        ({"participants": ["ann"]}, "add-participant", {"agentId": "bot"}, "is no list of participants"),
        ({"participants": {"a": 1}}, "remove-participant", {"participantId": "a"}, "is no list of particip"),
    ],
)
def test_another_use_of_the_root_is_left_alone(
    world: Any, root: dict[str, Any], operation: str, given: dict[str, Any], message: str
) -> None:
    context = world("context/create-context", name="a", root=root)["contextId"]
    with pytest.raises(OperationError, match=message):
        world(f"context/{operation}", contextId=context, **given)


@pytest.mark.parametrize(
    ("operation", "given"),
    [("update-shared-state", {"key": "a", "value": 1}), ("add-participant", {"agentId": "a"})],
)
def test_a_context_that_rests_takes_neither_state_nor_participants(
    world: Any, context: str, operation: str, given: dict[str, Any]
) -> None:
    world("context/suspend-context", contextId=context)
    with pytest.raises(InvalidTransitionError, match="is `suspended`"):
        world(f"context/{operation}", contextId=context, **given)
    assert world("context/get-shared-state", contextId=context)["version"] == 0


def test_contexts_are_found_by_a_pattern_of_their_title(world: Any) -> None:
    for name in ("Ship it", "ship", "Shop"):
        world("context/create-context", name=name)

    def titles(pattern: str) -> list[str]:
        return [c["title"] for c in world("context/list-contexts", namePattern=pattern)["contexts"]]

    assert titles("Sh?p*") == ["Ship it", "Shop"]
    assert titles("ship") == ["ship"]
    assert titles("*it") == ["Ship it"]
    assert titles("x") == []


def test_a_context_is_deleted_when_nothing_is_in_it(world: Any, context: str) -> None:
    role = world("role/create-role", name="a", contextId=context)["roleId"]
    plan = world("plan/create-plan", contextId=context, assignedRoles=["a"])["planId"]
    confirm = world("confirm/request-approval", targetType="context", targetId=context)["confirmId"]
    with pytest.raises(OperationError, match=f"plan {plan}, role {role}, confirm {confirm} would refer") as c:
        world("context/delete-context", contextId=context)
    assert c.value.details["usedBy"][0] == {"kind": "plan", "id": plan}
    empty = world("context/create-context", name="b")["contextId"]
    assert world("context/delete-context", contextId=empty) == {"contextId": empty, "deleted": True}
    with pytest.raises(UnknownObjectError) as gone:
        world("context/get-context", contextId=empty)
    assert gone.value.hint == "it has been deleted"
    with pytest.raises(UnknownObjectError):
        world("context/delete-context", contextId=empty)


def test_a_locked_context_is_neither_changed_nor_deleted(world: Any) -> None:
    context = world("context/create-context", name="b", governance={"locked": True})["contextId"]
    for operation, given in (
        ("delete-context", {}),
        ("update-shared-state", {"key": "a", "value": 1}),
        ("add-participant", {"agentId": "a"}),
    ):
        with pytest.raises(LockedObjectError):
            world(f"context/{operation}", contextId=context, **given)


def test_an_update_notes_the_time_in_the_context_that_has_a_field_for_it(world: Any) -> None:
    stamp = "2024-02-29T07:00:00Z"
    made = world("context/create-context", name="b", createdAt=stamp, updatedAt=stamp)["contextId"]
    body = world("context/update-context", contextId=made, summary="s")["context"]
    assert (body["created_at"], body["updated_at"]) == (stamp, "2026-01-01T00:00:00.000Z")
