"""Who takes part in a collaboration, and whether it is at work."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from mplp_cli.errors import InvalidTransitionError, OperationError
from mplp_cli.modules.contract import Operation, Parameters
from mplp_cli.modules.records import change_object, make_event
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ObjectId, Text
from mplp_cli.workflow.suggest import did_you_mean

MOST = 100

Body = dict[str, Any]


class Participant(Parameters, frozen=True, kw_only=True):
    """Somebody who takes part. What `role/assign-roles` gives is one, too."""

    participant_id: Annotated[
        Text | None, Meta(description="the `agentId`, else the `role`, unless given")
    ] = None
    role_id: Annotated[
        ObjectId | None, Meta(description="that of the context's role of that name unless given")
    ] = None
    kind: Literal["agent", "human", "system", "external"] = "agent"
    display_name: str | None = None
    role: Annotated[Text | None, Meta(description="name of a role; the `participantId` unless given")] = None
    agent_id: Text | None = None
    context_id: ObjectId | None = None


def participant_body(session: Session, context_id: str, given: Participant | str) -> Body:
    """A participant as the object holds it. OperationError if its name or its role is not clear."""
    who = Participant(participant_id=given) if isinstance(given, str) else given
    name = who.participant_id or who.agent_id or who.role
    if name is None:
        raise OperationError("a participant has no name", hint="give `participantId` or `role`")
    body = {
        "participant_id": name,
        "role_id": who.role_id or _role(session, context_id, who.role or name),
        "kind": who.kind,
    }
    return body if who.display_name is None else {**body, "display_name": who.display_name}


def _role(session: Session, context_id: str, name: str) -> str:
    found = session.find("role", context=context_id, name=name)
    if found:
        return str(found[0]["role_id"])
    known = [str(role["name"]) for role in session.find("role", context=context_id)]
    raise OperationError(
        f"the context {context_id} has no role `{name}`",
        hint=did_you_mean(name, known)
        or "give `roleId`, or what `role/assign-roles` gives: its `assignments` are participants",
        details={"contextId": context_id, "role": name, "roles": known},
    )


def check_participants(participants: list[Body]) -> None:
    """OperationError if somebody is there twice, or they are too many."""
    if len(participants) > MOST:
        raise OperationError(f"a collab has at most {MOST} participants, not {len(participants)}")
    names = [who["participant_id"] for who in participants]
    for name in names:
        if names.count(name) > 1:
            raise OperationError(f"the participant `{name}` is named twice", details={"participantId": name})


def participant(body: Body, name: str) -> Body:
    """The participant of that id. OperationError if there is none."""
    for who in body["participants"]:
        if who["participant_id"] == name:
            return dict(who)
    names = [str(who["participant_id"]) for who in body["participants"]]
    raise OperationError(
        f"`{name}` is not a participant of the collab {body['collab_id']}",
        hint=did_you_mean(name, names) or f"there are: {', '.join(names)}",
        details={"participantId": name, "participants": names},
    )


def participant_data(who: Body, given: Participant | str) -> Body:
    """A participant as it stands in the data of an event: with its agent, for which the object has no room."""
    names = {
        "participant_id": "participantId", "role_id": "roleId", "kind": "kind", "display_name": "displayName",
    }  # fmt: skip
    data = {names[key]: value for key, value in who.items()}
    agent = None if isinstance(given, str) else given.agent_id
    return data if agent is None else {**data, "agentId": agent}


def agents_of(body: Body) -> dict[str, str]:
    """The agents of those who take part now, by participant."""
    agents: dict[str, str | None] = {}
    for event in body.get("events", ()):
        data = event.get("data") or {}
        if event["event_type"] == "collab.roles.assigned":
            agents |= {who["participantId"]: who.get("agentId") for who in data.get("participants", ())}
        elif event["event_type"] == "collab.participant.joined":
            agents[data["participant"]["participantId"]] = data["participant"].get("agentId")
    named = {who["participant_id"]: agents.get(who["participant_id"]) for who in body["participants"]}
    return {name: agent for name, agent in named.items() if agent is not None}


def at_work(session: Session, identifier: str, *, resting: bool = False) -> Body:
    """A collab that is active or, if `resting`, suspended. InvalidTransitionError if it is not."""
    body = session.get("collab", identifier)
    status = body["status"]
    if status == "active" or (resting and status == "suspended"):
        return body
    hints = {
        "draft": "`collab/start-collab` starts it",
        "suspended": "`collab/resume-collab` makes it active again",
    }
    raise InvalidTransitionError(
        f"the collab {identifier} is `{status}`; this needs an active one",
        hint=hints.get(status),
        details={"kind": "collab", "id": identifier, "status": status},
    )


def note(session: Session, body: Body, verb: str, data: Body | None = None, **fields: Any) -> Body:
    """Put the collab with one more event. What is None in `data` is left out."""
    kept = None if data is None else {key: value for key, value in data.items() if value is not None}
    event = make_event(session, "collab", verb, kept)
    return session.put("collab", change_object(session, body, event, **fields))


def operation(name: str, summary: str, parameters: Any, result: Any, handler: Any) -> Operation:
    """An operation of the module."""
    return Operation(name=name, summary=summary, parameters=parameters, result=result, handler=handler)
