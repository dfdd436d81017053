"""Module `dialog`: conversations in a context.

The protocol's dialog object has no list of participants: it stands in the event `dialog.started`, with the topic and
the type. In a dialog without such a list anybody may speak.
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
    page_of,
)
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import (
    Assignment,
    DialogBody,
    Listed,
    NewObject,
    ObjectId,
    PageNumber,
    PageSize,
    Text,
)
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


class CreateDialog(NewObject, frozen=True, kw_only=True):
    context_id: Annotated[
        ObjectId | None, Meta(description="the first participant's, else the run's only one, unless given")
    ] = None
    type: Annotated[Text | None, Meta(description="kind of conversation")] = None
    topic: Text | None = None
    participants: Participants | None = None
    initial_message: Annotated[Text | None, Meta(description="said before `messages`")] = None
    messages: list[NewMessage] = field(default_factory=list)
    status: Status = "active"
    dialog_id: ObjectId | None = None
    thread_id: ObjectId | None = None
    started_at: Text | None = None
    ended_at: Text | None = None


class FacilitateCommunication(NewObject, frozen=True, kw_only=True):
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


class GetDialog(Parameters, frozen=True, kw_only=True):
    dialog_id: ObjectId


class ListDialogs(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId | None = None
    thread_id: ObjectId | None = None
    status: Status | None = None
    page: PageNumber = 1
    limit: PageSize = 100


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
    dialog: DialogBody


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
    dialog: DialogBody


class Dialogs(Listed, frozen=True, kw_only=True):
    dialogs: list[DialogBody]


def create_dialog(given: CreateDialog, session: Session) -> DialogNow:
    """Makes a dialog of what is given, and of nothing else."""
    context_id = _context_of(given.context_id, given.participants or [], session)
    open_context(session, context_id)
    participants = _participants(given.participants or [])
    names = [str(participant.participant_id) for participant in participants]
    first = [] if given.initial_message is None else [NewMessage(content=given.initial_message)]
    said = {"participants": to_builtins(participants) or None, "topic": given.topic, "type": given.type}
    data = {key: value for key, value in said.items() if value is not None}
    body = make_object(
        session,
        "dialog",
        session.new_id("dialog", given.dialog_id),
        [make_event(session, "dialog", "started", data or None)],
        given=given,
        context_id=context_id,
        thread_id=given.thread_id,
        status=given.status,
        messages=[_message(session, message, names) for message in [*first, *given.messages]],
        started_at=given.started_at,
        ended_at=given.ended_at,
    )
    return _now(session.put("dialog", body))


def facilitate_communication(given: FacilitateCommunication, session: Session) -> NewDialog:
    """Opens a dialog; its first message names the participants and the topic."""
    context_id = _context_of(given.context_id, given.participants, session)
    open_context(session, context_id)
    participants = _participants(given.participants)
    names = [str(participant.participant_id) for participant in participants]
    welcome = f"Participants: {', '.join(names)}."
    if given.topic is not None:
        welcome += f" Topic: {given.topic}"
    messages = [_message(session, NewMessage(content=welcome, role="system"), names)]
    messages += [_message(session, message, names) for message in given.messages]
    data = {"participants": to_builtins(participants)}
    if given.topic is not None:
        data["topic"] = given.topic
    identifier = session.new_id("dialog", given.dialog_id)
    thread_id = given.thread_id or session.uuid()
    body = make_object(
        session,
        "dialog",
        identifier,
        [make_event(session, "dialog", "started", data)],
        given=given,
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
    message = _message(session, given, _names(body))
    messages = [*body["messages"], message]
    session.put("dialog", change_object(session, body, messages=messages))
    return Sent(dialog_id=given.dialog_id, message=message, message_count=len(messages))


def get_dialog(given: GetDialog, session: Session) -> DialogNow:
    """Gives the dialog."""
    return _now(session.get("dialog", given.dialog_id))


def list_dialogs(given: ListDialogs, session: Session) -> Dialogs:
    """Gives a page of dialogs, oldest first."""
    found = session.find("dialog", context=given.context_id, thread_id=given.thread_id, status=given.status)
    page = page_of(found, given.page, given.limit)
    return Dialogs(dialogs=page.items, **page.position)


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
        return _now(session.put("dialog", change_object(session, body, event, status=to, ended_at=ended)))

    return move


def _participants(given: list[Assignment | str]) -> list[Assignment]:
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


def _names(body: dict[str, Any]) -> list[str]:
    """The ids of the participants; none if the dialog does not say who they are."""
    started = [event for event in body["events"] if event["event_type"] == "dialog.started"]
    data = (started[0].get("data") if started else None) or {}
    return [who["participantId"] for who in data.get("participants", ())]


def _context_of(given: str | None, participants: list[Assignment | str], session: Session) -> str:
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


def _message(session: Session, given: NewMessage, participants: list[str]) -> dict[str, Any]:
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


def _now(body: dict[str, Any]) -> DialogNow:
    return DialogNow(dialog_id=body["dialog_id"], status=body["status"], dialog=body)


def _move(name: str, summary: str, to: Status, verb: str) -> Operation:
    return Operation(
        name=name, summary=summary, parameters=MoveDialog, result=DialogNow, handler=_mover(to, verb)
    )


_HISTORY = Operation(
    name="get-history",
    summary="Read what was said",
    parameters=GetHistory,
    result=History,
    handler=get_history,
)

MODULE = make_module(
    "dialog",
    "Conversations",
    Operation(
        name="create-dialog",
        summary="Make a dialog of what is given, without a welcome",
        parameters=CreateDialog,
        result=DialogNow,
        handler=create_dialog,
    ),
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
        name="get-dialog",
        summary="Read a dialog",
        parameters=GetDialog,
        result=DialogNow,
        handler=get_dialog,
    ),
    Operation(
        name="list-dialogs",
        summary="List dialogs, oldest first",
        parameters=ListDialogs,
        result=Dialogs,
        handler=list_dialogs,
    ),
    _HISTORY,
    replace(_HISTORY, name="get-messages", summary="The same as get-history"),
    _move("pause-dialog", "Let a dialog rest", "paused", "paused"),
    _move("resume-dialog", "Go on with a paused dialog", "active", "resumed"),
    _move("end-dialog", "End a dialog", "completed", "completed"),
    _move("cancel-dialog", "Break a dialog off", "cancelled", "cancelled"),
    needs=("context",),
)
