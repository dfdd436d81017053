"""One role at a time: given, taken back, changed, deleted, and asked what it may do."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import DuplicateObjectError, OperationError, UnknownObjectError


@pytest.fixture
def context(world: Any) -> str:
    identifier: str = world("context/create-context", name="Ship")["contextId"]
    return identifier


def _events(body: dict[str, Any]) -> list[str]:
    return [event["event_type"] for event in body["events"]]


def test_a_role_is_given_to_one_and_taken_back(world: Any, context: str) -> None:
    given = world("role/assign-role", contextId=context, role="dev", agentId="bot")
    assert given["assignment"] == {
        "role": "dev", "roleId": given["roleId"], "participantId": "bot", "kind": "agent", "agentId": "bot",
        "contextId": context,
    }  # fmt: skip
    person = world(
        "role/assign-role", contextId=context, roleId=given["roleId"], kind="human", participantId="ann"
    )
    assert person["roleId"] == given["roleId"]
    shown = world("role/get-role", roleId=given["roleId"])["assignments"]
    assert shown == [given["assignment"], person["assignment"]]
    with pytest.raises(OperationError, match="2 assignments of the role `dev` could be meant") as caught:
        world("role/revoke-role", contextId=context, role="dev")
    assert caught.value.details["participantIds"] == ["bot", "ann"]
    gone = world("role/revoke-role", contextId=context, role="dev", agentId="bot", reason="slow")
    assert gone["assignment"] == given["assignment"]
    assert gone["role"]["events"][-1]["data"] == {**given["assignment"], "reason": "slow"}
    assert world("role/revoke-role", contextId=context, role="dev")["assignment"] == person["assignment"]
    with pytest.raises(OperationError, match="nobody has the role `dev`"):
        world("role/revoke-role", contextId=context, role="dev")
    with pytest.raises(OperationError, match="`bot` has not the role `dev`"):
        world("role/revoke-role", contextId=context, role="dev", participantId="bot")
    assert _events(world("role/get-role", roleId=given["roleId"])["role"]) == [
        "role.created", "role.assigned", "role.assigned", "role.revoked", "role.revoked",
    ]  # fmt: skip


def test_somebody_has_a_role_once_and_may_have_several(world: Any, context: str) -> None:
    ann = {"contextId": context, "participantId": "ann"}
    world("role/assign-role", **ann, role="dev")
    with pytest.raises(DuplicateObjectError, match="`ann` has the role `dev` already"):
        world("role/assign-role", **ann, role="dev")
    world("role/assign-role", **ann, role="lead")
    again = world("role/assign-role", contextId=context, role="lead", agentId="ann")
    assert again["assignment"]["participantId"] == "ann-2"
    world("role/revoke-role", contextId=context, role="lead", participantId="ann-2")
    free = world("role/assign-role", contextId=context, role="lead", agentId="ann")
    assert free["assignment"]["participantId"] == "ann-2"


def test_a_role_of_no_context_comes_to_be_one_of_the_context(world: Any, context: str) -> None:
    loose = world("role/create-role", name="dev")["roleId"]
    world("role/assign-role", contextId=context, roleId=loose, agentId="bot")
    other = world("context/create-context", name="other")["contextId"]
    world("role/assign-role", contextId=other, roleId=loose, agentId="bot")
    for one in (context, other):
        assert [role["role_id"] for role in world("role/list-roles", contextId=one)["roles"]] == [loose]
    world("role/revoke-role", contextId=other, role="dev")
    left = world("role/get-role", roleId=loose)["assignments"]
    assert [item["contextId"] for item in left] == [context]
    second = world("role/create-role", name="dev")["roleId"]
    with pytest.raises(OperationError, match="has a role `dev` already"):
        world("role/assign-role", contextId=context, roleId=second)


def test_a_role_that_cannot_be_meant_is_refused(world: Any, context: str) -> None:
    role = world("role/create-role", name="dev", contextId=context)["roleId"]
    with pytest.raises(OperationError, match="that of the role `dev`, not of `lead`"):
        world("role/assign-role", contextId=context, roleId=role, role="lead")
    with pytest.raises(UnknownObjectError, match="has no role `dve`") as caught:
        world("role/revoke-role", contextId=context, role="dve")
    assert caught.value.hint == "did you mean `dev`?"


def test_a_role_is_changed_and_its_name_stays_its_own(world: Any, context: str) -> None:
    role = world("role/create-role", name="dev", contextId=context)["roleId"]
    world("role/assign-role", contextId=context, role="dev", agentId="bot")
    changed = world("role/update-role", roleId=role, name="maker", description="d", capabilities=["a.b"])
    assert (changed["name"], changed["role"]["description"], changed["role"]["capabilities"]) == (
        "maker", "d", ["a.b"],
    )  # fmt: skip
    assert changed["assignments"][0]["role"] == "maker"
    assert changed["role"]["events"][-1]["data"] == {"fields": ["capabilities", "description", "name"]}
    world("role/create-role", name="lead", contextId=context)
    with pytest.raises(OperationError, match="has a role `lead` already"):
        world("role/update-role", roleId=role, name="lead")
    assert world("role/update-role", roleId=role, name="maker")["name"] == "maker"
    with pytest.raises(OperationError, match="nothing to change"):
        world("role/update-role", roleId=role)


def test_a_role_is_deleted_when_nobody_has_it(world: Any, context: str) -> None:
    role = world("role/assign-role", contextId=context, role="dev", agentId="bot")["roleId"]
    with pytest.raises(OperationError, match="cannot be deleted: `bot` has it"):
        world("role/delete-role", roleId=role)
    world("role/revoke-role", contextId=context, roleId=role)
    assert world("role/delete-role", roleId=role) == {"roleId": role, "deleted": True}
    assert world("role/list-roles", contextId=context)["total"] == 0
    assert world("role/assign-role", contextId=context, role="dev")["roleId"] != role


def test_capabilities_are_granted_and_revoked(world: Any) -> None:
    role = world("role/create-role", name="dev")["roleId"]
    world("role/grant-capability", roleId=role, capability="plan.*")
    twice = world("role/grant-capability", roleId=role, capability="plan.*")["role"]
    assert twice["capabilities"] == ["plan.*"]
    with pytest.raises(OperationError, match=r"has no capability `plan\.create`") as caught:
        world("role/revoke-capability", roleId=role, capability="plan.create")
    assert caught.value.hint == "it has `plan.*`, which covers it"
    body = world("role/revoke-capability", roleId=role, capability="plan.*")["role"]
    assert body["capabilities"] == []
    assert _events(body) == ["role.created", "role.capability.granted", "role.capability.revoked"]
    assert body["events"][-1]["data"] == {"capability": "plan.*"}


@pytest.mark.parametrize(
    ("held", "asked", "by"),
    [
        (["plan.create"], "plan.create", "plan.create"),
        (["plan.create"], "plan.delete", None),
        (["plan.*"], "plan.create", "plan.*"),
        (["plan.*"], "plan.step.add", "plan.*"),
        (["plan.*"], "plan.*", "plan.*"),
        (["plan.*"], "planning.create", None),
        (["plan.*"], "plan", None),
        (["plan.create"], "plan.*", None),
        (["*"], "anything", "*"),
        (["a.b", "*"], "a.b", "a.b"),
        (["plan*"], "plan.create", None),
        (None, "plan.create", None),
    ],
)
def test_a_capability_covers_what_it_says(
    world: Any, held: list[str] | None, asked: str, by: str | None
) -> None:
    role = world("role/create-role", name="dev", capabilities=held)["roleId"]
    answer = world("role/check-permission", roleId=role, capability=asked)
    assert (answer["allowed"], answer["grantedBy"]) == (by is not None, by)
    assert answer["roleId"] == (role if by else None)
    assert answer["reason"] == (
        f"the role `dev` has `{by}`" if by else f"the role `dev` has no capability that covers `{asked}`"
    )


def test_somebody_may_do_what_any_of_their_roles_may(world: Any, context: str) -> None:
    world("role/assign-role", contextId=context, role="dev", agentId="bot")
    lead = world("role/create-role", name="lead", contextId=context, capabilities=["plan.approve"])["roleId"]
    asked = {"contextId": context, "participantId": "bot", "resource": "plan", "action": "approve"}
    answer = world("role/check-permission", **asked)
    assert (answer["allowed"], answer["reason"]) == (
        False, "`bot` has no capability that covers `plan.approve`",
    )  # fmt: skip
    world("role/assign-role", contextId=context, role="lead", agentId="bot")
    answer = world("role/check-permission", **asked)
    assert (answer["allowed"], answer["roleId"]) == (True, lead)
    world("role/revoke-role", contextId=context, role="lead", agentId="bot")
    assert not world("role/check-permission", **asked)["allowed"]
    stranger = world("role/check-permission", **{**asked, "participantId": "cat"})
    assert (stranger["allowed"], stranger["reason"]) == (False, "`cat` has no role")
    assert world("role/check-permission", contextId=context, role="lead", capability="plan.approve")[
        "allowed"
    ]


def test_a_question_about_a_permission_is_a_clear_one(world: Any, context: str) -> None:
    role = world("role/create-role", name="dev", contextId=context)["roleId"]
    for given, message in (
        ({"roleId": role, "role": "dev", "capability": "a"}, "give one of"),
        ({"role": "dev", "capability": "a"}, "is one of a context"),
        ({"roleId": role, "resource": "plan"}, "either a `capability` or a `resource`"),
        ({"roleId": role, "capability": "a", "resource": "b", "action": "c"}, "either a `capability`"),
        ({"roleId": role}, "needs `capability` or `resource`"),
        ({"capability": "a"}, "needs `roleId` or `role` or `participantId`"),
        ({"contextId": context, "role": "dve", "capability": "a"}, "has no role `dve`"),
    ):
        with pytest.raises(OperationError, match=message):
            world("role/check-permission", **given)
