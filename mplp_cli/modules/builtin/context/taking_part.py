"""Who takes part in a context: a list in `root.participants`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from mplp_cli.errors import DuplicateObjectError, OperationError, UnknownObjectError
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.records import change_object, make_event, open_context
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ContextBody, ObjectId, Text
from mplp_cli.workflow.suggest import did_you_mean


class AddParticipant(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId
    participant_id: Annotated[Text | None, Meta(description="the agent's id unless given")] = None
    agent_id: Text | None = None
    roles: Annotated[list[Text], Meta(description="names of roles")] = field(default_factory=list)
    capabilities: Annotated[list[Text], Meta(description="such as `plan.create`")] = field(
        default_factory=list
    )


class RemoveParticipant(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId
    participant_id: Text
    reason: str | None = None


class Participant(Result, frozen=True, kw_only=True):
    participant_id: str
    agent_id: str | None
    roles: list[str]
    capabilities: list[str]


class ParticipantNow(Result, frozen=True, kw_only=True):
    context_id: ObjectId
    participant: Participant
    participants: list[Participant]
    context: ContextBody


class _Listed(Struct, frozen=True):
    """An item of `root.participants`."""

    participant_id: str
    agent_id: str | None = None
    roles: list[str] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)


def add_participant(given: AddParticipant, session: Session) -> ParticipantNow:
    """In a context a participant's id belongs to one participant."""
    body = open_context(session, given.context_id)
    identifier = given.participant_id or given.agent_id or ""
    if not identifier:
        raise OperationError("a participant needs an id", hint="give `participantId` or `agentId`")
    listed = _listed(body)
    if identifier in {item["participant_id"] for item in listed}:
        raise DuplicateObjectError(
            f"`{identifier}` takes part in the context {given.context_id} already",
            details={"kind": "participant", "id": identifier},
        )
    made: dict[str, Any] = {"participant_id": identifier}
    if given.agent_id is not None:
        made["agent_id"] = given.agent_id
    made |= {"roles": given.roles, "capabilities": given.capabilities}
    return _put(session, body, [*listed, made], made, "participant.added", {})


def remove_participant(given: RemoveParticipant, session: Session) -> ParticipantNow:
    """UnknownObjectError if nobody of that id takes part."""
    body = open_context(session, given.context_id)
    listed = _listed(body)
    gone = next((item for item in listed if item["participant_id"] == given.participant_id), None)
    if gone is None:
        raise UnknownObjectError(
            f"`{given.participant_id}` does not take part in the context {given.context_id}",
            hint=did_you_mean(given.participant_id, [item["participant_id"] for item in listed]),
            details={"kind": "participant", "id": given.participant_id},
        )
    why = {} if given.reason is None else {"reason": given.reason}
    return _put(session, body, [i for i in listed if i is not gone], gone, "participant.removed", why)


def _put(
    session: Session,
    body: dict[str, Any],
    listed: list[dict[str, Any]],
    about: dict[str, Any],
    verb: str,
    data: dict[str, Any],
) -> ParticipantNow:
    participant = _shown(about)
    event = make_event(session, "context", verb, {**msgspec.to_builtins(participant), **data})
    root = {**body["root"], "participants": listed}
    changed = session.put("context", change_object(session, body, event, root=root))
    return ParticipantNow(
        context_id=body["context_id"],
        participant=participant,
        participants=[_shown(item) for item in listed],
        context=changed,
    )


def _shown(item: dict[str, Any]) -> Participant:
    return Participant(**msgspec.structs.asdict(msgspec.convert(item, _Listed)))


def _listed(body: dict[str, Any]) -> list[dict[str, Any]]:
    # `root` is open: whoever made the context may have put anything there.
    found = body["root"].get("participants", [])
    try:
        msgspec.convert(found, list[_Listed])
    except msgspec.ValidationError as error:
        raise OperationError(
            f"`root.participants` of the context {body['context_id']} is no list of participants: {error}",
            hint="each is a map with a `participant_id`",
            details={"kind": "context", "id": body["context_id"]},
        ) from error
    return list(found)


OPERATIONS = (
    Operation(
        name="add-participant",
        summary="Let somebody take part in a context",
        parameters=AddParticipant,
        result=ParticipantNow,
        handler=add_participant,
        any_of=(("participantId", "agentId"),),
    ),
    Operation(
        name="remove-participant",
        summary="End somebody's part in a context",
        parameters=RemoveParticipant,
        result=ParticipantNow,
        handler=remove_participant,
    ),
)
