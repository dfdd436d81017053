"""Contexts from their making to their deletion."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta

from mplp_cli.errors import OperationError
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.records import (
    Transitions,
    change_object,
    check_move,
    make_event,
    make_object,
    page_of,
)
from mplp_cli.modules.removing import remove_unused
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import (
    ContextBody,
    ModuleName,
    NewObject,
    ObjectId,
    PageNumber,
    PageSize,
    Text,
)

Status = Literal["draft", "active", "suspended", "archived", "closed"]

TRANSITIONS: Transitions = {
    "draft": ("active", "closed"),
    "active": ("suspended", "closed"),
    "suspended": ("active", "closed"),
    "closed": ("archived",),
    "archived": (),
}


class CreateContext(NewObject, frozen=True, kw_only=True):
    name: Annotated[Text | None, Meta(description="the title unless given")] = None
    type: Annotated[Text | None, Meta(description="kind of work; the domain unless one is given")] = None
    title: Annotated[Text | None, Meta(description="for people; the name unless given")] = None
    domain: Annotated[str | None, Meta(description="short for `root.domain`; `general` unless given")] = None
    environment: Annotated[
        str | None, Meta(description="short for `root.environment`; `development` unless given")
    ] = None
    entry_point: Annotated[str | None, Meta(description="short for `root.entry_point`")] = None
    root: Annotated[
        dict[str, Any] | None, Meta(description="where the work belongs; keys in the protocol's spelling")
    ] = None
    summary: str | None = None
    tags: list[Text] | None = None
    language: str | None = None
    owner_role: str | None = None
    constraints: dict[str, Any] | None = None
    status: Annotated[Status, Meta(description="another than `active` for one that comes from elsewhere")] = (
        "active"
    )
    created_at: Annotated[Text | None, Meta(description="RFC 3339; left out unless given")] = None
    updated_at: Annotated[Text | None, Meta(description="RFC 3339; left out unless given")] = None
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
    name_pattern: Annotated[
        Text | None,
        Meta(description="titles that fit, in their own case: `*` is any text, `?` any character"),
    ] = None
    page: PageNumber = 1
    limit: PageSize = 100


class NewContext(Result, frozen=True, kw_only=True):
    context_id: ObjectId
    name: str
    type: str | None
    status: Status
    context: ContextBody


class ContextNow(Result, frozen=True, kw_only=True):
    context_id: ObjectId
    status: Status
    context: ContextBody


class DeletedContext(Result, frozen=True, kw_only=True):
    context_id: ObjectId
    deleted: bool


class Contexts(Result, frozen=True, kw_only=True):
    contexts: list[ContextBody]
    total: int
    page: int
    limit: int
    total_pages: int
    has_next: bool
    has_previous: bool


def create_context(given: CreateContext, session: Session) -> NewContext:
    """Names may repeat: a workflow that runs again makes another context."""
    identifier = session.new_id("context", given.context_id)
    title = given.title or given.name
    if title is None:
        raise OperationError("a context needs a name", hint="give `name` or `title`")
    name = given.name or title
    body = make_object(
        session,
        "context",
        identifier,
        [make_event(session, "context", "created", {"name": name})],
        given=given,
        root=_root(given),
        title=title,
        status=given.status,
        summary=given.summary,
        tags=given.tags,
        language=given.language,
        owner_role=given.owner_role,
        constraints=given.constraints,
        created_at=given.created_at,
        updated_at=given.updated_at,
    )
    session.put("context", body)
    return NewContext(context_id=identifier, name=name, type=given.type, status=given.status, context=body)


def _root(given: CreateContext) -> dict[str, Any]:
    """`root` and what stands for parts of it. OperationError if they contradict each other."""
    root = dict(given.root or {})
    short = {
        "domain": given.domain,
        "environment": given.environment,
        "entry_point": given.entry_point,
        "type": given.type,
    }
    for key, value in short.items():
        if value is not None and root.setdefault(key, value) != value:
            raise OperationError(
                f"`{key}` is `{value}` and in `root` it is `{root[key]}`", hint="give one of them"
            )
    root.setdefault("domain", given.type or "general")
    root.setdefault("environment", "development")
    return root


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
    found = session.find("context", status=given.status)
    if given.name_pattern is not None:
        found = [body for body in found if fnmatchcase(body["title"], given.name_pattern)]
    page = page_of(found, given.page, given.limit)
    return Contexts(contexts=page.items, **page.position)


def delete_context(given: OneContext, session: Session) -> DeletedContext:
    """OperationError while there is anything in it."""
    inside = (
        (kind, body)
        for kind in get_args(ModuleName)
        for body in session.find(kind, context=given.context_id)
        if kind != "context"
    )
    hint = "delete what is in it, or close it and put it away with `context/archive-context`"
    remove_unused(session, "context", given.context_id, inside, hint)
    return DeletedContext(context_id=given.context_id, deleted=True)


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


OPERATIONS = (
    Operation(
        name="create-context",
        summary="Make a context",
        parameters=CreateContext,
        result=NewContext,
        handler=create_context,
        any_of=(("name", "title"),),
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
    Operation(
        name="delete-context",
        summary="Delete a context that nothing is in",
        parameters=OneContext,
        result=DeletedContext,
        handler=delete_context,
    ),
)
