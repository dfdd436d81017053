"""What roles may do: `plan.create`, all that begins with `plan.` (`plan.*`), or everything (`*`)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from mplp_cli.errors import OperationError, UnknownObjectError
from mplp_cli.modules.builtin.role.model import RoleNow, assignments_of, role_now
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.records import change_object, make_event
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ObjectId, Text
from mplp_cli.workflow.suggest import did_you_mean

Capability = Annotated[
    str, Meta(min_length=1, description="such as `plan.create`; `plan.*` covers it, and `*` everything")
]


class OneCapability(Parameters, frozen=True, kw_only=True):
    role_id: ObjectId
    capability: Capability


class CheckPermission(Parameters, frozen=True, kw_only=True):
    role_id: ObjectId | None = None
    context_id: Annotated[
        ObjectId | None, Meta(description="in which `role` or `participantId` is looked up")
    ] = None
    role: Annotated[Text | None, Meta(description="name of a role of the context")] = None
    participant_id: Annotated[
        Text | None, Meta(description="somebody in the context, an agent too: all roles they have count")
    ] = None
    capability: Capability | None = None
    resource: Annotated[Text | None, Meta(description="with `action`, for a capability: `plan`")] = None
    action: Annotated[Text | None, Meta(description="with `resource`: `create`")] = None


class Permission(Result, frozen=True, kw_only=True):
    """`roleId` and `grantedBy`: the role that allows it and its capability that does; null if none does."""

    allowed: bool
    capability: str
    reason: str
    role_id: str | None
    granted_by: str | None


def grant_capability(given: OneCapability, session: Session) -> RoleNow:
    """A capability that the role has already changes nothing."""
    body = session.get("role", given.role_id)
    held = body.get("capabilities", [])
    if given.capability in held:
        return role_now(body)
    event = make_event(session, "role", "capability.granted", {"capability": given.capability})
    changed = change_object(session, body, event, capabilities=[*held, given.capability])
    return role_now(session.put("role", changed))


def revoke_capability(given: OneCapability, session: Session) -> RoleNow:
    """OperationError if the role has not that very capability."""
    body = session.get("role", given.role_id)
    held = body.get("capabilities", [])
    if given.capability not in held:
        wider = _covering(held, given.capability)
        raise OperationError(
            f"the role `{body['name']}` has no capability `{given.capability}`",
            hint=f"it has `{wider}`, which covers it" if wider else did_you_mean(given.capability, held),
            details={"roleId": given.role_id, "capability": given.capability, "capabilities": held},
        )
    event = make_event(session, "role", "capability.revoked", {"capability": given.capability})
    left = [capability for capability in held if capability != given.capability]
    return role_now(session.put("role", change_object(session, body, event, capabilities=left)))


def check_permission(given: CheckPermission, session: Session) -> Permission:
    """Whether a role, or any role that somebody has in a context, covers a capability."""
    capability = _asked(given)
    roles, who = _subject(given, session)
    for body in roles:
        by = _covering(body.get("capabilities", []), capability)
        if by is not None:
            return Permission(
                allowed=True,
                capability=capability,
                reason=f"the role `{body['name']}` has `{by}`",
                role_id=body["role_id"],
                granted_by=by,
            )
    reason = f"{who} has no capability that covers `{capability}`" if roles else f"{who} has no role"
    return Permission(allowed=False, capability=capability, reason=reason, role_id=None, granted_by=None)


def _asked(given: CheckPermission) -> str:
    if (given.resource is None) != (given.action is None) or (given.capability and given.resource):
        raise OperationError(
            "what is asked for is either a `capability` or a `resource` and an `action`",
            hint="`plan.create` is the same as the resource `plan` and the action `create`",
        )
    if given.capability is None and given.resource is None:
        raise OperationError("nothing is asked for", hint="give `capability`")
    return given.capability or f"{given.resource}.{given.action}"


def _subject(given: CheckPermission, session: Session) -> tuple[list[dict[str, Any]], str]:
    """The roles that count, and whose they are."""
    if sum(item is not None for item in (given.role_id, given.role, given.participant_id)) != 1:
        raise OperationError("give one of `roleId`, `role` and `participantId`")
    if given.role_id is not None:
        body = session.get("role", given.role_id)
        return [body], f"the role `{body['name']}`"
    if given.context_id is None:
        raise OperationError("a `role` or a `participantId` is one of a context", hint="give `contextId`")
    known = session.find("role", context=session.get("context", given.context_id)["context_id"])
    if given.role is not None:
        named = [body for body in known if body["name"] == given.role]
        if not named:
            raise UnknownObjectError(
                f"the context {given.context_id} has no role `{given.role}`",
                hint=did_you_mean(given.role, [body["name"] for body in known]),
                details={"contextId": given.context_id, "name": given.role},
            )
        return named, f"the role `{given.role}`"
    who = given.participant_id
    held = [
        body
        for body in known
        if any(who in {one.participant_id, one.agent_id} for one in assignments_of(body, given.context_id))
    ]
    return held, f"`{who}`"


def _covering(held: list[str], asked: str) -> str | None:
    """The first capability that covers the one asked for."""
    return next((one for one in held if one in {asked, "*"} or _is_below(asked, one)), None)


def _is_below(asked: str, one: str) -> bool:
    return one.endswith(".*") and asked.startswith(one[:-1])


OPERATIONS = (
    Operation(
        name="grant-capability",
        summary="Let a role do something",
        parameters=OneCapability,
        result=RoleNow,
        handler=grant_capability,
    ),
    Operation(
        name="revoke-capability",
        summary="Take a capability from a role",
        parameters=OneCapability,
        result=RoleNow,
        handler=revoke_capability,
    ),
    Operation(
        name="check-permission",
        summary="Ask whether a role, or somebody with their roles, may do something",
        parameters=CheckPermission,
        result=Permission,
        handler=check_permission,
        any_of=(("roleId", "role", "participantId"), ("capability", "resource")),
    ),
)
