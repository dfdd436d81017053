"""Module `confirm`: questions to somebody who decides, and the answers.

The protocol's confirm object has no list of approvers: it stands in the event `confirm.requested`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from mplp_cli.errors import OperationError
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.records import Transitions, change_object, check_move, make_event, make_object
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ObjectId, Text
from mplp_cli.workflow.suggest import did_you_mean

Status = Literal["pending", "approved", "rejected", "cancelled"]
TargetType = Literal["context", "plan", "trace", "extension", "other"]

TRANSITIONS: Transitions = {
    "pending": ("approved", "rejected", "cancelled"),
    # Asking again under the same id makes a rejected question pending.
    "rejected": ("pending",),
    "approved": (),
    "cancelled": (),
}
#: Kinds of targets that this version keeps, so that a target must be there.
_KEPT = {"context", "plan", "trace", "extension"}


class RequestApproval(Parameters, frozen=True, kw_only=True):
    target_type: Annotated[
        TargetType | None, Meta(description="unless given: `other`, or `plan` when it is a plan")
    ] = None
    target_id: Annotated[
        ObjectId | None, Meta(description="unless given: the run's newest plan, else the run itself")
    ] = None
    plan_id: Annotated[ObjectId | None, Meta(description="short for a target of type `plan`")] = None
    requested_by_role: Annotated[Text | None, Meta(description="the workflow's id unless given")] = None
    reason: Text | None = None
    approvers: Annotated[list[Text], Meta(description="roles that may decide; anybody if empty")] = field(
        default_factory=list
    )
    confirm_id: Annotated[ObjectId | None, Meta(description="that of a rejected question asks it again")] = (
        None
    )


class Decide(Parameters, frozen=True, kw_only=True):
    confirm_id: ObjectId
    decided_by_role: Text
    reason: Text | None = None
    decision_id: ObjectId | None = None


class Reject(Parameters, frozen=True, kw_only=True):
    confirm_id: ObjectId
    decided_by_role: Text
    reason: Text
    decision_id: ObjectId | None = None


class CancelApproval(Parameters, frozen=True, kw_only=True):
    confirm_id: ObjectId
    decided_by_role: Annotated[Text | None, Meta(description="who asked, unless given")] = None
    reason: Text | None = None
    decision_id: ObjectId | None = None


class GetApproval(Parameters, frozen=True, kw_only=True):
    confirm_id: ObjectId


class ConfirmNow(Result, frozen=True, kw_only=True):
    confirm_id: ObjectId
    status: Status
    confirm: dict[str, Any]


class Decided(Result, frozen=True, kw_only=True):
    confirm_id: ObjectId
    decision_id: ObjectId
    status: Status
    confirm: dict[str, Any]


def request_approval(given: RequestApproval, session: Session) -> ConfirmNow:
    """Asks; the id of a rejected question asks that one again."""
    if given.confirm_id is not None:
        earlier = session.peek("confirm", given.confirm_id)
        if earlier is not None:
            return _ask_again(given, earlier, session)
    target_type, target_id = _target(given, session)
    identifier = session.new_id("confirm", given.confirm_id)
    body = make_object(
        session,
        "confirm",
        identifier,
        [make_event(session, "confirm", "requested", {"approvers": given.approvers})],
        target_type=target_type,
        target_id=target_id,
        status="pending",
        requested_by_role=given.requested_by_role or session.caller.workflow,
        requested_at=session.now(),
        reason=given.reason,
        decisions=[],
    )
    return _now(session.put("confirm", body))


def approve(given: Decide, session: Session) -> Decided:
    """Records a yes."""
    return _decide(
        session, "approved", given.confirm_id, given.decided_by_role, given.reason, given.decision_id
    )


def reject(given: Reject, session: Session) -> Decided:
    """Records a no; it needs a reason."""
    return _decide(
        session, "rejected", given.confirm_id, given.decided_by_role, given.reason, given.decision_id
    )


def cancel_approval(given: CancelApproval, session: Session) -> Decided:
    """Takes a question back."""
    return _decide(
        session, "cancelled", given.confirm_id, given.decided_by_role, given.reason, given.decision_id
    )


def get_approval(given: GetApproval, session: Session) -> ConfirmNow:
    """Gives the question and its answers."""
    return _now(session.get("confirm", given.confirm_id))


def _target(given: RequestApproval, session: Session) -> tuple[TargetType, str]:
    """What is asked about. OperationError if that is not clear, UnknownObjectError if it is not there."""
    if given.plan_id is not None:
        if given.target_type not in {None, "plan"} or given.target_id not in {None, given.plan_id}:
            raise OperationError(
                "`planId` and `targetType`, `targetId` name different targets", hint="give one of them"
            )
        session.get("plan", given.plan_id)
        return "plan", given.plan_id
    if given.target_id is None:
        return _usual_target(given.target_type, session)
    target_type = given.target_type or "other"
    if target_type in _KEPT:
        session.get(target_type, given.target_id)
    return target_type, given.target_id


def _usual_target(target_type: TargetType | None, session: Session) -> tuple[TargetType, str]:
    """The run's newest plan if it has one, else the run."""
    plans = session.find("plan", run=session.caller.run) if target_type in {None, "plan"} else []
    if plans:
        return "plan", plans[-1]["plan_id"]
    if target_type in {None, "other"}:
        return "other", session.caller.run
    raise OperationError(f"an approval of a {target_type} needs to know which one", hint="give `targetId`")


def _ask_again(given: RequestApproval, body: dict[str, Any], session: Session) -> ConfirmNow:
    check_move("confirm", body["confirm_id"], TRANSITIONS, body["status"], "pending")
    asked = {body["target_id"], None}
    if (
        given.target_id not in asked
        or given.plan_id not in asked
        or given.target_type not in {body["target_type"], None}
    ):
        raise OperationError(
            f"the confirm {body['confirm_id']} is about the {body['target_type']} {body['target_id']}",
            hint="leave `confirmId` out to ask about something else",
        )
    event = make_event(session, "confirm", "requested", {"approvers": given.approvers or _approvers(body)})
    changed = change_object(
        session,
        body,
        event,
        status="pending",
        requested_at=session.now(),
        requested_by_role=given.requested_by_role,
        reason=given.reason,
    )
    return _now(session.put("confirm", changed))


def _decide(
    session: Session,
    status: Status,
    confirm_id: str,
    by: str | None,
    reason: str | None,
    decision_id: str | None,
) -> Decided:
    body = session.get("confirm", confirm_id)
    check_move("confirm", confirm_id, TRANSITIONS, body["status"], status)
    approvers = _approvers(body)
    if by is not None and status != "cancelled" and approvers and by not in approvers:
        raise OperationError(
            f"`{by}` may not decide the confirm {confirm_id}",
            hint=did_you_mean(by, approvers) or f"who may: {', '.join(approvers)}",
            details={"confirmId": confirm_id, "decidedByRole": by, "approvers": approvers},
        )
    decisions = body.get("decisions", [])
    identifier = decision_id or session.uuid()
    if any(decision["decision_id"] == identifier for decision in decisions):
        raise OperationError(f"the confirm {confirm_id} has a decision {identifier} already")
    decision = {
        "decision_id": identifier,
        "status": status,
        "decided_by_role": by or body["requested_by_role"],
        "decided_at": session.now(),
    }
    if reason is not None:
        decision["reason"] = reason
    event = make_event(session, "confirm", status, {"decisionId": identifier})
    changed = change_object(
        session,
        body,
        event,
        status=status,
        decisions=[*decisions, decision],
        # A rejected confirm must say why, even when nobody said why it was asked.
        reason=body.get("reason") or (reason if status == "rejected" else None),
    )
    return Decided(
        confirm_id=confirm_id, decision_id=identifier, status=status, confirm=session.put("confirm", changed)
    )


def _approvers(body: dict[str, Any]) -> list[str]:
    asked = [event for event in body["events"] if event["event_type"] == "confirm.requested"]
    return list(asked[-1]["data"]["approvers"])


def _now(body: dict[str, Any]) -> ConfirmNow:
    return ConfirmNow(confirm_id=body["confirm_id"], status=body["status"], confirm=body)


MODULE = make_module(
    "confirm",
    "Approvals",
    Operation(
        name="request-approval",
        summary="Ask for an approval",
        parameters=RequestApproval,
        result=ConfirmNow,
        handler=request_approval,
    ),
    Operation(name="approve", summary="Say yes", parameters=Decide, result=Decided, handler=approve),
    Operation(name="reject", summary="Say no, and why", parameters=Reject, result=Decided, handler=reject),
    Operation(
        name="cancel-approval",
        summary="Take a question back",
        parameters=CancelApproval,
        result=Decided,
        handler=cancel_approval,
    ),
    Operation(
        name="get-approval",
        summary="Read a question and its answers",
        parameters=GetApproval,
        result=ConfirmNow,
        handler=get_approval,
    ),
)
