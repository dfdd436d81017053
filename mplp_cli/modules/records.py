"""How objects are made, changed, moved from status to status and listed: the same for every module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, to_builtins

from mplp_cli.errors import InvalidTransitionError
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import GivenMeta, Governance, NewObject, NewUngoverned
from mplp_cli.protocols import Caller

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
    *,
    given: NewUngoverned | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """The body of a new object, to be put. Fields that are None are left out; `labels` go to `meta.tags`.

    Of `given`, the operation's parameters, `meta`, `governance` and `trace` are taken.
    """
    body: dict[str, Any] = {
        "meta": _meta(session, labels, given.meta if given else None),
        f"{kind}_id": identifier,
    }
    body |= {name: value for name, value in fields.items() if value is not None}
    if isinstance(given, NewObject) and given.governance is not None:
        body["governance"] = governance_body(given.governance)
    if given is not None and given.trace is not None:
        place = {name: getattr(given.trace, name) for name in given.trace.__struct_fields__}
        body["trace"] = {name: value for name, value in place.items() if value is not None}
    return {**body, "events": events}


def _meta(session: Session, labels: Sequence[str], given: GivenMeta | None) -> dict[str, Any]:
    caller = session.caller
    author = author_of(caller)
    origin = {"run": caller.run, "workflow": caller.workflow, "step": caller.step}
    tags = [*(f"{name}:{value}" for name, value in origin.items() if value), *labels]
    meta = {
        "protocol_version": PROTOCOL_VERSION,
        "schema_version": PROTOCOL_VERSION,
        "created_at": session.now(),
        "created_by": author,
        "updated_at": session.now(),
        "updated_by": author,
        "tags": tags,
    }
    if given is None:
        return meta
    meta["tags"] = list(dict.fromkeys([*(given.tags or ()), *tags]))
    asked = {
        "created_at": given.created_at, "created_by": given.created_by, "cross_cutting": given.cross_cutting,
    }  # fmt: skip
    return meta | {name: value for name, value in asked.items() if value is not None}


def author_of(caller: Caller) -> str:
    """Who made or changed an object: the workflow and its step, or a module."""
    return f"{caller.workflow}/{caller.step}" if caller.step else caller.workflow


def governance_body(given: Governance) -> dict[str, Any]:
    """Governance as an object holds it."""
    body = to_builtins(given)
    if given.last_confirm_ref is not None:
        body["lastConfirmRef"] = _without_none(body["lastConfirmRef"])
    return _without_none(body)


def _without_none(mapping: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if value is not None}


def change_object(
    session: Session, body: dict[str, Any], event: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """The body with these fields changed (None: as it was) and one more event, to be put."""
    caller = session.caller
    meta = {**body["meta"], "updated_at": session.now(), "updated_by": author_of(caller)}
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
