"""Module `collab`: several participants at work together.

The protocol's collab object holds who takes part. What they do stands in its `events`: turns, broadcasts, tasks,
decisions with their votes, and conflicts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from mplp_cli.errors import InvalidTransitionError, OperationError
from mplp_cli.modules.collaboration import running, settling, working
from mplp_cli.modules.collaboration.people import (
    Body,
    Participant,
    check_participants,
    note,
    operation,
    participant,
    participant_body,
    participant_data,
)
from mplp_cli.modules.collaboration.turns import open_turns
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.records import Transitions, check_move, make_event, make_object, open_context, page_of
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import CollabBody, Listed, NewObject, ObjectId, PageNumber, PageSize, Text

Status = Literal["draft", "active", "suspended", "completed", "cancelled"]
Mode = Literal["broadcast", "round_robin", "orchestrated", "swarm", "pair"]

TRANSITIONS: Transitions = {
    "draft": ("active", "cancelled"),
    "active": ("suspended", "completed", "cancelled"),
    "suspended": ("active", "completed", "cancelled"),
    "completed": (),
    "cancelled": (),
}
#: What has happened to a collab that is made in a status.
_BEFORE: dict[str, tuple[str, ...]] = {
    "draft": (),
    "active": ("started",),
    "suspended": ("started", "suspended"),
    "completed": ("started", "completed"),
    "cancelled": ("cancelled",),
}


class CreateCollab(NewObject, frozen=True, kw_only=True):
    context_id: ObjectId
    title: Text | None = None
    name: Annotated[Text | None, Meta(description="another word for `title`")] = None
    purpose: Annotated[
        Text | None, Meta(description="the workflow's description, else the title, unless given")
    ] = None
    mode: Mode
    participants: Annotated[
        list[Participant | Text],
        Meta(min_length=1, description="assignments, participants, or names of roles of the context"),
    ]
    status: Status = "draft"
    created_at: Annotated[Text | None, Meta(description="now unless given")] = None
    updated_at: Text | None = None
    collab_id: ObjectId | None = None


class OneCollab(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId


class MoveCollab(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    reason: str | None = None


class JoinCollab(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    participant: Annotated[
        Participant | Text, Meta(description="an assignment, a participant, or the name of a role")
    ]


class LeaveCollab(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    participant_id: Text
    reason: str | None = None


class ListCollabs(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId | None = None
    status: Status | None = None
    mode: Mode | None = None
    page: PageNumber = 1
    limit: PageSize = 100


class CollabNow(Result, frozen=True, kw_only=True):
    collab_id: ObjectId
    context_id: ObjectId
    status: Status
    collab: CollabBody


class Collabs(Listed, frozen=True, kw_only=True):
    collabs: list[CollabBody]


def create_collab(given: CreateCollab, session: Session) -> CollabNow:
    """Everybody who takes part has a role."""
    open_context(session, given.context_id)
    title = given.title or given.name
    if title is None:
        raise OperationError("a collab needs a title", hint="give `title`")
    participants = [participant_body(session, given.context_id, who) for who in given.participants]
    check_participants(participants)
    told = [participant_data(who, named) for who, named in zip(participants, given.participants, strict=True)]
    body = make_object(
        session,
        "collab",
        session.new_id("collab", given.collab_id),
        [
            make_event(session, "collab", "created"),
            make_event(session, "collab", "roles.assigned", {"participants": told}),
            *(make_event(session, "collab", verb) for verb in _BEFORE[given.status]),
        ],
        given=given,
        context_id=given.context_id,
        title=title,
        purpose=given.purpose or session.caller.description.strip() or title,
        mode=given.mode,
        status=given.status,
        participants=participants,
        created_at=given.created_at or session.now(),
        updated_at=given.updated_at,
    )
    return _now(session.put("collab", body))


def join_collab(given: JoinCollab, session: Session) -> CollabNow:
    """Takes somebody in."""
    body = _unfinished(session, given.collab_id)
    who = participant_body(session, body["context_id"], given.participant)
    participants = [*body["participants"], who]
    check_participants(participants)
    data = {"participant": participant_data(who, given.participant)}
    return _now(note(session, body, "participant.joined", data, participants=participants))


def leave_collab(given: LeaveCollab, session: Session) -> CollabNow:
    """Somebody takes no part any more. The last one stays, and so does who has a turn that is open."""
    body = _unfinished(session, given.collab_id)
    who = participant(body, given.participant_id)
    others = [other for other in body["participants"] if other != who]
    if not others:
        raise OperationError(
            f"`{given.participant_id}` is the last participant of the collab {given.collab_id}",
            hint="`collab/end-collab` or `collab/cancel-collab` ends it",
        )
    if who["role_id"] not in {other["role_id"] for other in others}:
        _check_done(body, who["role_id"])
    data = {"participantId": given.participant_id, "roleId": who["role_id"], "reason": given.reason}
    return _now(note(session, body, "participant.left", data, participants=others))


def get_collab(given: OneCollab, session: Session) -> CollabNow:
    """Gives the collab."""
    return _now(session.get("collab", given.collab_id))


def list_collabs(given: ListCollabs, session: Session) -> Collabs:
    """Gives a page of collabs, oldest first."""
    found = session.find("collab", context=given.context_id, status=given.status, mode=given.mode)
    page = page_of(found, given.page, given.limit)
    return Collabs(collabs=page.items, **page.position)


def _mover(
    to: Status, verb: str, only_from: Status | None = None
) -> Callable[[MoveCollab, Session], CollabNow]:
    table = {
        status: tuple(other for other in after if other != to or only_from in {None, status})
        for status, after in TRANSITIONS.items()
    }

    def move(given: MoveCollab, session: Session) -> CollabNow:
        body = session.get("collab", given.collab_id)
        check_move("collab", given.collab_id, table, body["status"], to)
        if to == "completed":
            _check_done(body)
        data = None if given.reason is None else {"reason": given.reason}
        return _now(note(session, body, verb, data, status=to))

    return move


def _unfinished(session: Session, identifier: str) -> Body:
    body = session.get("collab", identifier)
    if TRANSITIONS[body["status"]]:
        return body
    raise InvalidTransitionError(
        f"the collab {identifier} is `{body['status']}`; nobody joins or leaves it",
        details={"kind": "collab", "id": identifier, "status": body["status"]},
    )


def _check_done(body: Body, role: str | None = None) -> None:
    """OperationError if a turn (of that role) is open."""
    for turn in open_turns(body):
        if role in {None, turn.role_id}:
            raise OperationError(
                f"turn {turn.number} of the role {turn.role_id} is not completed yet",
                hint="`collab/complete-turn` completes it",
                details={"roleId": turn.role_id, "turnNumber": turn.number},
            )


def _now(body: Body) -> CollabNow:
    return CollabNow(
        collab_id=body["collab_id"], context_id=body["context_id"], status=body["status"], collab=body
    )


def _move(name: str, summary: str, handler: Callable[[MoveCollab, Session], CollabNow]) -> Operation:
    return operation(name, summary, MoveCollab, CollabNow, handler)


_CREATE = operation("create-collab", "Bring participants together", CreateCollab, CollabNow, create_collab)
_JOIN = operation("join-collab", "Take somebody in", JoinCollab, CollabNow, join_collab)
_LEAVE = operation("leave-collab", "Let somebody go", LeaveCollab, CollabNow, leave_collab)

MODULE = make_module(
    "collab",
    "Participants at work together",
    replace(_CREATE, any_of=(("title", "name"),)),
    operation("get-collab", "Read a collab", OneCollab, CollabNow, get_collab),
    operation("list-collabs", "List collabs, oldest first", ListCollabs, Collabs, list_collabs),
    _JOIN,
    replace(_JOIN, name="add-participant", summary="The same as join-collab"),
    _LEAVE,
    replace(_LEAVE, name="remove-participant", summary="The same as leave-collab"),
    _move("start-collab", "Begin to work", _mover("active", "started", only_from="draft")),
    _move("suspend-collab", "Let the work rest", _mover("suspended", "suspended")),
    _move("resume-collab", "Go on with it", _mover("active", "resumed", only_from="suspended")),
    _move("end-collab", "End it; every turn is completed", _mover("completed", "completed")),
    _move("cancel-collab", "Break it off", _mover("cancelled", "cancelled")),
    *working.OPERATIONS,
    *running.OPERATIONS,
    *settling.OPERATIONS,
    needs=("context",),
    transitions=TRANSITIONS,
)
