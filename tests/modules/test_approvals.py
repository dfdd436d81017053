"""Approvals: the ways in which several decide, handing on, and answers that come with the question."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import DuplicateObjectError, InvalidTransitionError, OperationError

A, B, C, D = (f"{letter * 8}-{letter * 4}-4{letter * 3}-8{letter * 3}-{letter * 12}" for letter in "abcd")
THREE = ["ann", "ben", "cem"]


def _ask(world: Any, mode: str, **given: Any) -> str:
    asked = world("confirm/request-approval", **{"targetId": D, "mode": mode, "approvers": THREE, **given})
    assert asked["status"] == "pending"
    return str(asked["confirmId"])


def _say(world: Any, confirm: str, answer: str) -> dict[str, Any]:
    """`ann+` is a yes of ann, `ann-` a no."""
    verb = "approve" if answer.endswith("+") else "reject"
    result: dict[str, Any] = world(
        f"confirm/{verb}", confirmId=confirm, decidedByRole=answer[:-1], reason=f"because {answer}"
    )
    return result


@pytest.mark.parametrize(
    ("mode", "answers", "status"),
    [
        ("single_approver", "ben+", "approved"),
        ("single_approver", "ben-", "rejected"),
        ("sequential", "ann+ ben+", "pending"),
        ("sequential", "ann+ ben+ cem+", "approved"),
        ("sequential", "ann+ ben-", "rejected"),
        ("parallel", "cem+ ann+", "pending"),
        ("parallel", "cem+ ann+ ben+", "approved"),
        ("parallel", "cem-", "rejected"),
        ("consensus", "ben+ cem+ ann+", "approved"),
        ("consensus", "ben+ cem-", "rejected"),
        ("unanimous", "ben+ cem+", "pending"),
        ("unanimous", "ben+ cem+ ann+", "approved"),
        ("majority_vote", "ann+", "pending"),
        ("majority_vote", "ann+ cem+", "approved"),
        ("majority_vote", "ann- cem+", "pending"),
        ("majority_vote", "ann- cem+ ben-", "rejected"),
        ("escalation", "ann-", "rejected"),
        ("escalation", "ann+", "approved"),
    ],
)
def test_each_mode_has_its_rule(
    world: Any, mode: str, answers: str, status: str, protocol_problems: Any
) -> None:
    confirm = _ask(world, mode)
    result = [_say(world, confirm, answer) for answer in answers.split()][-1]
    assert (result["status"], result["confirm"]["status"], result["mode"]) == (status, status, mode)
    assert len(result["confirm"]["decisions"]) == len(answers.split())
    assert protocol_problems("confirm", result["confirm"]) == []
    if status == "rejected":
        assert result["confirm"]["reason"] == f"because {answers.rsplit(maxsplit=1)[-1]}"
    if status != "pending":
        assert result["waitingFor"] == []
        with pytest.raises(InvalidTransitionError):
            _say(world, confirm, "cem+")


@pytest.mark.parametrize(
    ("weights", "answers", "status"),
    [
        ({"ann": 0.6, "ben": 0.2, "cem": 0.2}, "ann+", "approved"),
        ({"ann": 0.5, "ben": 0.3, "cem": 0.2}, "ann+", "pending"),
        ({"ann": 0.5, "ben": 0.3, "cem": 0.2}, "ann-", "rejected"),
        ({"ann": 0.3, "ben": 0.1, "cem": 0.2}, "ben+ cem+", "pending"),
        ({"ann": 0.3, "ben": 0.1, "cem": 0.2}, "ann-", "rejected"),
        ({"ann": 0}, "ann- ben+", "pending"),
        ({"ann": 0}, "ann- ben+ cem+", "approved"),
        ({}, "ann+ ben+", "approved"),
    ],
)
def test_a_weighted_vote_needs_more_than_half_of_the_weight(
    world: Any, weights: dict[str, float], answers: str, status: str
) -> None:
    confirm = _ask(world, "weighted_vote", weights=weights)
    result = [_say(world, confirm, answer) for answer in answers.split()][-1]
    assert result["status"] == status


def test_two_of_two_that_disagree_are_no_majority(world: Any) -> None:
    confirm = _ask(world, "majority_vote", approvers=["ann", "ben"])
    assert _say(world, confirm, "ann+")["status"] == "pending"
    assert _say(world, confirm, "ben-")["status"] == "rejected"


def test_nobody_decides_twice_or_before_their_turn(world: Any) -> None:
    confirm = _ask(world, "sequential")
    with pytest.raises(OperationError, match="it is not `ben`'s turn") as caught:
        _say(world, confirm, "ben+")
    assert caught.value.hint == "it waits for ann"
    assert _say(world, confirm, "ann+")["waitingFor"] == ["ben"]
    with pytest.raises(OperationError, match=r"`ann` has decided .* already"):
        _say(world, confirm, "ann+")
    with pytest.raises(OperationError, match="`bean` may not decide") as caught:
        _say(world, confirm, "bean+")
    assert caught.value.hint == "did you mean `ben`?"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "unanimous", "approvers": []}, "needs approvers"),
        ({"mode": "unanimous", "weights": {"ann": 1}}, "do not count in the mode `unanimous`"),
        ({"mode": "weighted_vote", "weights": {"anne": 1}}, "`anne`, who is no approver"),
        ({"mode": "weighted_vote", "weights": dict.fromkeys(THREE, 0)}, "no approver has any weight"),
        ({"mode": "weighted_vote", "weights": {"ann": 2}}, "at most 1"),
        ({"mode": "quorum"}, "`mode` cannot be `quorum`"),
    ],
)
def test_a_question_that_nobody_can_decide_is_refused(
    world: Any, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(OperationError, match=message):
        world("confirm/request-approval", **{"targetId": D, "approvers": THREE, **given})


def test_a_rejected_question_is_asked_again_of_the_same_people(world: Any) -> None:
    confirm = _ask(world, "unanimous")
    _say(world, confirm, "ann+")
    world("confirm/delegate-approval", confirmId=confirm, to="dan", **{"from": "ben"})
    _say(world, confirm, "dan-")
    again = world("confirm/request-approval", confirmId=confirm)
    assert (again["status"], again["mode"], again["waitingFor"]) == ("pending", "unanimous", THREE)
    result = [_say(world, confirm, answer) for answer in ("ann+", "ben+", "cem+")][-1]
    assert (result["status"], len(result["confirm"]["decisions"])) == ("approved", 5)


def test_an_approver_lets_another_decide(world: Any) -> None:
    confirm = _ask(world, "weighted_vote", weights={"ann": 0.9, "ben": 0.1, "cem": 0.1})
    handed = world("confirm/delegate-approval", confirmId=confirm, to="dan", reason="ill", **{"from": "ann"})
    assert handed["approvers"] == ["dan", "ben", "cem"]
    event = handed["confirm"]["events"][-1]
    assert event["event_type"] == "confirm.delegated"
    assert event["data"] == {
        "from": "ann", "to": "dan", "reason": "ill", "mode": "weighted_vote", "approvers": ["dan", "ben", "cem"],
        "weights": {"dan": 0.9, "ben": 0.1, "cem": 0.1},
    }  # fmt: skip
    with pytest.raises(OperationError, match="`ann` may not decide"):
        _say(world, confirm, "ann+")
    _say(world, confirm, "ben-")
    for giver, taker, message in (
        ("ben", "eve", "`ben` has decided"), ("ann", "eve", "`ann` may not"), ("dan", "cem", "one of the approvers"),
    ):  # fmt: skip
        with pytest.raises(OperationError, match=message):
            world("confirm/delegate-approval", confirmId=confirm, to=taker, **{"from": giver})
    assert _say(world, confirm, "dan+")["status"] == "approved"
    with pytest.raises(InvalidTransitionError, match="nobody has to decide it"):
        world("confirm/delegate-approval", confirmId=confirm, to="eve", **{"from": "cem"})


def test_an_escalation_goes_down_the_list(world: Any) -> None:
    confirm = _ask(world, "escalation")
    with pytest.raises(OperationError, match="it is not `ben`'s turn"):
        _say(world, confirm, "ben+")
    moved = world("confirm/escalate-approval", confirmId=confirm, reason="no answer")
    assert (moved["waitingFor"], moved["approvers"]) == (["ben"], ["ben", "cem"])
    assert moved["confirm"]["events"][-1]["data"] == {
        "from": "ann", "to": "ben", "reason": "no answer", "mode": "escalation", "approvers": ["ben", "cem"],
    }  # fmt: skip
    with pytest.raises(OperationError, match="`ann` may not decide"):
        _say(world, confirm, "ann+")
    with pytest.raises(OperationError, match="with `ben` already"):
        world("confirm/escalate-approval", confirmId=confirm, to="ben")
    with pytest.raises(OperationError, match="`cem` may not decide"):
        world("confirm/escalate-approval", confirmId=confirm, **{"from": "cem"})
    assert world("confirm/escalate-approval", confirmId=confirm, to="eve")["approvers"] == ["eve", "cem"]
    world("confirm/escalate-approval", confirmId=confirm)
    with pytest.raises(OperationError, match="nobody is left"):
        world("confirm/escalate-approval", confirmId=confirm)
    assert _say(world, confirm, "cem+")["status"] == "approved"


def test_an_escalation_may_leave_places_out(world: Any) -> None:
    confirm = _ask(world, "escalation")
    assert world("confirm/escalate-approval", confirmId=confirm, to="cem")["approvers"] == ["cem"]


def test_in_other_modes_a_question_is_escalated_to_somebody(world: Any) -> None:
    single, several = _ask(world, "single_approver"), _ask(world, "parallel")
    for confirm in (single, several):
        with pytest.raises(OperationError, match="to whom"):
            world("confirm/escalate-approval", confirmId=confirm)
    taken = world("confirm/escalate-approval", confirmId=single, to="boss")
    assert (taken["approvers"], "from" in taken["confirm"]["events"][-1]["data"]) == (["boss"], False)
    with pytest.raises(OperationError, match="from whom"):
        world("confirm/escalate-approval", confirmId=several, to="boss")
    taken = world("confirm/escalate-approval", confirmId=several, to="boss", **{"from": "ben"})
    assert taken["approvers"] == ["ann", "boss", "cem"]
    anybody = world("confirm/request-approval", targetId=D)["confirmId"]
    with pytest.raises(OperationError, match="anybody may decide"):
        world("confirm/delegate-approval", confirmId=anybody, to="boss", **{"from": "ann"})
    assert world("confirm/escalate-approval", confirmId=anybody, to="boss")["waitingFor"] == ["boss"]


def test_questions_are_listed(world: Any) -> None:
    context = world("context/create-context", name="c")["contextId"]
    one = _ask(world, "unanimous", requestedByRole="dev")
    two = _ask(world, "single_approver", approvers=[], targetType="context", targetId=context)
    _say(world, two, "ann+")
    for given, found in (
        ({}, [one, two]),
        ({"status": "pending"}, [one]),
        ({"approver": "ben"}, [one, two]),
        ({"approver": "stranger"}, [two]),
        ({"requester": "dev"}, [one]),
        ({"targetType": "context"}, [two]),
        ({"page": 2, "limit": 1}, [two]),
    ):
        listed = world("confirm/list-approvals", **given)
        assert [body["confirm_id"] for body in listed["confirms"]] == found, given
    assert world("confirm/list-approvals", limit=1)["totalPages"] == 2


def test_an_imported_question_is_what_was_given(world: Any, protocol_problems: Any) -> None:
    first = {
        "decisionId": A,
        "status": "rejected",
        "decidedByRole": "lead",
        "decidedAt": "2025-01-02T00:00:00Z",
    }
    second = {**first, "decisionId": B, "status": "approved", "reason": "now it is"}
    given = {
        "confirmId": C, "targetType": "other", "targetId": D, "requestedByRole": "dev",
        "requestedAt": "2025-01-01T00:00:00Z", "reason": "ready", "status": "approved",
        "decisions": [first, second], "governance": {"locked": True}, "trace": {"traceId": A, "spanId": B},
        "meta": {"createdAt": "2025-01-01T00:00:00Z"},
    }  # fmt: skip
    body = world("confirm/request-approval", **given)["confirm"]
    assert protocol_problems("confirm", body) == []
    assert body.pop("meta")["created_at"] == "2025-01-01T00:00:00Z"
    assert [event["event_type"] for event in body.pop("events")] == [
        "confirm.requested", "confirm.decision.rejected", "confirm.approved",
    ]  # fmt: skip
    decided = {"decided_by_role": "lead", "decided_at": "2025-01-02T00:00:00Z"}
    assert body == {
        "confirm_id": C, "target_type": "other", "target_id": D, "status": "approved", "requested_by_role": "dev",
        "requested_at": "2025-01-01T00:00:00Z", "reason": "ready",
        "decisions": [
            {"decision_id": A, "status": "rejected", **decided},
            {"decision_id": B, "status": "approved", "reason": "now it is", **decided},
        ],
        "governance": {"locked": True},
        "trace": {"trace_id": A, "span_id": B},
    }  # fmt: skip
    with pytest.raises(DuplicateObjectError):
        world("confirm/request-approval", **given)


def test_what_is_not_given_with_a_question_is_not_invented(world: Any) -> None:
    body = world("confirm/request-approval", targetId=D)["confirm"]
    assert set(body) == {
        "meta", "confirm_id", "target_type", "target_id", "status", "requested_by_role", "requested_at", "events",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "given", "status"),
    [
        ("", {}, "pending"),
        ("ann+", {}, "approved"),
        ("ann+", {"mode": "unanimous"}, "pending"),
        ("ann+ ben+ cem+", {"mode": "unanimous"}, "approved"),
        ("ann+ ben+", {"mode": "majority_vote", "status": "approved"}, "approved"),
        ("ann-", {"status": "pending"}, "pending"),
        ("ann+ ben-", {"status": "approved"}, "approved"),
        ("", {"status": "approved"}, None),
        ("ann+", {"status": "rejected"}, None),
        ("ann+ ben+", {"mode": "unanimous", "status": "approved"}, None),
        ("dan+", {}, None),
    ],
)
def test_the_status_of_an_imported_question_is_what_its_answers_say(
    world: Any, answers: str, given: dict[str, Any], status: str | None
) -> None:
    decisions = [
        {"status": "approved" if text.endswith("+") else "rejected", "decidedByRole": text[:-1]}
        for text in answers.split()
    ]
    parameters = {"targetId": D, "approvers": THREE, "decisions": decisions, **given}
    if status is None:
        with pytest.raises(OperationError, match=r"the status cannot be|may not decide"):
            world("confirm/request-approval", **parameters)
        return
    asked = world("confirm/request-approval", **parameters)
    assert asked["status"] == status
    if status == "pending" and "mode" in given:
        assert asked["waitingFor"] == ["ben", "cem"]
    elif status == "pending":
        assert asked["waitingFor"] == THREE


def test_two_imported_answers_have_two_ids(world: Any) -> None:
    answer = {"status": "approved", "decidedByRole": "ann", "decisionId": A}
    with pytest.raises(OperationError, match="the same id"):
        world("confirm/request-approval", targetId=D, decisions=[answer, answer])


def test_a_trace_takes_in_what_was_decided_in_its_context(world: Any) -> None:
    context = world("context/create-context", name="c")["contextId"]
    plan = world("plan/create-plan", contextId=context, assignedRoles=["a"])["planId"]
    trace = world("trace/start-monitoring", planId=plan)["traceId"]
    _say(world, _ask(world, "single_approver", targetId=None, planId=plan), "ann+")
    _ask(world, "single_approver")
    events = world("trace/stop-monitoring", traceId=trace)["trace"]["events"]
    kinds = [event["event_type"] for event in events if event["source"] == "confirm"]
    assert kinds == ["confirm.requested", "confirm.approved"]
