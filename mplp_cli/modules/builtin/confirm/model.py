"""What an approval may be, what its operations take and give."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from mplp_cli.modules.contract import Parameters, Result
from mplp_cli.modules.recommending import Adviser, Recommendation
from mplp_cli.modules.records import Transitions
from mplp_cli.modules.shapes import ConfirmBody, Listed, NewObject, ObjectId, PageNumber, PageSize, Text
from mplp_cli.modules.voting import Mode, Weight

Status = Literal["pending", "approved", "rejected", "cancelled"]
Answer = Literal["approved", "rejected", "cancelled"]
TargetType = Literal["context", "plan", "trace", "extension", "other"]

TRANSITIONS: Transitions = {
    "pending": ("approved", "rejected", "cancelled"),
    # Asking again under the same id makes a rejected question pending.
    "rejected": ("pending",),
    "approved": (),
    "cancelled": (),
}
#: Kinds of targets that this version keeps, so that a target must be there.
KEPT = {"context", "plan", "trace", "extension"}


class GivenDecision(Parameters, frozen=True, kw_only=True):
    status: Answer
    decided_by_role: Text
    decided_at: Annotated[Text | None, Meta(description="now unless given")] = None
    reason: str | None = None
    decision_id: ObjectId | None = None


class RequestApproval(NewObject, frozen=True, kw_only=True):
    target_type: Annotated[
        TargetType | None, Meta(description="unless given: `other`, or `plan` when it is a plan")
    ] = None
    target_id: Annotated[
        ObjectId | None, Meta(description="unless given: the run's newest plan, else the run itself")
    ] = None
    plan_id: Annotated[ObjectId | None, Meta(description="short for a target of type `plan`")] = None
    requested_by_role: Annotated[Text | None, Meta(description="the workflow's id unless given")] = None
    requested_at: Annotated[Text | None, Meta(description="now unless given")] = None
    reason: Text | None = None
    approvers: Annotated[list[Text], Meta(description="roles that may decide; anybody if empty")] = field(
        default_factory=list
    )
    mode: Annotated[Mode | None, Meta(description="`single_approver` unless given")] = None
    weights: Annotated[
        dict[str, Weight] | None, Meta(description="of approvers, for `weighted_vote`; 1 unless given")
    ] = None
    decisions: Annotated[list[GivenDecision] | None, Meta(description="answers there are already")] = None
    status: Annotated[Status | None, Meta(description="what the decisions say unless given")] = None
    confirm_id: Annotated[ObjectId | None, Meta(description="that of a rejected question asks it again")] = (
        None
    )
    advisers: Annotated[list[Adviser], Meta(description="agents that are asked first")] = field(
        default_factory=list
    )
    destructive: Annotated[bool, Meta(description="no agent says yes, whatever it may do")] = False
    recommendations: Annotated[list[Recommendation], Meta(description="what advisers have said")] = field(
        default_factory=list
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


class DelegateApproval(Parameters, frozen=True, kw_only=True):
    confirm_id: ObjectId
    from_: Text = field(name="from")
    to: Text
    reason: Text | None = None


class EscalateApproval(Parameters, frozen=True, kw_only=True):
    confirm_id: ObjectId
    from_: Annotated[
        Text | None, Meta(description="who does not answer; may be left out where that is clear")
    ] = field(default=None, name="from")
    to: Annotated[Text | None, Meta(description="in the mode `escalation` the next one unless given")] = None
    reason: Text | None = None


class GetApproval(Parameters, frozen=True, kw_only=True):
    confirm_id: ObjectId


class ListApprovals(Parameters, frozen=True, kw_only=True):
    status: Status | None = None
    approver: Annotated[Text | None, Meta(description="one of the approvers, or anybody may decide")] = None
    requester: Text | None = None
    target_type: TargetType | None = None
    page: PageNumber = 1
    limit: PageSize = 100


class ConfirmNow(Result, frozen=True, kw_only=True):
    """`approvers`: everybody who decides; `waiting_for`: who may now. Both are empty if anybody may."""

    confirm_id: ObjectId
    status: Status
    mode: Mode
    approvers: list[str]
    waiting_for: list[str]
    confirm: ConfirmBody


class Decided(ConfirmNow, frozen=True, kw_only=True):
    decision_id: ObjectId


class Confirms(Listed, frozen=True, kw_only=True):
    confirms: list[ConfirmBody]
