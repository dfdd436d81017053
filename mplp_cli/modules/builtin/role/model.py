"""What a role is to every operation: its body, and who has it."""

from __future__ import annotations

from typing import Any

import msgspec

from mplp_cli.errors import OperationError
from mplp_cli.modules.contract import Result
from mplp_cli.modules.records import make_event, make_object
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import Assignment, NewUngoverned, ObjectId, RoleBody


class RoleNow(Result, frozen=True, kw_only=True):
    """`assignments`: who has the role by now, in any context."""

    role_id: ObjectId
    name: str
    assignments: list[Assignment]
    role: RoleBody


def role_now(body: dict[str, Any]) -> RoleNow:
    """The role as a result shows it."""
    return RoleNow(role_id=body["role_id"], name=body["name"], assignments=assignments_of(body), role=body)


def new_role(
    session: Session,
    name: str,
    context_id: str | None,
    *,
    role_id: str | None = None,
    given: NewUngoverned | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """The body of a new role, to be put."""
    return make_object(
        session,
        "role",
        session.new_id("role", role_id),
        [make_event(session, "role", "created")],
        [tag_of(context_id)] if context_id else [],
        given=given,
        name=name,
        **fields,
    )


def tag_of(context_id: str) -> str:
    """What a role of that context has in `meta.tags`."""
    return f"context:{context_id}"


def check_name(session: Session, context_id: str, name: str) -> None:
    """In one context a name belongs to one role; else OperationError."""
    if session.find("role", context=context_id, name=name):
        raise OperationError(
            f"the context {context_id} has a role `{name}` already",
            details={"contextId": context_id, "name": name},
        )


def assignments_of(body: dict[str, Any], context_id: str | None = None) -> list[Assignment]:
    """Who has the role and still has it, in one context or in any; oldest first."""
    standing: dict[tuple[str | None, str | None], Assignment] = {}
    for event in body.get("events", ()):
        data = event.get("data") or {}
        if event["event_type"] not in {"role.assigned", "role.revoked"} or "participantId" not in data:
            continue
        known = {key: value for key, value in data.items() if key in Assignment.__struct_encode_fields__}
        # A role may have got another name since.
        about = msgspec.convert({**known, "role": body["name"]}, Assignment)
        key = (about.context_id, about.participant_id)
        if event["event_type"] == "role.assigned":
            standing[key] = about
        else:
            standing.pop(key, None)
    return [about for about in standing.values() if context_id in {None, about.context_id}]
