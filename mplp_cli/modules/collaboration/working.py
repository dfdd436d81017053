"""Turns, broadcasts and tasks of a collaboration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from msgspec.structs import replace

from mplp_cli.errors import AgentError, InvalidTransitionError, OperationError
from mplp_cli.modules.collaboration.asking import Outcome, failed, turn_events, turn_question
from mplp_cli.modules.collaboration.people import Body, agents_of, at_work, note, operation, participant
from mplp_cli.modules.collaboration.turns import (
    Turn,
    history_of,
    next_number,
    next_role,
    open_turns,
    turns_of,
)
from mplp_cli.modules.consulting import ContextWindow, OnFailure, ending, last
from mplp_cli.modules.contract import Parameters, Result
from mplp_cli.modules.records import change_object, make_event
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ObjectId, Text
from mplp_cli.protocols import Advisers

TurnNumber = Annotated[int, Meta(ge=1, description="from 1")]


class DispatchTurn(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    role_id: Annotated[
        ObjectId | None, Meta(description="in the mode `round_robin` the next one unless given")
    ] = None
    turn_number: Annotated[TurnNumber | None, Meta(description="the next one unless given")] = None
    task: Annotated[
        Text | None,
        Meta(description="what it is for; an agent that has the role is asked and completes the turn"),
    ] = None
    context_window: ContextWindow = None
    on_failure: OnFailure = "fail"
    outcome: Annotated[Outcome | None, Meta(description="completes the turn at once; nobody is asked")] = None


class CompleteTurn(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    role_id: Annotated[ObjectId | None, Meta(description="may be left out if one turn is open")] = None
    turn_number: Annotated[TurnNumber | None, Meta(description="may be left out if one turn is open")] = None
    result: Annotated[Any, Meta(description="what the turn came to")] = None


class Broadcast(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    message: Text
    sender_id: Annotated[
        Text | None, Meta(description="a participant's `participantId`; the first one's unless given")
    ] = None


class AllocateTask(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    task: Text
    assigned_to: Annotated[Text, Meta(description="a participant's `participantId`")]
    task_id: ObjectId | None = None


class Dispatched(Result, frozen=True, kw_only=True):
    collab_id: ObjectId
    role_id: ObjectId
    turn_number: int
    #: Who has the role.
    participant_ids: list[str]
    status: Literal["dispatched", "completed"]
    result: Any = None


class Receiver(Result, frozen=True, kw_only=True):
    participant_id: str
    role_id: str


class Sent(Result, frozen=True, kw_only=True):
    collab_id: ObjectId
    broadcast_id: ObjectId
    message: str
    sender_id: str
    receivers: list[Receiver]


class Task(Result, frozen=True, kw_only=True):
    collab_id: ObjectId
    task_id: ObjectId
    task: str
    assigned_to: str
    role_id: str


def dispatch_turn(given: DispatchTurn, session: Session) -> Dispatched:
    """Says whose turn it is. In the mode `round_robin` one turn follows the other."""
    body = at_work(session, given.collab_id)
    turns = turns_of(body)
    role = given.role_id
    if body["mode"] == "round_robin":
        role = _in_turn(body, turns, role)
    elif role is None:
        raise OperationError(
            f"a turn in the mode `{body['mode']}` needs a role",
            hint="give `roleId`; only `round_robin` knows who is next",
        )
    number = given.turn_number or next_number(turns)
    people = _people(body, role)
    if any((turn.role_id, turn.number) == (role, number) for turn in turns):
        raise OperationError(
            f"turn {number} of the role {role} has been dispatched already",
            hint="leave `turnNumber` out and it is the next one",
            details={"roleId": role, "turnNumber": number},
        )
    events = turn_events(session, role, number, people, task=given.task, outcome=given.outcome)
    session.put("collab", change_object(session, body, events=[*body["events"], *events]))
    return Dispatched(
        collab_id=given.collab_id,
        role_id=role,
        turn_number=number,
        participant_ids=people,
        status="dispatched" if given.outcome is None else "completed",
        result=None if given.outcome is None else given.outcome.told(),
    )


async def take_turn(given: DispatchTurn, session: Session, advisers: Advisers) -> DispatchTurn:
    """Ask an agent that has the role for what the turn comes to. Where none has it, a person completes the turn."""
    if given.task is None or given.outcome is not None:
        return given
    body = session.get("collab", given.collab_id)
    turn = dispatch_turn(given, session)
    agents = agents_of(body)
    name = next((name for name in turn.participant_ids if name in agents), None)
    if name is None:
        return given
    asked = replace(given, role_id=turn.role_id)
    window = last(history_of(body), given.context_window)
    question = turn_question("turn", agents[name], name, given.task, number=turn.turn_number, history=window)
    try:
        advice = await advisers.ask(question)
    except AgentError as error:
        if ending(error, given.on_failure, 1) != "error":
            raise
        return replace(asked, outcome=failed(name, error))
    return replace(asked, outcome=Outcome(participant_id=name, result=advice.output))


def complete_turn(given: CompleteTurn, session: Session) -> Dispatched:
    """Notes what a turn came to. A turn is completed once, also while the collab is suspended."""
    body = at_work(session, given.collab_id, resting=True)
    turn = _open_turn(body, given.role_id, given.turn_number)
    data = {"roleId": turn.role_id, "turnNumber": turn.number, "result": given.result}
    note(session, body, "turn.completed", data)
    return Dispatched(
        collab_id=given.collab_id,
        role_id=turn.role_id,
        turn_number=turn.number,
        participant_ids=[
            who["participant_id"] for who in body["participants"] if who["role_id"] == turn.role_id
        ],
        status="completed",
        result=given.result,
    )


def broadcast(given: Broadcast, session: Session) -> Sent:
    """Says something to everybody else. OperationError if there is nobody else."""
    body = at_work(session, given.collab_id)
    sender = participant(body, given.sender_id or body["participants"][0]["participant_id"])
    others = [who for who in body["participants"] if who["participant_id"] != sender["participant_id"]]
    if not others:
        raise OperationError(
            "there is nobody to hear a broadcast",
            hint="`collab/join-collab` takes somebody in",
            details={"collabId": given.collab_id},
        )
    identifier = session.uuid()
    sent = {
        "broadcastId": identifier,
        "broadcasterRoleId": sender["role_id"],
        "participantId": sender["participant_id"],
        "targetCount": len(others),
        "message": given.message,
    }
    events = [make_event(session, "collab", "broadcast.sent", sent)]
    for who in others:
        heard = {
            "broadcastId": identifier,
            "receiverRoleId": who["role_id"],
            "participantId": who["participant_id"],
        }
        events.append(make_event(session, "collab", "broadcast.received", heard))
    session.put("collab", change_object(session, body, events=[*body["events"], *events]))
    return Sent(
        collab_id=given.collab_id,
        broadcast_id=identifier,
        message=given.message,
        sender_id=sender["participant_id"],
        receivers=[Receiver(participant_id=w["participant_id"], role_id=w["role_id"]) for w in others],
    )


def allocate_task(given: AllocateTask, session: Session) -> Task:
    """Gives a task to a participant."""
    body = at_work(session, given.collab_id)
    who = participant(body, given.assigned_to)
    identifier = given.task_id or session.uuid()
    if any(
        event["event_type"] == "collab.task.allocated" and event["data"]["taskId"] == identifier
        for event in body["events"]
    ):
        raise OperationError(
            f"the collab {given.collab_id} has a task {identifier} already", details={"taskId": identifier}
        )
    data = {
        "taskId": identifier,
        "task": given.task,
        "assignedTo": given.assigned_to,
        "roleId": who["role_id"],
    }
    note(session, body, "task.allocated", data)
    return Task(
        collab_id=given.collab_id,
        task_id=identifier,
        task=given.task,
        assigned_to=given.assigned_to,
        role_id=who["role_id"],
    )


def _in_turn(body: Body, turns: list[Turn], named: str | None) -> str:
    """The role that is next. OperationError if a turn is open, or another role is named."""
    for turn in turns:
        if not turn.completed:
            raise OperationError(
                f"turn {turn.number} of the role {turn.role_id} is not completed yet",
                hint="in the mode `round_robin` one turn follows the other",
                details={"roleId": turn.role_id, "turnNumber": turn.number},
            )
    role = next_role((who["role_id"] for who in body["participants"]), turns)
    if named not in {None, role}:
        _people(body, str(named))
        raise OperationError(
            f"it is not the turn of the role {named}",
            hint=f"{role} is next: leave `roleId` out",
            details={"roleId": named, "next": role},
        )
    return role


def _people(body: Body, role: str) -> list[str]:
    """The participants that have a role. OperationError if nobody has."""
    people = [str(who["participant_id"]) for who in body["participants"] if who["role_id"] == role]
    if people:
        return people
    known = ", ".join(f"{who['role_id']} ({who['participant_id']})" for who in body["participants"])
    raise OperationError(
        f"no participant of the collab {body['collab_id']} has the role {role}",
        hint=f"they have: {known}",
        details={"roleId": role},
    )


def _open_turn(body: Body, role: str | None, number: int | None) -> Turn:
    """The one open turn that is meant. OperationError if there is none, or more than one."""

    def meant(turn: Turn) -> bool:
        return role in {None, turn.role_id} and number in {None, turn.number}

    found = [turn for turn in open_turns(body) if meant(turn)]
    if len(found) == 1:
        return found[0]
    if found:
        turns = ", ".join(f"{turn.number} of {turn.role_id}" for turn in found)
        raise OperationError(f"{len(found)} turns are open: {turns}", hint="give `roleId` and `turnNumber`")
    done = [turn for turn in turns_of(body) if meant(turn)]
    if done and not (role is None and number is None):
        raise InvalidTransitionError(
            f"turn {done[-1].number} of the role {done[-1].role_id} has been completed already",
            details={"roleId": done[-1].role_id, "turnNumber": done[-1].number},
        )
    raise OperationError("no such turn is open", hint="`collab/dispatch-turn` dispatches one")


_DISPATCH = operation(
    "dispatch-turn", "Say whose turn it is, and let an agent take it", DispatchTurn, Dispatched, dispatch_turn
)

OPERATIONS = (
    replace(_DISPATCH, consult=take_turn, asks=("task",)),
    operation("complete-turn", "Note what a turn came to", CompleteTurn, Dispatched, complete_turn),
    operation("broadcast", "Say something to everybody else", Broadcast, Sent, broadcast),
    operation("allocate-task", "Give a task to a participant", AllocateTask, Task, allocate_task),
)
