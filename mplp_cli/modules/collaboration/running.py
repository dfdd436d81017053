"""`collab/run-collab`: the agents of a collab at work, turn by turn, as its mode has it."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from msgspec.structs import replace

from mplp_cli.errors import AgentError, InvalidTransitionError, OperationError
from mplp_cli.modules.collaboration.asking import turn_events
from mplp_cli.modules.collaboration.modes import MODES, Course, Ended, StopReason, Taken, Work
from mplp_cli.modules.collaboration.people import Body, agents_of, at_work, operation, participant
from mplp_cli.modules.collaboration.turns import next_number, open_turns, turns_of
from mplp_cli.modules.consulting import ContextWindow, MaxTurns, OnFailure, ending
from mplp_cli.modules.contract import Parameters, Result
from mplp_cli.modules.records import change_object, make_event
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import CollabBody, ObjectId, Text
from mplp_cli.protocols import Advisers


class RunCollab(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    task: Annotated[
        Text | None, Meta(description="what the turns are for; the purpose of the collab unless given")
    ] = None
    tasks: Annotated[
        Annotated[list[Work | Text], Meta(min_length=1)] | None,
        Meta(description="in the mode `swarm`: what there is to do, a turn for each"),
    ] = None
    max_turns: MaxTurns = None
    context_window: ContextWindow = None
    orchestrator: Annotated[
        Text | None, Meta(description="a `participantId`; who has the role `orchestrator` unless given")
    ] = None
    on_failure: OnFailure = "fail"
    turns: Annotated[
        list[Taken] | None, Meta(description="turns that were taken elsewhere; nobody is asked then")
    ] = None
    ended: Annotated[Ended | None, Meta(description="how the work has ended, of `turns` that are given")] = (
        None
    )


class TurnTaken(Result, frozen=True, kw_only=True):
    turn_number: int
    role_id: str
    participant_id: str
    task: str | None
    result: Any
    error: dict[str, Any] | None


class Worked(Result, frozen=True, kw_only=True):
    """`result`: that of the orchestrator, else of the last turn."""

    collab_id: ObjectId
    turns: list[TurnTaken]
    stop_reason: StopReason | None
    reason: str | None
    result: Any
    collab: CollabBody


def run_collab(given: RunCollab, session: Session) -> Worked:
    """Notes the turns that were taken. A draft is started."""
    if given.turns is None:
        raise OperationError("agents cannot be asked here", hint="call `collab/run-collab` itself")
    body, events = _ready(session, given.collab_id)
    taken = []
    for number, turn in enumerate(given.turns, start=next_number(turns_of(body))):
        role = participant(body, turn.participant_id)["role_id"]
        events += turn_events(session, role, number, [turn.participant_id], task=turn.task, outcome=turn)
        taken.append(
            TurnTaken(
                turn_number=number,
                role_id=role,
                participant_id=turn.participant_id,
                task=turn.task,
                result=turn.result,
                error=turn.error,
            )
        )
    ended = given.ended or Ended()
    told = {"turns": len(taken), "stopReason": ended.stop_reason, "reason": ended.reason}
    data = {key: value for key, value in told.items() if value is not None}
    events.append(make_event(session, "collab", "run.ended", data))
    changed = change_object(session, body, status="active", events=[*body["events"], *events])
    last = taken[-1].result if taken else None
    return Worked(
        collab_id=given.collab_id,
        turns=taken,
        stop_reason=ended.stop_reason,
        reason=ended.reason,
        result=last if ended.result is None else ended.result,
        collab=session.put("collab", changed),
    )


async def work_together(given: RunCollab, session: Session, advisers: Advisers) -> RunCollab:
    """Let the agents work; what comes of it are the turns."""
    if given.turns is not None:
        return given
    body, _ = _ready(session, given.collab_id)
    # Whatever would be refused afterwards is refused before anybody is asked.
    run_collab(replace(given, turns=[]), session)
    course = Course(given, body, agents_of(body), _role_names(session, body), advisers)
    try:
        await MODES[body["mode"]](course)
    except AgentError as error:
        stopped = ending(error, given.on_failure, len(course.turns))
        if stopped is None:
            raise
        course.end(stopped, reason=error.message)
    return replace(given, turns=course.turns, ended=course.ended or Ended(stop_reason="max_turns"))


def _ready(session: Session, identifier: str) -> tuple[Body, list[Body]]:
    """A collab that may go to work, and the event that it has begun to if it was a draft."""
    body = session.get("collab", identifier)
    if body["status"] == "draft":
        return body, [make_event(session, "collab", "started")]
    at_work(session, identifier)
    for turn in open_turns(body):
        raise InvalidTransitionError(
            f"turn {turn.number} of the role {turn.role_id} is not completed yet",
            hint="`collab/complete-turn` completes it",
            details={"roleId": turn.role_id, "turnNumber": turn.number},
        )
    return body, []


def _role_names(session: Session, body: Body) -> dict[str, str]:
    """The names of the roles of those who take part, by role; an unknown one has none."""
    known = {who["role_id"]: session.peek("role", who["role_id"]) for who in body["participants"]}
    return {identifier: role["name"] for identifier, role in known.items() if role is not None}


OPERATIONS = (
    replace(
        operation("run-collab", "Let the agents work, as the mode has it", RunCollab, Worked, run_collab),
        consult=work_together,
    ),
)
