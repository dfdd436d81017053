"""`set-governance`, the operation that every module has whose objects carry governance."""

from __future__ import annotations

from typing import Any

from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.records import change_object, governance_body, make_event
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ConfirmRef, Governance, ObjectId

#: Kinds of the protocol without governance.
_UNGOVERNED = {"plan"}


class SetGovernance(Parameters, frozen=True, kw_only=True):
    object_id: ObjectId
    lifecycle_phase: str | None = None
    truth_domain: str | None = None
    locked: bool | None = None
    last_confirm_ref: ConfirmRef | None = None


class Governed(Result, frozen=True, kw_only=True):
    object_id: ObjectId
    governance: Governance
    object: dict[str, Any]


def set_governance(kind: str) -> list[Operation]:
    """The operation for objects of that kind: none if they carry no governance."""
    if kind in _UNGOVERNED:
        return []

    def govern(given: SetGovernance, session: Session) -> Governed:
        """Changes what is given; the only change that a locked object takes."""
        body = session.get(kind, given.object_id)
        asked = Governance(
            lifecycle_phase=given.lifecycle_phase,
            truth_domain=given.truth_domain,
            locked=given.locked,
            last_confirm_ref=given.last_confirm_ref,
        )
        event = make_event(session, kind, "governance.changed")
        governance = {**body.get("governance", {}), **governance_body(asked)}
        changed = session.put(kind, change_object(session, body, event, governance=governance))
        return Governed(object_id=given.object_id, governance=asked, object=changed)

    return [
        Operation(
            name="set-governance",
            summary=f"Lock or unlock a {kind}, note its phase and what confirmed it",
            parameters=SetGovernance,
            result=Governed,
            handler=govern,
        )
    ]
