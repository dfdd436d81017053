"""Asking for approvals, and deciding them."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from mplp_cli.errors import InvalidTransitionError, OperationError
from mplp_cli.modules.approvals import (
    asked_panel,
    check_handover,
    check_panel,
    check_turn,
    escalated,
    history,
    panel_of,
    status_of,
)
from mplp_cli.modules.awaiting import WAIT_FOR_APPROVAL
from mplp_cli.modules.builtin.confirm.model import (
    KEPT,
    TRANSITIONS,
    Answer,
    CancelApproval,
    ConfirmNow,
    Confirms,
    Decide,
    Decided,
    DelegateApproval,
    EscalateApproval,
    GetApproval,
    GivenDecision,
    ListApprovals,
    Reject,
    RequestApproval,
    Status,
    TargetType,
)
from mplp_cli.modules.contract import Operation
from mplp_cli.modules.recommending import ask_advisers
from mplp_cli.modules.records import change_object, check_move, make_event, make_object, page_of
from mplp_cli.modules.session import Session
from mplp_cli.modules.voting import Panel


def request_approval(given: RequestApproval, session: Session) -> ConfirmNow:
    """Asks; the id of a rejected question asks that one again."""
    new = (given.decisions, given.status, given.meta, given.governance, given.trace)
    if given.confirm_id is not None and all(field is None for field in new):
        earlier = session.peek("confirm", given.confirm_id)
        if earlier is not None:
            return _ask_again(given, earlier, session)
    target_type, target_id, context_id = _target(given, session)
    panel = _panel(given, Panel())
    decisions = [_decision(session, item) for item in given.decisions or ()]
    status = status_of(given.status, panel, decisions, by_mode=given.mode is not None)
    body = make_object(
        session,
        "confirm",
        session.new_id("confirm", given.confirm_id),
        history(session, panel, decisions, status),
        [f"context:{context_id}"] if context_id else [],
        given=given,
        target_type=target_type,
        target_id=target_id,
        status=status,
        requested_by_role=given.requested_by_role or session.caller.workflow,
        requested_at=given.requested_at or session.now(),
        reason=given.reason,
        decisions=decisions or None,
    )
    return _advised(given, session.put("confirm", body), session)


def approve(given: Decide, session: Session) -> Decided:
    """Records a yes."""
    return _decide(given, "approved", session)


def reject(given: Reject, session: Session) -> Decided:
    """Records a no; it needs a reason."""
    return _decide(given, "rejected", session)


def cancel_approval(given: CancelApproval, session: Session) -> Decided:
    """Takes a question back."""
    return _decide(given, "cancelled", session)


def delegate_approval(given: DelegateApproval, session: Session) -> ConfirmNow:
    """Somebody who has not decided yet lets another decide in the same place."""
    body, panel, votes = _open(session, given.confirm_id)
    check_handover(body, panel, votes, given.from_, given.to)
    said = {"from": given.from_, "to": given.to, "reason": given.reason}
    return _handed(session, body, "delegated", panel.handed(given.from_, given.to), said)


def escalate_approval(given: EscalateApproval, session: Session) -> ConfirmNow:
    """Takes the question from who does not answer, and asks somebody else instead."""
    body, panel, votes = _open(session, given.confirm_id)
    changed, giver, taker = escalated(body, panel, votes, given.from_, given.to)
    return _handed(session, body, "escalated", changed, {"from": giver, "to": taker, "reason": given.reason})


def get_approval(given: GetApproval, session: Session) -> ConfirmNow:
    """Gives the question and its answers."""
    return _now(session.get("confirm", given.confirm_id))


def list_approvals(given: ListApprovals, session: Session) -> Confirms:
    """Gives a page of questions, oldest first."""
    found = session.find(
        "confirm",
        status=given.status,
        requested_by_role=given.requester,
        target_type=given.target_type,
    )
    if given.approver is not None:
        found = [
            body for body in found if given.approver in (panel_of(body)[0].approvers or {given.approver})
        ]
    page = page_of(found, given.page, given.limit)
    return Confirms(confirms=page.items, **page.position)


def _target(given: RequestApproval, session: Session) -> tuple[TargetType, str, str | None]:
    """What is asked about, and its context. OperationError if that is not clear, UnknownObjectError if it is not
    there."""
    if given.plan_id is not None:
        if given.target_type not in {None, "plan"} or given.target_id not in {None, given.plan_id}:
            raise OperationError(
                "`planId` and `targetType`, `targetId` name different targets", hint="give one of them"
            )
        return "plan", given.plan_id, session.get("plan", given.plan_id)["context_id"]
    if given.target_id is None:
        return _usual_target(given.target_type, session)
    target_type = given.target_type or "other"
    target = session.get(target_type, given.target_id) if target_type in KEPT else {}
    return target_type, given.target_id, target.get("context_id")


def _usual_target(target_type: TargetType | None, session: Session) -> tuple[TargetType, str, str | None]:
    """The run's newest plan if it has one, else the run."""
    plans = session.find("plan", run=session.caller.run) if target_type in {None, "plan"} else []
    if plans:
        return "plan", plans[-1]["plan_id"], plans[-1]["context_id"]
    if target_type in {None, "other"}:
        return "other", session.caller.run, None
    raise OperationError(f"an approval of a {target_type} needs to know which one", hint="give `targetId`")


def _decision(session: Session, given: GivenDecision) -> dict[str, Any]:
    decision = {
        "decision_id": given.decision_id or session.uuid(),
        "status": given.status,
        "decided_by_role": given.decided_by_role,
        "decided_at": given.decided_at or session.now(),
    }
    return decision if given.reason is None else {**decision, "reason": given.reason}


def _panel(given: RequestApproval, before: Panel) -> Panel:
    """Who is to decide; what is not given stays as before. OperationError if nobody can."""
    mode, approvers = given.mode or before.mode, tuple(given.approvers) or before.approvers
    kept = {name: weight for name, weight in before.weights.items() if name in approvers}
    weights = given.weights if given.weights is not None else kept if mode == "weighted_vote" else {}
    panel = Panel(mode=mode, approvers=approvers, weights=weights)
    check_panel(panel)
    return panel


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
    event = make_event(session, "confirm", "requested", _panel(given, asked_panel(body)).data())
    changed = change_object(
        session,
        body,
        event,
        status="pending",
        requested_at=given.requested_at or session.now(),
        requested_by_role=given.requested_by_role,
        reason=given.reason,
    )
    return _advised(given, session.put("confirm", changed), session)


def _advised(given: RequestApproval, body: dict[str, Any], session: Session) -> ConfirmNow:
    """The question with what advisers have said to it; those whose word counts may settle it."""
    for said in given.recommendations:
        data = {key: value for key, value in to_builtins(said).items() if value is not None}
        event = make_event(session, "confirm", "recommended", data)
        body = session.put("confirm", change_object(session, body, event))
    for said in given.recommendations:
        if said.counts and said.role and body["status"] == "pending":
            decide = Decide if said.decision == "approve" else Reject
            answer = decide(confirm_id=body["confirm_id"], decided_by_role=said.role, reason=said.reason)
            verb: Answer = "approved" if said.decision == "approve" else "rejected"
            body = _decide(answer, verb, session).confirm
    return _now(body)


def _decide(given: Decide | Reject | CancelApproval, said: Answer, session: Session) -> Decided:
    body = session.get("confirm", given.confirm_id)
    check_move("confirm", given.confirm_id, TRANSITIONS, body["status"], said)
    by = given.decided_by_role or str(body["requested_by_role"])
    panel, votes = panel_of(body)
    status: Status = "cancelled"
    if said != "cancelled":
        check_turn(body, panel, votes, by)
        status = panel.ruling({**votes, by: said == "approved"})
    answer = GivenDecision(
        status=said, decided_by_role=by, reason=given.reason, decision_id=given.decision_id
    )
    decision = _decision(session, answer)
    identifier, decisions = decision["decision_id"], body.get("decisions", [])
    if any(earlier["decision_id"] == identifier for earlier in decisions):
        raise OperationError(f"the confirm {given.confirm_id} has a decision {identifier} already")
    verb = f"decision.{said}" if status == "pending" else status
    changed = change_object(
        session,
        body,
        make_event(session, "confirm", verb, {"decisionId": identifier}),
        status=status,
        decisions=[*decisions, decision],
        # A rejected confirm must say why, even when nobody said why it was asked.
        reason=body.get("reason") or (given.reason if status == "rejected" else None),
    )
    return Decided(decision_id=identifier, **_view(session.put("confirm", changed)))


def _open(session: Session, confirm_id: str) -> tuple[dict[str, Any], Panel, dict[str, bool]]:
    """A pending question, who decides it and who has. InvalidTransitionError if it is not pending."""
    body = session.get("confirm", confirm_id)
    if body["status"] != "pending":
        raise InvalidTransitionError(
            f"the confirm {confirm_id} is `{body['status']}`; nobody has to decide it",
            details={"kind": "confirm", "id": confirm_id, "status": body["status"]},
        )
    return body, *panel_of(body)


def _handed(
    session: Session, body: dict[str, Any], verb: str, panel: Panel, said: dict[str, str | None]
) -> ConfirmNow:
    data = {key: value for key, value in said.items() if value is not None}
    event = make_event(session, "confirm", verb, {**data, **panel.data()})
    return _now(session.put("confirm", change_object(session, body, event)))


def _view(body: dict[str, Any]) -> dict[str, Any]:
    """The fields of a ConfirmNow."""
    panel, votes = panel_of(body)
    return {
        "confirm_id": body["confirm_id"],
        "status": body["status"],
        "mode": panel.mode,
        "approvers": list(panel.approvers),
        "waiting_for": list(panel.waits_for(votes)) if body["status"] == "pending" else [],
        "confirm": body,
    }


def _now(body: dict[str, Any]) -> ConfirmNow:
    return ConfirmNow(**_view(body))


def _operation(name: str, summary: str, parameters: Any, result: Any, handler: Any) -> Operation:
    return Operation(name=name, summary=summary, parameters=parameters, result=result, handler=handler)


OPERATIONS = (
    Operation(
        name="request-approval",
        summary="Ask for an approval, of agents first if there are `advisers`",
        parameters=RequestApproval,
        result=ConfirmNow,
        handler=request_approval,
        consult=ask_advisers,
        asks=("advisers",),
    ),
    _operation("approve", "Say yes", Decide, Decided, approve),
    _operation("reject", "Say no, and why", Reject, Decided, reject),
    _operation("cancel-approval", "Take a question back", CancelApproval, Decided, cancel_approval),
    _operation(
        "delegate-approval",
        "Let somebody else decide in the place of an approver",
        DelegateApproval,
        ConfirmNow,
        delegate_approval,
    ),
    _operation(
        "escalate-approval",
        "Take a question from who does not answer, and ask somebody else",
        EscalateApproval,
        ConfirmNow,
        escalate_approval,
    ),
    _operation("get-approval", "Read a question and its answers", GetApproval, ConfirmNow, get_approval),
    _operation("list-approvals", "List questions, oldest first", ListApprovals, Confirms, list_approvals),
    WAIT_FOR_APPROVAL,
)
