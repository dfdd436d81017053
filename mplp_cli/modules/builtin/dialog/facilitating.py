"""Bringing participants together, and letting the agents among them talk."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, field, to_builtins

from mplp_cli.errors import OperationError
from mplp_cli.modules.builtin.dialog.model import (
    NewMessage,
    Status,
    context_of,
    message_body,
    participants_of,
)
from mplp_cli.modules.builtin.dialog.talking import Mode, StopReason, Talk, hold
from mplp_cli.modules.consulting import ContextWindow, MaxTurns, OnFailure
from mplp_cli.modules.contract import Operation, Result
from mplp_cli.modules.records import make_event, make_object, open_context
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import Assignment, DialogBody, NewObject, ObjectId, Text


class FacilitateCommunication(NewObject, frozen=True, kw_only=True):
    participants: Annotated[
        list[Assignment | Text],
        Meta(min_length=1, description="assignments or names; those with an `agentId` speak for themselves"),
    ]
    context_id: Annotated[
        ObjectId | None, Meta(description="the first participant's, else the run's only one, unless given")
    ] = None
    topic: Text | None = None
    messages: list[NewMessage] = field(default_factory=list)
    mode: Annotated[
        Mode | None, Meta(description="who speaks when, if agents speak; `round-robin` unless given")
    ] = None
    max_turns: MaxTurns = None
    until: Annotated[Text | None, Meta(description="the talk ends with a message that contains this")] = None
    context_window: ContextWindow = None
    moderator: Annotated[
        Text | None,
        Meta(description="the agent that moderates; any that offers `dialog.moderate` unless given"),
    ] = None
    on_failure: OnFailure = "fail"
    talk: Annotated[
        Talk | None, Meta(description="how a talk has ended whose messages are given; nobody is asked then")
    ] = None
    dialog_id: ObjectId | None = None
    thread_id: ObjectId | None = None


class NewDialog(Result, frozen=True, kw_only=True):
    """`turns`, `stopReason` and `reason` are about the talk of the agents, if they have talked."""

    dialog_id: ObjectId
    thread_id: ObjectId
    context_id: ObjectId
    participants: list[Assignment]
    status: Status
    turns: int
    stop_reason: StopReason | None
    reason: str | None
    dialog: DialogBody


def facilitate_communication(given: FacilitateCommunication, session: Session) -> NewDialog:
    """Opens a dialog; its first message names the participants and the topic."""
    talk = given.talk
    if talk is None and any((given.mode, given.max_turns, given.until, given.moderator)):
        raise OperationError(
            "agents cannot be asked here", hint="call `dialog/facilitate-communication` itself"
        )
    context_id = context_of(given.context_id, given.participants, session)
    open_context(session, context_id)
    participants = participants_of(given.participants)
    began = (talk.started_at if talk else None) or session.now()
    data: dict[str, Any] = {"participants": to_builtins(participants)}
    if given.topic is not None:
        data["topic"] = given.topic
    events = [make_event(session, "dialog", "started", data)]
    if talk is not None:
        said = {"turns": talk.turns, "stopReason": talk.stop_reason, "reason": talk.reason}
        ended = {key: value for key, value in said.items() if value is not None}
        events.append(make_event(session, "dialog", "talk.ended", ended))
    identifier = session.new_id("dialog", given.dialog_id)
    thread_id = given.thread_id or session.uuid()
    body = make_object(
        session,
        "dialog",
        identifier,
        events,
        given=given,
        context_id=context_id,
        thread_id=thread_id,
        status="active",
        messages=_messages(given, participants, began, session),
        started_at=began,
    )
    session.put("dialog", body)
    return NewDialog(
        dialog_id=identifier,
        thread_id=thread_id,
        context_id=context_id,
        participants=participants,
        status="active",
        turns=talk.turns if talk else 0,
        stop_reason=talk.stop_reason if talk else None,
        reason=talk.reason if talk else None,
        dialog=body,
    )


def _messages(
    given: FacilitateCommunication, participants: list[Assignment], began: str, session: Session
) -> list[dict[str, Any]]:
    names = [str(participant.participant_id) for participant in participants]
    welcome = f"Participants: {', '.join(names)}."
    if given.topic is not None:
        welcome += f" Topic: {given.topic}"
    first = NewMessage(content=welcome, role="system", timestamp=began)
    return [message_body(session, message, names) for message in (first, *given.messages)]


FACILITATE = Operation(
    name="facilitate-communication",
    summary="Open a dialog between participants, and let agents talk",
    parameters=FacilitateCommunication,
    result=NewDialog,
    handler=facilitate_communication,
    consult=hold,
    asks=("mode", "maxTurns", "until", "moderator"),
)
