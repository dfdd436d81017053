"""Dialogs that are made, read, said something in and moved from status to status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta, field, to_builtins
from msgspec.structs import replace

from mplp_cli.errors import InvalidTransitionError
from mplp_cli.modules.builtin.dialog.model import (
    TRANSITIONS,
    NewMessage,
    Participants,
    Status,
    context_of,
    message_body,
    participants_of,
)
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.records import change_object, check_move, make_event, make_object, open_context, page_of
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import DialogBody, Listed, NewObject, ObjectId, PageNumber, PageSize, Text

_ENDS = {"completed", "cancelled"}


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
    context_id = context_of(given.context_id, given.participants or [], session)
    open_context(session, context_id)
    participants = participants_of(given.participants or [])
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
        messages=[message_body(session, message, names) for message in [*first, *given.messages]],
        started_at=given.started_at,
        ended_at=given.ended_at,
    )
    return _now(session.put("dialog", body))


def send_message(given: SendMessage, session: Session) -> Sent:
    """Says something in an active dialog."""
    body = session.get("dialog", given.dialog_id)
    if body["status"] != "active":
        raise InvalidTransitionError(
            f"the dialog {given.dialog_id} is `{body['status']}`; nothing can be said in it",
            hint="`dialog/resume-dialog` makes it active again" if body["status"] == "paused" else None,
            details={"kind": "dialog", "id": given.dialog_id, "status": body["status"]},
        )
    message = message_body(session, given, _names(body))
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


def _names(body: dict[str, Any]) -> list[str]:
    """The ids of the participants; none if the dialog does not say who they are."""
    started = [event for event in body["events"] if event["event_type"] == "dialog.started"]
    data = (started[0].get("data") if started else None) or {}
    return [who["participantId"] for who in data.get("participants", ())]


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

CREATE = Operation(
    name="create-dialog",
    summary="Make a dialog of what is given, without a welcome",
    parameters=CreateDialog,
    result=DialogNow,
    handler=create_dialog,
)
OPERATIONS = (
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
)
