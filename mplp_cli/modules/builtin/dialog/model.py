"""What the operations of dialogs share: who takes part, and what is said."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from msgspec.structs import replace

from mplp_cli.errors import OperationError
from mplp_cli.modules.contract import Parameters
from mplp_cli.modules.records import Transitions, make_event
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import Assignment, Text
from mplp_cli.workflow.suggest import did_you_mean

Status = Literal["active", "paused", "completed", "cancelled"]
Speaker = Literal["user", "assistant", "system", "agent"]

TRANSITIONS: Transitions = {
    "active": ("paused", "completed", "cancelled"),
    "paused": ("active", "completed", "cancelled"),
    "completed": (),
    "cancelled": (),
}
_MOST = 100

Participants = Annotated[list[Assignment | Text], Meta(description="assignments or names")]


class NewMessage(Parameters, frozen=True, kw_only=True):
    content: str
    role: Speaker = "agent"
    sender_id: Annotated[Text | None, Meta(description="a participant's `participantId`")] = None
    timestamp: Annotated[Text | None, Meta(description="now unless given")] = None
    event: Annotated[
        dict[str, Any] | None, Meta(description="as the protocol lays events out; not with `senderId`")
    ] = None


def participants_of(given: list[Assignment | str]) -> list[Assignment]:
    """Everybody with a participant id. OperationError if two have the same, or they are too many."""
    if len(given) > _MOST:
        raise OperationError(f"a dialog has at most {_MOST} participants, not {len(given)}")
    found: dict[str, Assignment] = {}
    for who in given:
        named = Assignment(role=who, participant_id=who) if isinstance(who, str) else who
        name = named.participant_id or named.agent_id or named.role
        if name in found:
            raise OperationError(f"the participant `{name}` is named twice", details={"participantId": name})
        found[name] = replace(named, participant_id=name)
    return list(found.values())


def context_of(given: str | None, participants: list[Assignment | str], session: Session) -> str:
    """The context of a dialog. OperationError if it is not clear."""
    if given is not None:
        return given
    first = participants[0] if participants else None
    if isinstance(first, Assignment) and first.context_id is not None:
        return first.context_id
    mine = session.find("context", run=session.caller.run)
    if len(mine) == 1:
        found: str = mine[0]["context_id"]
        return found
    said = "has made none" if not mine else f"has made {len(mine)}"
    raise OperationError(f"a dialog needs a context, and this run {said}", hint="give `contextId`")


def message_body(session: Session, given: NewMessage, participants: list[str]) -> dict[str, Any]:
    """A message as the object holds it. OperationError if nobody of that name takes part."""
    message: dict[str, Any] = {
        "role": given.role,
        "content": given.content,
        "timestamp": given.timestamp or session.now(),
    }
    if given.event is not None:
        if given.sender_id is not None:
            raise OperationError("a message takes `event` or `senderId`, not both", hint="leave one out")
        return {**message, "event": given.event}
    if given.sender_id is None:
        return message
    if participants and given.sender_id not in participants:
        raise OperationError(
            f"`{given.sender_id}` is not a participant of the dialog",
            hint=did_you_mean(given.sender_id, participants) or f"there are: {', '.join(participants)}",
            details={"senderId": given.sender_id, "participants": participants},
        )
    return {**message, "event": make_event(session, "dialog", "message.sent", {"senderId": given.sender_id})}
