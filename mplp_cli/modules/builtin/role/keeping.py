"""Roles from their making to their deletion."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from mplp_cli.errors import OperationError
from mplp_cli.modules.builtin.role.model import RoleNow, assignments_of, check_name, new_role, role_now
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.records import change_object, make_event, open_context, page_of
from mplp_cli.modules.removing import remove_unused
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import NewObject, ObjectId, PageNumber, PageSize, RoleBody, Text

Capabilities = Annotated[list[str] | None, Meta(description="such as `plan.create`, `plan.*` or `*`")]


class CreateRole(NewObject, frozen=True, kw_only=True):
    name: Text
    description: str | None = None
    capabilities: Capabilities = None
    created_at: Annotated[Text | None, Meta(description="RFC 3339; left out unless given")] = None
    updated_at: Annotated[Text | None, Meta(description="RFC 3339; left out unless given")] = None
    context_id: ObjectId | None = None
    role_id: ObjectId | None = None


class OneRole(Parameters, frozen=True, kw_only=True):
    role_id: ObjectId


class UpdateRole(Parameters, frozen=True, kw_only=True):
    role_id: ObjectId
    name: Text | None = None
    description: str | None = None
    capabilities: Annotated[list[str] | None, Meta(description="replaces the capabilities it has")] = None


class ListRoles(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId | None = None
    name: Text | None = None
    page: PageNumber = 1
    limit: PageSize = 100


class DeletedRole(Result, frozen=True, kw_only=True):
    role_id: ObjectId
    deleted: bool


class Roles(Result, frozen=True, kw_only=True):
    roles: list[RoleBody]
    total: int
    page: int
    limit: int
    total_pages: int
    has_next: bool
    has_previous: bool


def create_role(given: CreateRole, session: Session) -> RoleNow:
    """In one context a name belongs to one role."""
    if given.context_id is not None:
        open_context(session, given.context_id)
        check_name(session, given.context_id, given.name)
    body = new_role(
        session,
        given.name,
        given.context_id,
        role_id=given.role_id,
        given=given,
        description=given.description,
        capabilities=given.capabilities,
        created_at=given.created_at,
        updated_at=given.updated_at,
    )
    return role_now(session.put("role", body))


def get_role(given: OneRole, session: Session) -> RoleNow:
    """Gives the role."""
    return role_now(session.get("role", given.role_id))


def update_role(given: UpdateRole, session: Session) -> RoleNow:
    """OperationError if nothing is to change, or if a context of the role has another one of the new name."""
    body = session.get("role", given.role_id)
    fields = {"name": given.name, "description": given.description, "capabilities": given.capabilities}
    changed = sorted(name for name, value in fields.items() if value is not None)
    if not changed:
        raise OperationError("`role/update-role` is given nothing to change", hint="give `name`, for one")
    if given.name is not None and given.name != body["name"]:
        for tag in body["meta"].get("tags", ()):
            kind, _, context_id = tag.partition(":")
            if kind == "context":
                check_name(session, context_id, given.name)
    event = make_event(session, "role", "updated", {"fields": changed})
    return role_now(session.put("role", change_object(session, body, event, **fields)))


def delete_role(given: OneRole, session: Session) -> DeletedRole:
    """OperationError while somebody has it."""
    held = assignments_of(session.get("role", given.role_id))
    if held:
        names = ", ".join(f"`{one.participant_id}`" for one in held[:5])
        raise OperationError(
            f"the role {given.role_id} cannot be deleted: {names} {'has' if len(held) == 1 else 'have'} it",
            hint="`role/revoke-role` takes it back",
            details={"kind": "role", "id": given.role_id, "participantIds": [o.participant_id for o in held]},
        )
    remove_unused(session, "role", given.role_id, (), "keep the role, or delete what refers to it")
    return DeletedRole(role_id=given.role_id, deleted=True)


def list_roles(given: ListRoles, session: Session) -> Roles:
    """Gives a page of roles, oldest first."""
    found = session.find("role", context=given.context_id, name=given.name)
    page = page_of(found, given.page, given.limit)
    return Roles(roles=page.items, **page.position)


OPERATIONS = (
    Operation(
        name="create-role", summary="Make a role", parameters=CreateRole, result=RoleNow, handler=create_role
    ),
    Operation(name="get-role", summary="Read a role", parameters=OneRole, result=RoleNow, handler=get_role),
    Operation(
        name="update-role",
        summary="Change a role's name, description or capabilities",
        parameters=UpdateRole,
        result=RoleNow,
        handler=update_role,
    ),
    Operation(
        name="delete-role",
        summary="Delete a role that nobody has",
        parameters=OneRole,
        result=DeletedRole,
        handler=delete_role,
    ),
    Operation(
        name="list-roles",
        summary="List roles, oldest first",
        parameters=ListRoles,
        result=Roles,
        handler=list_roles,
    ),
)
