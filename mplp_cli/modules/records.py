"""How objects are made, changed, moved from status to status and listed: the same for every module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from mplp_cli.errors import InvalidTransitionError
from mplp_cli.modules.session import Session

PROTOCOL_VERSION = "1.0.0"

#: status -> the statuses that may follow it; none follows a final one.
Transitions = Mapping[str, tuple[str, ...]]


def make_event(
    session: Session, source: str, verb: str, data: dict[str, Any] | None = None, trace_id: str | None = None
) -> dict[str, Any]:
    """An entry for an object's `events`: `plan` and `step.started` give `plan.step.started`."""
    event = {
        "event_id": session.uuid(),
        "event_type": f"{source}.{verb}",
        "source": source,
        "timestamp": session.now(),
    }
    if trace_id is not None:
        event["trace_id"] = trace_id
    return event if data is None else {**event, "data": data}


def make_object(
    session: Session,
    kind: str,
    identifier: str,
    events: list[dict[str, Any]],
    labels: Sequence[str] = (),
    **fields: Any,
) -> dict[str, Any]:
    """The body of a new object, to be put. Fields that are None are left out; `labels` go to `meta.tags`."""
    caller = session.caller
    author = f"{caller.workflow}/{caller.step}"
    meta = {
        "protocol_version": PROTOCOL_VERSION,
        "schema_version": PROTOCOL_VERSION,
        "created_at": session.now(),
        "created_by": author,
        "updated_at": session.now(),
        "updated_by": author,
        "tags": [f"run:{caller.run}", f"workflow:{caller.workflow}", f"step:{caller.step}", *labels],
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return {"meta": meta, f"{kind}_id": identifier, **given, "events": events}


def change_object(
    session: Session, body: dict[str, Any], event: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """The body with these fields changed (None: as it was) and one more event, to be put."""
    caller = session.caller
    meta = {**body["meta"], "updated_at": session.now(), "updated_by": f"{caller.workflow}/{caller.step}"}
    changed = {name: value for name, value in fields.items() if value is not None}
    if "updated_at" in body:
        changed["updated_at"] = session.now()
    if event is not None:
        changed["events"] = [*body.get("events", ()), event]
    return {**body, **changed, "meta": meta}


def check_move(kind: str, identifier: str, table: Transitions, now: str, to: str) -> None:
    """InvalidTransitionError unless the table lets an object go from `now` to `to`."""
    allowed = table[now]
    if to in allowed:
        return
    raise InvalidTransitionError(
        f"the {kind} {identifier} is `{now}` and cannot become `{to}`",
        hint=f"from `{now}` it can become {', '.join(f'`{s}`' for s in allowed)}"
        if allowed
        else f"`{now}` is final",
        details={"kind": kind, "id": identifier, "from": now, "to": to, "allowed": list(allowed)},
    )


def open_context(session: Session, context_id: str) -> dict[str, Any]:
    """The context, if work may still be put into it; else InvalidTransitionError."""
    body = session.get("context", context_id)
    status = body["status"]
    if status in {"draft", "active"}:
        return body
    raise InvalidTransitionError(
        f"the context {context_id} is `{status}`; nothing can be added to it",
        hint="`context/resume-context` makes it active again" if status == "suspended" else None,
        details={"kind": "context", "id": context_id, "status": status},
    )


class Page(Struct, frozen=True):
    """A stretch of a list and where it lies."""

    items: list[dict[str, Any]]
    position: dict[str, Any]


def page_of(items: Sequence[dict[str, Any]], page: int, limit: int) -> Page:
    """Page number `page` (from 1) of `items`; its position has the field names of `shapes` results."""
    total = len(items)
    pages = -(-total // limit)
    position = {
        "total": total,
        "page": page,
        "limit": limit,
        "total_pages": pages,
        "has_next": page < pages,
        "has_previous": page > 1 and total > 0,
    }
    return Page(list(items[(page - 1) * limit : page * limit]), position)
