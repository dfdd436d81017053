"""Who decides an approval, and in which order: what a confirm object's events say of it, and what may not be.

A decision here is one of the protocol's, a panel what stands in `confirm.requested`, `.delegated`, `.escalated`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from mplp_cli.errors import OperationError
from mplp_cli.modules.records import make_event
from mplp_cli.modules.session import Session
from mplp_cli.modules.voting import Panel
from mplp_cli.workflow.suggest import did_you_mean


def panel_of(body: Mapping[str, Any]) -> tuple[Panel, dict[str, bool]]:
    """Who decides a confirm object as it was last asked, and the votes since then."""
    panel, votes = Panel(), dict[str, bool]()
    deciders = {d["decision_id"]: d["decided_by_role"] for d in body.get("decisions", ())}
    for event in body.get("events", ()):
        data = event.get("data") or {}
        match event["event_type"]:
            case "confirm.requested":
                panel, votes = _read(data), {}
            case "confirm.delegated" | "confirm.escalated":
                panel = _read(data)
            case "confirm.approved" | "confirm.decision.approved":
                votes[deciders[data["decisionId"]]] = True
            case "confirm.rejected" | "confirm.decision.rejected":
                votes[deciders[data["decisionId"]]] = False
    return panel, votes


def asked_panel(body: Mapping[str, Any]) -> Panel:
    """The panel as a confirm object was last asked, before anybody handed it on."""
    asked = [event for event in body.get("events", ()) if event["event_type"] == "confirm.requested"]
    return _read(asked[-1].get("data") or {}) if asked else Panel()


def _read(data: Mapping[str, Any]) -> Panel:
    return Panel(
        mode=data.get("mode", "single_approver"),
        approvers=tuple(data.get("approvers", ())),
        weights=data.get("weights", {}),
    )


def check_panel(panel: Panel) -> None:
    """OperationError if these people can never decide."""
    if panel.mode != "single_approver" and not panel.approvers:
        raise OperationError(f"the mode `{panel.mode}` needs approvers", hint="give `approvers`")
    if panel.weights and panel.mode != "weighted_vote":
        raise OperationError(
            f"`weights` do not count in the mode `{panel.mode}`", hint="give `mode: weighted_vote`"
        )
    for name in panel.weights:
        if name not in panel.approvers:
            raise OperationError(
                f"`weights` names `{name}`, who is no approver", hint=did_you_mean(name, panel.approvers)
            )
    if panel.weights and not any(panel.weights.get(name, 1) for name in panel.approvers):
        raise OperationError("no approver has any weight", hint="give one of `weights` more than 0")


def votes_in(decisions: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    """Who said yes and who said no; of two by the same the later one counts."""
    return {d["decided_by_role"]: d["status"] == "approved" for d in decisions if d["status"] != "cancelled"}


def status_of(
    wanted: str | None, panel: Panel, decisions: Sequence[Mapping[str, Any]], *, by_mode: bool
) -> str:
    """How a question stands that comes with its answers. OperationError if they do not say so.

    Where its mode is not known (`by_mode` is false), each of the answers may have settled it.
    """
    if len({decision["decision_id"] for decision in decisions}) < len(decisions):
        raise OperationError("two of the decisions have the same id", hint="leave `decisionId` out")
    for name in votes_in(decisions):
        if panel.approvers and name not in panel.approvers:
            raise no_approver(name, panel.approvers)
    said = ["pending"]
    if decisions:
        usual = str(decisions[-1]["status"])
        ruled = by_mode and usual != "cancelled"
        said = [panel.ruling(votes_in(decisions))] if ruled else [usual, *(d["status"] for d in decisions)]
    status = wanted or said[0]
    if status not in {*said, "pending"}:
        raise OperationError(
            f"the status cannot be `{status}`: the decisions do not say so",
            hint=f"they say `{said[0]}`" if decisions else "give `decisions`, or leave `status` out",
        )
    return status


def history(
    session: Session, panel: Panel, decisions: Sequence[Mapping[str, Any]], status: str
) -> list[dict[str, Any]]:
    """The events of a question that comes with its answers."""
    events = [make_event(session, "confirm", "requested", panel.data())]
    for decision in decisions:
        final = decision is decisions[-1] and status != "pending"
        verb = decision["status"] if final else f"decision.{decision['status']}"
        events.append(make_event(session, "confirm", verb, {"decisionId": decision["decision_id"]}))
    if status == "pending" and panel.ruling(votes_in(decisions)) != "pending":
        events.append(make_event(session, "confirm", "requested", panel.data()))
    return events


def check_turn(body: Mapping[str, Any], panel: Panel, votes: Mapping[str, bool], by: str) -> None:
    """OperationError unless `by` may decide now."""
    waiting = panel.waits_for(votes)
    if by in waiting or (not panel.approvers and by not in votes):
        return
    if by in votes:
        raise OperationError(
            f"`{by}` has decided the confirm {body['confirm_id']} already",
            hint=f"it waits for {', '.join(waiting)}" if waiting else None,
            details={"confirmId": body["confirm_id"], "decidedByRole": by, "approvers": list(waiting)},
        )
    if by in panel.approvers:
        raise OperationError(
            f"it is not `{by}`'s turn to decide the confirm {body['confirm_id']}",
            hint=f"it waits for {', '.join(waiting)}",
            details={"confirmId": body["confirm_id"], "decidedByRole": by, "approvers": list(waiting)},
        )
    raise no_approver(by, panel.approvers, body["confirm_id"])


def no_approver(by: str, approvers: Sequence[str], confirm_id: str | None = None) -> OperationError:
    """The refusal of a decision by somebody who is not asked."""
    return OperationError(
        f"`{by}` may not decide the confirm{f' {confirm_id}' if confirm_id else ''}",
        hint=did_you_mean(by, approvers) or f"who may: {', '.join(approvers)}",
        details={"confirmId": confirm_id, "decidedByRole": by, "approvers": list(approvers)},
    )


def check_handover(
    body: Mapping[str, Any], panel: Panel, votes: Mapping[str, bool], giver: str, taker: str
) -> None:
    """OperationError unless `giver` has still to decide and `taker` has not."""
    if not panel.approvers:
        raise OperationError("anybody may decide, so there is nothing to hand on")
    if giver in votes:
        raise OperationError(f"`{giver}` has decided the confirm {body['confirm_id']} already")
    if giver not in panel.approvers:
        raise no_approver(giver, panel.approvers, body["confirm_id"])
    if taker in panel.approvers:
        raise OperationError(f"`{taker}` is one of the approvers already", hint="name somebody else")


def escalated(
    body: Mapping[str, Any], panel: Panel, votes: Mapping[str, bool], giver: str | None, taker: str | None
) -> tuple[Panel, str | None, str]:
    """The panel after an escalation, from whom (None: everybody) and to whom. OperationError if that is not clear."""
    waiting = panel.waits_for(votes)
    giver = giver or (waiting[0] if len(waiting) == 1 else None)
    if panel.mode == "escalation":
        if giver != waiting[0]:
            raise no_approver(str(giver), waiting, body["confirm_id"])
        if taker == giver:
            raise OperationError(f"the question is with `{taker}` already", hint="name somebody else in `to`")
        changed = panel.passed_on(taker)
        if not changed.approvers:
            raise OperationError("nobody is left to escalate to", hint="name somebody in `to`")
        return changed, giver, changed.approvers[0]
    if taker is None:
        raise OperationError("it is not said to whom the approval is escalated", hint="name somebody in `to`")
    if panel.mode == "single_approver" and giver is None:
        return replace(panel, approvers=(taker,)), None, taker
    if giver is None:
        raise OperationError(
            "it is not said from whom the approval is taken",
            hint=f"give `from`: one of {', '.join(waiting)}",
        )
    check_handover(body, panel, votes, giver, taker)
    return panel.handed(giver, taker), giver, taker
