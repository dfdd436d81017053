"""Module `role`: named roles, what they may do, and who has them in a context.

The protocol's role object names no context and nobody who has it: the context stands in its
`meta.tags` (`context:<id>`), each assignment in an event `role.assigned`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, to_builtins

from mplp_cli.errors import OperationError
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.records import change_object, make_event, make_object, open_context, page_of
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import Assignment, ObjectId, PageNumber, PageSize, Text
from mplp_cli.workflow.suggest import did_you_mean


class AssignRoles(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId
    roles: Annotated[
        list[Text], Meta(min_length=1, description="names of roles; one assignment each, in order")
    ]
    agents: Annotated[
        dict[str, Text] | list[Text] | None,
        Meta(description="agent ids: by name of role, or one for each of `roles`"),
    ] = None


class CreateRole(Parameters, frozen=True, kw_only=True):
    name: Text
    description: str | None = None
    capabilities: Annotated[list[Text] | None, Meta(description="such as `plan.create`")] = None
    context_id: ObjectId | None = None
    role_id: ObjectId | None = None


class GetRole(Parameters, frozen=True, kw_only=True):
    role_id: ObjectId


class ListRoles(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId | None = None
    name: Text | None = None
    page: PageNumber = 1
    limit: PageSize = 100


class Assignments(Result, frozen=True, kw_only=True):
    context_id: ObjectId
    assignments: list[Assignment]
    roles: list[dict[str, Any]]


class RoleNow(Result, frozen=True, kw_only=True):
    role_id: ObjectId
    name: str
    role: dict[str, Any]


class Roles(Result, frozen=True, kw_only=True):
    roles: list[dict[str, Any]]
    total: int
    page: int
    limit: int
    total_pages: int
    has_next: bool
    has_previous: bool


def assign_roles(given: AssignRoles, session: Session) -> Assignments:
    """A role that the context has is used again; a missing one is made."""
    open_context(session, given.context_id)
    known = {body["name"]: body for body in session.find("role", context=given.context_id)}
    agents = _agents(given)
    taken = {event["data"]["participantId"] for body in known.values() for event in _assigned(body)}
    assignments = []
    for name, agent in zip(given.roles, agents, strict=True):
        body = known.get(name) or _new_role(session, CreateRole(name=name, context_id=given.context_id))
        assignment = Assignment(
            role=name,
            role_id=body["role_id"],
            participant_id=_free_name(agent or name, taken),
            agent_id=agent,
            context_id=given.context_id,
        )
        event = make_event(session, "role", "assigned", to_builtins(assignment))
        known[name] = change_object(session, body, event)
        assignments.append(assignment)
    used = [session.put("role", known[name]) for name in dict.fromkeys(given.roles)]
    return Assignments(context_id=given.context_id, assignments=assignments, roles=used)


def create_role(given: CreateRole, session: Session) -> RoleNow:
    """In one context a name belongs to one role."""
    if given.context_id is not None:
        open_context(session, given.context_id)
        if session.find("role", context=given.context_id, name=given.name):
            raise OperationError(
                f"the context {given.context_id} has a role `{given.name}` already",
                details={"contextId": given.context_id, "name": given.name},
            )
    return _now(session.put("role", _new_role(session, given)))


def get_role(given: GetRole, session: Session) -> RoleNow:
    """Gives the role."""
    return _now(session.get("role", given.role_id))


def list_roles(given: ListRoles, session: Session) -> Roles:
    """Gives a page of roles, oldest first."""
    found = session.find("role", context=given.context_id, name=given.name)
    page = page_of(found, given.page, given.limit)
    return Roles(roles=page.items, **page.position)


def _new_role(session: Session, given: CreateRole) -> dict[str, Any]:
    return make_object(
        session,
        "role",
        session.new_id("role", given.role_id),
        [make_event(session, "role", "created")],
        [f"context:{given.context_id}"] if given.context_id else [],
        name=given.name,
        description=given.description,
        capabilities=given.capabilities,
        created_at=session.now(),
        updated_at=session.now(),
    )


def _agents(given: AssignRoles) -> list[str | None]:
    if given.agents is None:
        return [None] * len(given.roles)
    if isinstance(given.agents, list):
        if len(given.agents) != len(given.roles):
            raise OperationError(
                f"`agents` names {len(given.agents)} and `roles` {len(given.roles)}: give one for each role",
                hint="or give a map from role to agent",
            )
        return list(given.agents)
    for name in given.agents:
        if name not in given.roles:
            raise OperationError(
                f"`agents` names the role `{name}`, which is not in `roles`",
                hint=did_you_mean(name, given.roles),
            )
    return [given.agents.get(name) for name in given.roles]


def _assigned(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in body["events"] if event["event_type"] == "role.assigned"]


def _free_name(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


def _now(body: dict[str, Any]) -> RoleNow:
    return RoleNow(role_id=body["role_id"], name=body["name"], role=body)


MODULE = make_module(
    "role",
    "Roles and who has them",
    Operation(
        name="assign-roles",
        summary="Give out roles in a context, one assignment for each name",
        parameters=AssignRoles,
        result=Assignments,
        handler=assign_roles,
    ),
    Operation(
        name="create-role", summary="Make a role", parameters=CreateRole, result=RoleNow, handler=create_role
    ),
    Operation(name="get-role", summary="Read a role", parameters=GetRole, result=RoleNow, handler=get_role),
    Operation(
        name="list-roles",
        summary="List roles, oldest first",
        parameters=ListRoles,
        result=Roles,
        handler=list_roles,
    ),
)
