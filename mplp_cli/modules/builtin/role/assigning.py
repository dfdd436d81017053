"""Giving out roles in a context and taking them back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field, to_builtins

from mplp_cli.errors import DuplicateObjectError, OperationError, UnknownObjectError
from mplp_cli.modules.builtin.role.choosing import choose_agents
from mplp_cli.modules.builtin.role.model import assignments_of, check_name, new_role, tag_of
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.records import change_object, make_event, open_context
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import Assignment, ObjectId, RoleBody, Text
from mplp_cli.workflow.suggest import did_you_mean

Select = Annotated[
    str,
    Meta(
        pattern="^(first|least-loaded|round-robin|agent:.+)$",
        description="`first`, `least-loaded`, `round-robin` or `agent:ID`",
    ),
]


class AssignRoles(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId
    roles: Annotated[
        list[Text], Meta(min_length=1, description="names of roles; one assignment each, in order")
    ]
    agents: Annotated[
        dict[str, Text] | list[Text] | None,
        Meta(description="agent ids: by name of role, or one for each of `roles`"),
    ] = None
    select: Annotated[
        Select | None,
        Meta(
            description="finds an agent for each role that `agents` does not name: the first that can take it, the "
            "one with the fewest roles in the context, one after the other, or the one that agent `ID` chooses",
        ),
    ] = None
    capabilities: Annotated[
        dict[str, Text | list[Text]],
        Meta(description="what an agent must offer, by name of role; `role.NAME` unless given"),
    ] = field(default_factory=dict)
    on_missing: Annotated[
        Literal["fail", "human", "system"],
        Meta(
            description="what becomes of a role that no agent can take: its kind, unless that fails the call"
        ),
    ] = "fail"
    reasons: Annotated[
        dict[str, Text], Meta(description="why somebody has a role, by name of role; `select` gives its own")
    ] = field(default_factory=dict)


class AssignRole(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId
    role: Annotated[Text | None, Meta(description="its name; made if the context has none of that name")] = (
        None
    )
    role_id: Annotated[ObjectId | None, Meta(description="a role that there is")] = None
    agent_id: Text | None = None
    participant_id: Annotated[Text | None, Meta(description="the agent or the role unless given")] = None
    kind: Literal["agent", "human", "system", "external"] = "agent"


class RevokeRole(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId
    role: Annotated[Text | None, Meta(description="its name")] = None
    role_id: ObjectId | None = None
    agent_id: Text | None = None
    participant_id: Annotated[Text | None, Meta(description="who loses it, if several have it")] = None
    reason: str | None = None


class Assignments(Result, frozen=True, kw_only=True):
    context_id: ObjectId
    assignments: list[Assignment]
    roles: list[RoleBody]


class AssignmentNow(Result, frozen=True, kw_only=True):
    context_id: ObjectId
    role_id: ObjectId
    assignment: Assignment
    role: RoleBody


def assign_roles(given: AssignRoles, session: Session) -> Assignments:
    """A role that the context has is used again; a missing one is made."""
    open_context(session, given.context_id)
    known = _roles(session, given.context_id)
    agents = _agents(given)
    taken = _taken(known, given.context_id)
    assignments = []
    for name, agent in zip(given.roles, agents, strict=True):
        body = known.get(name) or new_role(session, name, given.context_id)
        assignment = Assignment(
            role=name,
            role_id=body["role_id"],
            participant_id=_free_name(agent or name, taken),
            kind="agent" if agent or given.select is None else _left_to(given),
            agent_id=agent,
            context_id=given.context_id,
        )
        why = {"reason": given.reasons[name]} if name in given.reasons else {}
        event = make_event(session, "role", "assigned", {**to_builtins(assignment), **why})
        known[name] = change_object(session, body, event)
        assignments.append(assignment)
    used = [session.put("role", known[name]) for name in dict.fromkeys(given.roles)]
    return Assignments(context_id=given.context_id, assignments=assignments, roles=used)


def _left_to(given: AssignRoles) -> Literal["human", "system"]:
    """Who has a role that no agent could take."""
    return "human" if given.on_missing == "human" else "system"


def assign_role(given: AssignRole, session: Session) -> AssignmentNow:
    """One assignment. A role of no context, or of another one, comes to be one of this context too."""
    open_context(session, given.context_id)
    known = _roles(session, given.context_id)
    body = _role_to_assign(given, known, session)
    wanted = given.participant_id
    if wanted in {one.participant_id for one in assignments_of(body, given.context_id)}:
        raise DuplicateObjectError(
            f"`{wanted}` has the role `{body['name']}` already",
            details={"contextId": given.context_id, "roleId": body["role_id"], "participantId": wanted},
        )
    assignment = Assignment(
        role=body["name"],
        role_id=body["role_id"],
        participant_id=wanted or _free_name(given.agent_id or body["name"], _taken(known, given.context_id)),
        kind=given.kind,
        agent_id=given.agent_id,
        context_id=given.context_id,
    )
    event = make_event(session, "role", "assigned", to_builtins(assignment))
    changed = session.put("role", change_object(session, body, event))
    return AssignmentNow(
        context_id=given.context_id, role_id=body["role_id"], assignment=assignment, role=changed
    )


def revoke_role(given: RevokeRole, session: Session) -> AssignmentNow:
    """Ends one assignment. OperationError if it is not clear which one."""
    body = _role_of(given, session)
    held = [
        one
        for one in assignments_of(body, given.context_id)
        if given.participant_id in {None, one.participant_id} and given.agent_id in {None, one.agent_id}
    ]
    if len(held) != 1:
        who = given.participant_id or given.agent_id
        raise OperationError(
            f"in the context {given.context_id} {f'`{who}`' if who else 'nobody'} "
            f"has {'not ' if who else ''}the role `{body['name']}`"
            if not held
            else f"{len(held)} assignments of the role `{body['name']}` could be meant",
            hint=None if not held else "give `participantId`",
            details={"roleId": body["role_id"], "participantIds": [one.participant_id for one in held]},
        )
    data = to_builtins(held[0]) | ({} if given.reason is None else {"reason": given.reason})
    event = make_event(session, "role", "revoked", data)
    changed = session.put("role", change_object(session, body, event))
    return AssignmentNow(
        context_id=given.context_id, role_id=body["role_id"], assignment=held[0], role=changed
    )


def _roles(session: Session, context_id: str) -> dict[str, dict[str, Any]]:
    """The roles of a context by name."""
    return {body["name"]: body for body in session.find("role", context=context_id)}


def _role_to_assign(given: AssignRole, known: dict[str, dict[str, Any]], session: Session) -> dict[str, Any]:
    if given.role_id is None:
        if given.role is None:
            raise OperationError(
                "`role/assign-role` needs to know which role", hint="give `role` or `roleId`"
            )
        return known.get(given.role) or new_role(session, given.role, given.context_id)
    body = session.get("role", given.role_id)
    _check_agreement(given.role, body)
    tags, tag = body["meta"].get("tags", ()), tag_of(given.context_id)
    if tag in tags:
        return body
    check_name(session, given.context_id, body["name"])
    return {**body, "meta": {**body["meta"], "tags": [*tags, tag]}}


def _role_of(given: RevokeRole, session: Session) -> dict[str, Any]:
    if given.role_id is not None:
        body = session.get("role", given.role_id)
        _check_agreement(given.role, body)
        return body
    known = _roles(session, session.get("context", given.context_id)["context_id"])
    if given.role in known:
        return known[given.role]
    name = given.role or ""
    raise UnknownObjectError(
        f"the context {given.context_id} has no role `{name}`",
        hint=did_you_mean(name, known),
        details={"contextId": given.context_id, "name": name},
    )


def _check_agreement(name: str | None, body: dict[str, Any]) -> None:
    if name not in {None, body["name"]}:
        raise OperationError(
            f"`roleId` is that of the role `{body['name']}`, not of `{name}`", hint="give one of them"
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


def _taken(known: dict[str, dict[str, Any]], context_id: str) -> set[str]:
    """Ids of those who have a role of the context."""
    return {one.participant_id or "" for body in known.values() for one in assignments_of(body, context_id)}


def _free_name(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


OPERATIONS = (
    Operation(
        name="assign-roles",
        summary="Give out roles in a context, one assignment for each name",
        parameters=AssignRoles,
        result=Assignments,
        handler=assign_roles,
        consult=choose_agents,
        asks=("select",),
    ),
    Operation(
        name="assign-role",
        summary="Give somebody a role in a context",
        parameters=AssignRole,
        result=AssignmentNow,
        handler=assign_role,
        any_of=(("role", "roleId"),),
    ),
    Operation(
        name="revoke-role",
        summary="Take a role in a context back",
        parameters=RevokeRole,
        result=AssignmentNow,
        handler=revoke_role,
        any_of=(("role", "roleId"),),
    ),
)
