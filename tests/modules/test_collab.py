"""Collaborations: who takes part, whose turn it is, what is said, given out, decided and settled."""

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

A, B, C, D = (f"{letter * 8}-{letter * 4}-4{letter * 3}-8{letter * 3}-{letter * 12}" for letter in "abcd")
NAMES = ["author", "critic", "moderator"]


@pytest.fixture
def context(world: Any) -> str:
    identifier: str = world("context/create-context", name="Review")["contextId"]
    return identifier


@pytest.fixture
def people(world: Any, context: str) -> list[dict[str, Any]]:
    assignments: list[dict[str, Any]] = world("role/assign-roles", contextId=context, roles=NAMES)[
        "assignments"
    ]
    return assignments


def _collab(
    world: Any, people: list[dict[str, Any]], mode: str = "round_robin", status: str = "active"
) -> str:
    given = {"contextId": people[0]["contextId"], "title": "T", "mode": mode, "participants": people}
    return str(world("collab/create-collab", **given, status=status)["collabId"])


def _events(world: Any, collab: str, *kinds: str) -> list[dict[str, Any]]:
    """The data of a collab's events of these kinds."""
    events = world("collab/get-collab", collabId=collab)["collab"]["events"]
    return [event.get("data") for event in events if event["event_type"].removeprefix("collab.") in kinds]


def _kinds(world: Any, collab: str) -> list[str]:
    events = world("collab/get-collab", collabId=collab)["collab"]["events"]
    return [event["event_type"].removeprefix("collab.") for event in events]


def test_an_imported_collab_is_what_was_given(world: Any, context: str, protocol_problems: Any) -> None:
    given = {
        "collabId": A, "contextId": context, "title": "T", "purpose": "P", "mode": "pair", "status": "suspended",
        "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-01-02T00:00:00+01:00",
        "participants": [
            {"participantId": "ann", "roleId": B, "kind": "human", "displayName": "Ann"},
            {"participant_id": "bot", "role_id": C, "kind": "agent"},
        ],
        "governance": {"lifecyclePhase": "review", "lastConfirmRef": {"id": D, "module": "confirm"}},
        "trace": {"traceId": D, "spanId": C},
        "meta": {"tags": ["x"], "createdBy": "somebody", "crossCutting": ["security"]},
    }  # fmt: skip
    body = world("collab/create-collab", **given)["collab"]
    assert protocol_problems("collab", body) == []
    meta, events = body.pop("meta"), body.pop("events")
    assert body == {
        "collab_id": A, "context_id": context, "title": "T", "purpose": "P", "mode": "pair", "status": "suspended",
        "created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-02T00:00:00+01:00",
        "participants": [
            {"participant_id": "ann", "role_id": B, "kind": "human", "display_name": "Ann"},
            {"participant_id": "bot", "role_id": C, "kind": "agent"},
        ],
        "governance": {"lifecyclePhase": "review", "lastConfirmRef": {"id": D, "module": "confirm"}},
        "trace": {"trace_id": D, "span_id": C},
    }  # fmt: skip
    assert (meta["tags"][0], meta["created_by"], meta["cross_cutting"]) == ("x", "somebody", ["security"])
    assert [e["event_type"] for e in events] == [
        "collab.created", "collab.roles.assigned", "collab.started", "collab.suspended",
    ]  # fmt: skip
    with pytest.raises(DuplicateObjectError):
        world("collab/create-collab", **given)


def test_what_is_not_given_is_not_invented(world: Any, people: list[dict[str, Any]], context: str) -> None:
    body = world("collab/create-collab", contextId=context, name="N", mode="swarm", participants=people)[
        "collab"
    ]
    assert set(body) == {
        "meta", "collab_id", "context_id", "title", "purpose", "mode", "status", "participants", "created_at",
        "events",
    }  # fmt: skip
    assert (body["title"], body["purpose"], body["status"]) == ("N", "Ship it", "draft")


@pytest.mark.parametrize("status", ["draft", "active", "suspended", "completed", "cancelled"])
def test_a_collab_can_be_made_in_every_status(world: Any, people: list[dict[str, Any]], status: str) -> None:
    collab = _collab(world, people, status=status)
    assert world("collab/get-collab", collabId=collab)["status"] == status


def test_everybody_has_a_role(world: Any, people: list[dict[str, Any]], context: str) -> None:
    mixed = [people[0], "critic", {"participantId": "mo", "role": "moderator", "kind": "human"}]
    body = world("collab/create-collab", contextId=context, title="T", mode="pair", participants=mixed)[
        "collab"
    ]
    assert [(who["participant_id"], who["role_id"]) for who in body["participants"]] == [
        ("author", people[0]["roleId"]),
        ("critic", people[1]["roleId"]),
        ("mo", people[2]["roleId"]),
    ]
    assigned = next(e["data"] for e in body["events"] if e["event_type"] == "collab.roles.assigned")
    assert assigned["participants"][2] == {
        "participantId": "mo",
        "roleId": people[2]["roleId"],
        "kind": "human",
    }
    for who, hint in (("critik", "did you mean `critic`?"), ({"participantId": "x"}, "roleId")):
        with pytest.raises(OperationError, match="has no role") as caught:
            world("collab/create-collab", contextId=context, title="T", mode="pair", participants=[who])
        assert hint in str(caught.value.hint)
    with pytest.raises(OperationError, match="has no name"):
        world(
            "collab/create-collab",
            contextId=context,
            title="T",
            mode="pair",
            participants=[{"kind": "human"}],
        )


def test_nobody_is_there_twice_and_not_more_than_a_hundred(
    world: Any, people: list[dict[str, Any]], context: str
) -> None:
    given = {"contextId": context, "title": "T", "mode": "swarm"}
    with pytest.raises(OperationError, match="`critic` is named twice"):
        world("collab/create-collab", **given, participants=[people[1], "critic"])
    crowd = [{"participantId": str(n), "roleId": A} for n in range(101)]
    with pytest.raises(OperationError, match="at most 100 participants, not 101"):
        world("collab/create-collab", **given, participants=crowd)
    full = world("collab/create-collab", **given, participants=crowd[:100])["collabId"]
    with pytest.raises(OperationError, match="at most 100"):
        world("collab/join-collab", collabId=full, participant=crowd[100])


@pytest.mark.parametrize(
    ("join", "leave"), [("join-collab", "leave-collab"), ("add-participant", "remove-participant")]
)
def test_people_come_and_go_but_one_stays(
    world: Any, people: list[dict[str, Any]], context: str, join: str, leave: str
) -> None:
    collab = _collab(world, people[:1], status="draft")
    joined = world(f"collab/{join}", collabId=collab, participant="critic")["collab"]
    assert joined["participants"][1] == {
        "participant_id": "critic", "role_id": people[1]["roleId"], "kind": "agent",
    }  # fmt: skip
    with pytest.raises(OperationError, match="`critic` is named twice"):
        world(f"collab/{join}", collabId=collab, participant=people[1])
    with pytest.raises(OperationError, match="`autor` is not a participant") as caught:
        world(f"collab/{leave}", collabId=collab, participantId="autor")
    assert caught.value.hint == "did you mean `author`?"
    world(f"collab/{leave}", collabId=collab, participantId="author", reason="ill")
    with pytest.raises(OperationError, match="the last participant"):
        world(f"collab/{leave}", collabId=collab, participantId="critic")
    assert _kinds(world, collab)[-2:] == ["participant.joined", "participant.left"]
    world("collab/cancel-collab", collabId=collab)
    with pytest.raises(InvalidTransitionError, match="nobody joins or leaves"):
        world(f"collab/{join}", collabId=collab, participant="moderator")


def test_turns_go_round(world: Any, people: list[dict[str, Any]]) -> None:
    collab = _collab(world, people)
    seen = []
    for _ in range(4):
        turn = world("collab/dispatch-turn", collabId=collab)
        seen.append((turn["participantIds"], turn["turnNumber"]))
        done = world("collab/complete-turn", collabId=collab, result={"ok": True})
        assert (done["roleId"], done["turnNumber"], done["status"]) == (
            turn["roleId"], turn["turnNumber"], "completed",
        )  # fmt: skip
    assert seen == [(["author"], 1), (["critic"], 2), (["moderator"], 3), (["author"], 4)]
    completed = _events(world, collab, "turn.completed")
    assert completed[0] == {"roleId": people[0]["roleId"], "turnNumber": 1, "result": {"ok": True}}


def test_in_a_round_one_turn_follows_the_other(world: Any, people: list[dict[str, Any]]) -> None:
    collab = _collab(world, people)
    with pytest.raises(OperationError, match="it is not the turn of the role"):
        world("collab/dispatch-turn", collabId=collab, roleId=people[1]["roleId"])
    world("collab/dispatch-turn", collabId=collab, roleId=people[0]["roleId"])
    with pytest.raises(OperationError, match=r"turn 1 of the role .* is not completed yet"):
        world("collab/dispatch-turn", collabId=collab)
    with pytest.raises(OperationError, match="is not completed yet"):
        world("collab/end-collab", collabId=collab)
    with pytest.raises(OperationError, match="is not completed yet"):
        world("collab/leave-collab", collabId=collab, participantId="author")
    world("collab/suspend-collab", collabId=collab)
    world("collab/complete-turn", collabId=collab)
    with pytest.raises(InvalidTransitionError, match="is `suspended`; this needs an active one"):
        world("collab/dispatch-turn", collabId=collab)
    world("collab/resume-collab", collabId=collab)
    world("collab/leave-collab", collabId=collab, participantId="critic")
    assert world("collab/dispatch-turn", collabId=collab)["participantIds"] == ["moderator"]


def test_elsewhere_turns_are_named_and_several_are_open(world: Any, people: list[dict[str, Any]]) -> None:
    collab = _collab(world, people, "orchestrated")
    first, second = people[0]["roleId"], people[1]["roleId"]
    with pytest.raises(OperationError, match="needs a role"):
        world("collab/dispatch-turn", collabId=collab)
    with pytest.raises(OperationError, match=r"no participant .* has the role") as caught:
        world("collab/dispatch-turn", collabId=collab, roleId=D)
    assert f"{first} (author)" in str(caught.value.hint)
    world("collab/dispatch-turn", collabId=collab, roleId=first)
    world("collab/dispatch-turn", collabId=collab, roleId=second, turnNumber=1)
    with pytest.raises(OperationError, match="has been dispatched already"):
        world("collab/dispatch-turn", collabId=collab, roleId=second, turnNumber=1)
    with pytest.raises(OperationError, match="2 turns are open"):
        world("collab/complete-turn", collabId=collab, turnNumber=1)
    world("collab/complete-turn", collabId=collab, roleId=second, turnNumber=1)
    with pytest.raises(InvalidTransitionError, match=r"turn 1 .* has been completed already"):
        world("collab/complete-turn", collabId=collab, roleId=second, turnNumber=1)
    with pytest.raises(OperationError, match="no such turn is open"):
        world("collab/complete-turn", collabId=collab, roleId=second, turnNumber=7)
    assert world("collab/complete-turn", collabId=collab)["roleId"] == first
    assert world("collab/end-collab", collabId=collab)["status"] == "completed"


def test_everybody_else_hears_a_broadcast(world: Any, people: list[dict[str, Any]]) -> None:
    collab = _collab(world, people)
    sent = world("collab/broadcast", collabId=collab, message="hello", senderId="critic")
    assert [who["participantId"] for who in sent["receivers"]] == ["author", "moderator"]
    [event] = _events(world, collab, "broadcast.sent")
    assert (event["broadcasterRoleId"], event["targetCount"], event["message"]) == (
        people[1]["roleId"],
        2,
        "hello",
    )
    heard = _events(world, collab, "broadcast.received")
    assert [data["receiverRoleId"] for data in heard] == [people[0]["roleId"], people[2]["roleId"]]
    assert {data["broadcastId"] for data in heard} == {sent["broadcastId"]}
    assert world("collab/broadcast", collabId=collab, message="hi")["senderId"] == "author"
    alone = _collab(world, people[:1])
    with pytest.raises(OperationError, match="nobody to hear"):
        world("collab/broadcast", collabId=alone, message="hello")


def test_a_task_is_given_to_somebody_who_is_there(world: Any, people: list[dict[str, Any]]) -> None:
    collab = _collab(world, people)
    task = world("collab/allocate-task", collabId=collab, task="write", assignedTo="author", taskId=A)
    assert (task["taskId"], task["roleId"]) == (A, people[0]["roleId"])
    with pytest.raises(OperationError, match=r"has a task .* already"):
        world("collab/allocate-task", collabId=collab, task="write", assignedTo="author", taskId=A)
    with pytest.raises(OperationError, match="`autor` is not a participant"):
        world("collab/allocate-task", collabId=collab, task="write", assignedTo="autor")


@pytest.mark.parametrize(
    ("votes", "quorum", "choice", "reason"),
    [
        ([("yes", 1), ("yes", 1), ("no", 1)], None, "yes", "majority"),
        ([("yes", 0.1), ("yes", 0.2), ("no", 0.3)], None, None, "no-majority"),
        ([("yes", 0.2), ("no", 0.9), ("yes", 0.6)], None, "no", "majority"),
        ([("yes", 1), ("no", 1), ("later", 1)], None, None, "no-majority"),
        ([("yes", 1)], 2, None, "quorum"),
        ([("yes", 1), ("yes", 0)], 2, "yes", "majority"),
        ([], None, None, "no-majority"),
    ],
)
def test_more_than_half_of_the_weight_decides(
    world: Any, people: list[dict[str, Any]], votes: list[tuple[str, float]], quorum: int | None,
    choice: str | None, reason: str,
) -> None:  # fmt: skip
    collab = _collab(world, people)
    given = {"question": "now?", "options": ["yes", "no", "later"], "quorum": quorum}
    decision = world("collab/propose-decision", collabId=collab, **given)["decisionId"]
    for name, (said, weight) in zip(NAMES, votes, strict=False):
        world("collab/vote", collabId=collab, decisionId=decision, voter=name, choice=said, weight=weight)
    result = world("collab/finalize-decision", collabId=collab, decisionId=decision)
    assert (result["choice"], result["reason"], result["decided"]) == (choice, reason, choice is not None)
    assert result["votes"] == len(votes)
    with pytest.raises(InvalidTransitionError, match="has been finalized already"):
        world("collab/finalize-decision", collabId=collab, decisionId=decision)


def test_a_vote_is_cast_once_by_who_takes_part_for_what_is_asked(
    world: Any, people: list[dict[str, Any]]
) -> None:
    collab = _collab(world, people)
    given = {"collabId": collab, "question": "now?", "options": ["yes", "no"], "decisionId": A}
    world("collab/propose-decision", **given, proposedBy="author")
    with pytest.raises(OperationError, match=r"has a decision .* already"):
        world("collab/propose-decision", **given)
    ballot = {"collabId": collab, "decisionId": A}
    with pytest.raises(OperationError, match="`yess` is no option") as caught:
        world("collab/vote", **ballot, voter="author", choice="yess")
    assert caught.value.hint == "did you mean `yes`?"
    with pytest.raises(OperationError, match="at most 1"):
        world("collab/vote", **ballot, voter="author", choice="yes", weight=1.5)
    world("collab/vote", **ballot, voter="author", choice="yes")
    with pytest.raises(OperationError, match="`author` has voted already"):
        world("collab/vote", **ballot, voter="author", choice="no")
    with pytest.raises(OperationError, match="is not a participant"):
        world("collab/vote", **ballot, voter="stranger", choice="no")
    with pytest.raises(UnknownObjectError, match="has no decision"):
        world("collab/vote", collabId=collab, decisionId=B, voter="critic", choice="no")
    for options in (["yes"], ["yes", "yes"]):
        with pytest.raises(OperationError, match="at least two options"):
            world("collab/propose-decision", collabId=collab, question="q", options=options)


def test_a_conflict_is_resolved_once(world: Any, people: list[dict[str, Any]]) -> None:
    collab = _collab(world, people)
    world("collab/suspend-collab", collabId=collab)
    between = ["author", "critic"]
    made = world("collab/report-conflict", collabId=collab, description="style", participants=between)
    conflict = {"collabId": collab, "conflictId": made["conflictId"], "strategy": "vote"}
    resolved = world("collab/resolve-conflict", **conflict, resolution="tabs")
    assert (made["status"], resolved["status"], resolved["resolution"]) == ("detected", "resolved", "tabs")
    with pytest.raises(InvalidTransitionError, match="has been resolved already"):
        world("collab/resolve-conflict", **conflict)
    with pytest.raises(UnknownObjectError, match="has no conflict"):
        world("collab/resolve-conflict", **conflict | {"conflictId": A})
    [detected] = _events(world, collab, "conflict.detected")
    assert detected["participants"] == between


def test_nothing_is_done_before_the_start_or_after_the_end(world: Any, people: list[dict[str, Any]]) -> None:
    collab = _collab(world, people, status="draft")
    for status, hint in (("draft", "start-collab"), ("completed", None)):
        for operation, given in (
            ("dispatch-turn", {}),
            ("complete-turn", {}),
            ("broadcast", {"message": "m"}),
            ("allocate-task", {"task": "t", "assignedTo": "author"}),
            ("propose-decision", {"question": "q", "options": ["a", "b"]}),
            ("report-conflict", {"description": "d"}),
        ):
            with pytest.raises(InvalidTransitionError, match=f"is `{status}`") as caught:
                world(f"collab/{operation}", collabId=collab, **given)
            assert (hint in str(caught.value.hint)) if hint else caught.value.hint is None
        if status == "draft":
            world("collab/start-collab", collabId=collab)
            world("collab/end-collab", collabId=collab, reason="done")
    assert _kinds(world, collab)[-2:] == ["started", "completed"]


def test_only_a_suspended_collab_is_resumed(world: Any, people: list[dict[str, Any]]) -> None:
    collab = _collab(world, people, status="draft")
    with pytest.raises(InvalidTransitionError):
        world("collab/resume-collab", collabId=collab)
    world("collab/start-collab", collabId=collab)
    world("collab/suspend-collab", collabId=collab)
    assert world("collab/resume-collab", collabId=collab)["status"] == "active"


def test_collabs_are_listed(world: Any, people: list[dict[str, Any]], context: str) -> None:
    first, second = _collab(world, people), _collab(world, people, "pair", "draft")
    for given, found in (
        ({}, [first, second]),
        ({"status": "draft"}, [second]),
        ({"mode": "round_robin"}, [first]),
        ({"contextId": context, "limit": 1}, [first]),
        ({"contextId": A}, []),
    ):
        listed = world("collab/list-collabs", **given)
        assert [body["collab_id"] for body in listed["collabs"]] == found


def test_a_locked_collab_stays_as_it_is(world: Any, people: list[dict[str, Any]]) -> None:
    collab = _collab(world, people)
    world("collab/set-governance", objectId=collab, locked=True)
    with pytest.raises(LockedObjectError):
        world("collab/dispatch-turn", collabId=collab)
    world("collab/set-governance", objectId=collab, locked=False)
    assert world("collab/dispatch-turn", collabId=collab)["turnNumber"] == 1


def test_a_collab_belongs_to_an_open_context(world: Any, people: list[dict[str, Any]], context: str) -> None:
    world("context/close-context", contextId=context)
    with pytest.raises(InvalidTransitionError, match="nothing can be added"):
        _collab(world, people)
