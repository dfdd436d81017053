"""Module `dialog`: conversations in a context.

The protocol's dialog object has no list of participants: it stands in the event `dialog.started`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta, field, to_builtins
from msgspec.structs import replace

from mplp_cli.errors import InvalidTransitionError, OperationError
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.records import (
    Transitions,
    change_object,
    check_move,
    make_event,
    make_object,
    open_context,
)
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import Assignment, ObjectId, Text
from mplp_cli.workflow.suggest import did_you_mean

Status = Literal["active", "paused", "completed", "cancelled"]
Speaker = Literal["user", "assistant", "system", "agent"]

TRANSITIONS: Transitions = {
    "active": ("paused", "completed", "cancelled"),
    "paused": ("active", "completed", "cancelled"),
    "completed": (),
    "cancelled": (),
}
_ENDS = {"completed", "cancelled"}


class NewMessage(Parameters, frozen=True, kw_only=True):
    content: str
    role: Speaker = "agent"
    sender_id: Annotated[Text | None, Meta(description="a participant's `participantId`")] = None


class FacilitateCommunication(Parameters, frozen=True, kw_only=True):
    participants: Annotated[list[Assignment | Text], Meta(min_length=1, description="assignments or names")]
    context_id: Annotated[
        ObjectId | None, Meta(description="the first participant's, else the run's only one, unless given")
    ] = None
    topic: Text | None = None
    messages: list[NewMessage] = field(default_factory=list)
    dialog_id: ObjectId | None = None
    thread_id: ObjectId | None = None


class SendMessage(NewMessage, frozen=True, kw_only=True):
    dialog_id: ObjectId


class GetHistory(Parameters, frozen=True, kw_only=True):
    dialog_id: ObjectId
    limit: Annotated[int, Meta(ge=1, description="the newest messages only")] | None = None


class MoveDialog(Parameters, frozen=True, kw_only=True):
    dialog_id: ObjectId
    reason: str | None = None


class NewDialog(Result, frozen=True, kw_only=True):
    dialog_id: ObjectId
    thread_id: ObjectId
    context_id: ObjectId
    participants: list[Assignment]
    status: Status
    dialog: dict[str, Any]


class Sent(Result, frozen=True, kw_only=True):
    dialog_id: ObjectId
    message: dict[str, Any]
    message_count: int


class History(Result, frozen=True, kw_only=True):
    dialog_id: ObjectId
    status: Status
    messages: list[dict[str, Any]]
    message_count: int


class DialogNow(Result, frozen=True, kw_only=True):
    dialog_id: ObjectId
    status: Status
    dialog: dict[str, Any]


def facilitate_communication(given: FacilitateCommunication, session: Session) -> NewDialog:
    """Opens a dialog; its first message names the participants and the topic."""
    context_id = _context_of(given, session)
    open_context(session, context_id)
    participants = _participants(given.participants)
    names = [str(participant.participant_id) for participant in participants]
    welcome = f"Participants: {', '.join(names)}."
    if given.topic is not None:
        welcome += f" Topic: {given.topic}"
    messages = [_message(session, NewMessage(content=welcome, role="system"), names)]
    messages += [_message(session, message, names) for message in given.messages]
    identifier = session.new_id("dialog", given.dialog_id)
    thread_id = given.thread_id or session.uuid()
    body = make_object(
        session,
        "dialog",
        identifier,
        [make_event(session, "dialog", "started", {"participants": to_builtins(participants)})],
        context_id=context_id,
        thread_id=thread_id,
        status="active",
        messages=messages,
        started_at=session.now(),
    )
    session.put("dialog", body)
    return NewDialog(
        dialog_id=identifier,
        thread_id=thread_id,
        context_id=context_id,
        participants=participants,
        status="active",
        dialog=body,
    )


def send_message(given: SendMessage, session: Session) -> Sent:
    """Says something in an active dialog."""
    body = session.get("dialog", given.dialog_id)
    if body["status"] != "active":
        raise InvalidTransitionError(
            f"the dialog {given.dialog_id} is `{body['status']}`; nothing can be said in it",
            hint="`dialog/resume-dialog` makes it active again" if body["status"] == "paused" else None,
            details={"kind": "dialog", "id": given.dialog_id, "status": body["status"]},
        )
    started = next(event for event in body["events"] if event["event_type"] == "dialog.started")
    message = _message(session, given, [who["participantId"] for who in started["data"]["participants"]])
    messages = [*body["messages"], message]
    session.put("dialog", change_object(session, body, messages=messages))
    return Sent(dialog_id=given.dialog_id, message=message, message_count=len(messages))


def get_history(given: GetHistory, session: Session) -> History:
    """Gives the newest messages, oldest of them first."""
    body = session.get("dialog", given.dialog_id)
    messages = body["messages"]
    shown = messages if given.limit is None else messages[-given.limit :]
    return History(
        dialog_id=given.dialog_id, status=body["status"], messages=shown, message_count=len(messages)
    )


def _mover(to: Status, verb: str) -> Callable[[MoveDialog, Session], DialogNow]:
    def move(given: MoveDialog, session: Session) -> DialogNow:
        body = session.get("dialog", given.dialog_id)
        check_move("dialog", given.dialog_id, TRANSITIONS, body["status"], to)
        event = make_event(
            session, "dialog", verb, None if given.reason is None else {"reason": given.reason}
        )
        ended = session.now() if to in _ENDS else None
        changed = session.put("dialog", change_object(session, body, event, status=to, ended_at=ended))
        return DialogNow(dialog_id=given.dialog_id, status=to, dialog=changed)

    return move


def _participants(given: list[Assignment | str]) -> list[Assignment]:
    """Everybody with a participant id. OperationError if two have the same."""
    found: dict[str, Assignment] = {}
    for who in given:
        named = Assignment(role=who, participant_id=who) if isinstance(who, str) else who
        name = named.participant_id or named.agent_id or named.role
        if name in found:
            raise OperationError(f"the participant `{name}` is named twice", details={"participantId": name})
        found[name] = replace(named, participant_id=name)
    return list(found.values())


def _context_of(given: FacilitateCommunication, session: Session) -> str:
    if given.context_id is not None:
        return given.context_id
    first = given.participants[0]
    if isinstance(first, Assignment) and first.context_id is not None:
        return first.context_id
    mine = session.find("context", run=session.caller.run)
    if len(mine) == 1:
        found: str = mine[0]["context_id"]
        return found
    said = "has made none" if not mine else f"has made {len(mine)}"
    raise OperationError(f"a dialog needs a context, and this run {said}", hint="give `contextId`")


def _message(session: Session, given: NewMessage, participants: list[str]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": given.role, "content": given.content, "timestamp": session.now()}
    if given.sender_id is None:
        return message
    if given.sender_id not in participants:
        raise OperationError(
            f"`{given.sender_id}` is not a participant of the dialog",
            hint=did_you_mean(given.sender_id, participants) or f"there are: {', '.join(participants)}",
            details={"senderId": given.sender_id, "participants": participants},
        )
    return {**message, "event": make_event(session, "dialog", "message.sent", {"senderId": given.sender_id})}


def _move(name: str, summary: str, to: Status, verb: str) -> Operation:
    return Operation(
        name=name, summary=summary, parameters=MoveDialog, result=DialogNow, handler=_mover(to, verb)
    )


MODULE = make_module(
    "dialog",
    "Conversations",
    Operation(
        name="facilitate-communication",
        summary="Open a dialog between participants",
        parameters=FacilitateCommunication,
        result=NewDialog,
        handler=facilitate_communication,
    ),
    Operation(
        name="send-message",
        summary="Say something in a dialog",
        parameters=SendMessage,
        result=Sent,
        handler=send_message,
    ),
    Operation(
        name="get-history",
        summary="Read what was said",
        parameters=GetHistory,
        result=History,
        handler=get_history,
    ),
    _move("pause-dialog", "Let a dialog rest", "paused", "paused"),
    _move("resume-dialog", "Go on with a paused dialog", "active", "resumed"),
    _move("end-dialog", "End a dialog", "completed", "completed"),
    _move("cancel-dialog", "Break a dialog off", "cancelled", "cancelled"),
    transitions=TRANSITIONS,
)
