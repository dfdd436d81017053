"""`confirm/wait-for-approval`: the answer to a question, as soon as there is one."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from mplp_cli.errors import UndecidedError
from mplp_cli.modules.approvals import panel_of
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.recommending import told
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ConfirmBody, ObjectId


class WaitForApproval(Parameters, frozen=True, kw_only=True):
    confirm_id: ObjectId
    timeout: Annotated[int, Meta(ge=0, description="milliseconds, 0 without end")] = 0


class Answered(Result, frozen=True, kw_only=True):
    confirm_id: ObjectId
    status: Literal["approved", "rejected", "cancelled"]
    confirm: ConfirmBody


def wait_for_approval(given: WaitForApproval, session: Session) -> Answered:
    """UndecidedError while nobody has answered: a run then waits for a person, and calls again with the answer."""
    body = session.get("confirm", given.confirm_id)
    if body["status"] == "pending":
        panel, votes = panel_of(body)
        about = f"the {body['target_type']} {body['target_id']}"
        asked = body.get("reason") or f"{body['requested_by_role']} asks for an approval of {about}"
        advice = [told(e["data"]) for e in body.get("events", ()) if e["event_type"] == "confirm.recommended"]
        raise UndecidedError(
            given.confirm_id,
            "; ".join([asked, *advice]),
            panel.waits_for(votes),
            given.timeout,
        )
    return Answered(confirm_id=given.confirm_id, status=body["status"], confirm=body)


WAIT_FOR_APPROVAL = Operation(
    name="wait-for-approval",
    summary="Wait until a question has its answer",
    parameters=WaitForApproval,
    result=Answered,
    handler=wait_for_approval,
)
