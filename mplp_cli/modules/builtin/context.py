"""Module `context`: the scope that a piece of work lives in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta

from mplp_cli.errors import OperationError
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.records import (
    Transitions,
    change_object,
    check_move,
    make_event,
    make_object,
    page_of,
)
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ObjectId, PageNumber, PageSize, Text

Status = Literal["draft", "active", "suspended", "archived", "closed"]

TRANSITIONS: Transitions = {
    "draft": ("active", "closed"),
    "active": ("suspended", "closed"),
    "suspended": ("active", "closed"),
    "closed": ("archived",),
    "archived": (),
}


class CreateContext(Parameters, frozen=True, kw_only=True):
    name: Text
    type: Annotated[Text | None, Meta(description="kind of work; the domain unless one is given")] = None
    title: Annotated[Text | None, Meta(description="for people; the name unless given")] = None
    domain: Text | None = None
    environment: Text = "development"
    entry_point: Text | None = None
    summary: str | None = None
    tags: list[Text] | None = None
    language: Text | None = None
    owner_role: Text | None = None
    constraints: dict[str, Any] | None = None
    status: Literal["draft", "active"] = "active"
    context_id: ObjectId | None = None


class OneContext(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId


class UpdateContext(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId
    title: Text | None = None
    summary: str | None = None
    tags: list[Text] | None = None
    language: Text | None = None
    owner_role: Text | None = None
    constraints: Annotated[dict[str, Any] | None, Meta(description="replaces the constraints there are")] = (
        None
    )


class MoveContext(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId
    reason: str | None = None


class ListContexts(Parameters, frozen=True, kw_only=True):
    status: Status | None = None
    page: PageNumber = 1
    limit: PageSize = 100


class NewContext(Result, frozen=True, kw_only=True):
    context_id: ObjectId
    name: str
    type: str | None
    status: Status
    context: dict[str, Any]


class ContextNow(Result, frozen=True, kw_only=True):
    context_id: ObjectId
    status: Status
    context: dict[str, Any]


class Contexts(Result, frozen=True, kw_only=True):
    contexts: list[dict[str, Any]]
    total: int
    page: int
    limit: int
    total_pages: int
    has_next: bool
    has_previous: bool


def create_context(given: CreateContext, session: Session) -> NewContext:
    """Names may repeat: a workflow that runs again makes another context."""
    identifier = session.new_id("context", given.context_id)
    root = {
        "domain": given.domain or given.type or "general",
        "environment": given.environment,
        "entry_point": given.entry_point,
        "type": given.type,
    }
    body = make_object(
        session,
        "context",
        identifier,
        [make_event(session, "context", "created", {"name": given.name})],
        root={key: value for key, value in root.items() if value is not None},
        title=given.title or given.name,
        status=given.status,
        summary=given.summary,
        tags=given.tags,
        language=given.language,
        owner_role=given.owner_role,
        constraints=given.constraints,
        created_at=session.now(),
        updated_at=session.now(),
    )
    session.put("context", body)
    return NewContext(
        context_id=identifier, name=given.name, type=given.type, status=given.status, context=body
    )


def get_context(given: OneContext, session: Session) -> ContextNow:
    """Gives the context."""
    return _now(session.get("context", given.context_id))


def update_context(given: UpdateContext, session: Session) -> ContextNow:
    """OperationError if nothing is to change; a closed or archived context stays as it is."""
    body = session.get("context", given.context_id)
    fields = {
        "title": given.title,
        "summary": given.summary,
        "tags": given.tags,
        "language": given.language,
        "owner_role": given.owner_role,
        "constraints": given.constraints,
    }
    changed = sorted(name for name, value in fields.items() if value is not None)
    if not changed:
        raise OperationError(
            "`context/update-context` is given nothing to change", hint="give `title`, for one"
        )
    if body["status"] in {"closed", "archived"}:
        raise OperationError(
            f"the context {given.context_id} is `{body['status']}` and stays as it is",
            details={"kind": "context", "id": given.context_id, "status": body["status"]},
        )
    event = make_event(session, "context", "updated", {"fields": changed})
    return _now(session.put("context", change_object(session, body, event, **fields)))


def list_contexts(given: ListContexts, session: Session) -> Contexts:
    """Gives a page of contexts, oldest first."""
    page = page_of(session.find("context", status=given.status), given.page, given.limit)
    return Contexts(contexts=page.items, **page.position)


def _mover(
    to: Status, verb: str, only_from: Status | None = None
) -> Callable[[MoveContext, Session], ContextNow]:
    table = TRANSITIONS if only_from is None else {**dict.fromkeys(TRANSITIONS, ()), only_from: (to,)}

    def move(given: MoveContext, session: Session) -> ContextNow:
        body = session.get("context", given.context_id)
        check_move("context", given.context_id, table, body["status"], to)
        data = None if given.reason is None else {"reason": given.reason}
        event = make_event(session, "context", verb, data)
        return _now(session.put("context", change_object(session, body, event, status=to)))

    return move


def _now(body: dict[str, Any]) -> ContextNow:
    return ContextNow(context_id=body["context_id"], status=body["status"], context=body)


def _move(name: str, summary: str, handler: Callable[[MoveContext, Session], ContextNow]) -> Operation:
    return Operation(name=name, summary=summary, parameters=MoveContext, result=ContextNow, handler=handler)


MODULE = make_module(
    "context",
    "The scope that work lives in",
    Operation(
        name="create-context",
        summary="Make a context",
        parameters=CreateContext,
        result=NewContext,
        handler=create_context,
    ),
    Operation(
        name="get-context",
        summary="Read a context",
        parameters=OneContext,
        result=ContextNow,
        handler=get_context,
    ),
    Operation(
        name="update-context",
        summary="Change what a context says about itself",
        parameters=UpdateContext,
        result=ContextNow,
        handler=update_context,
    ),
    Operation(
        name="list-contexts",
        summary="List contexts, oldest first",
        parameters=ListContexts,
        result=Contexts,
        handler=list_contexts,
    ),
    _move("activate-context", "Begin or go on with work in a context", _mover("active", "activated")),
    _move("suspend-context", "Let work in a context rest", _mover("suspended", "suspended")),
    _move(
        "resume-context", "Go on with a suspended context", _mover("active", "resumed", only_from="suspended")
    ),
    _move("close-context", "End work in a context", _mover("closed", "closed")),
    _move("archive-context", "Put a closed context away", _mover("archived", "archived")),
    transitions=TRANSITIONS,
)
