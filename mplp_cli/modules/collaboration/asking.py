"""What the agent of a participant is asked for a turn, and how that stands in the events of the collab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from mplp_cli.errors import AgentError
from mplp_cli.modules.collaboration.people import Body
from mplp_cli.modules.contract import Parameters
from mplp_cli.modules.records import make_event
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import Text
from mplp_cli.protocols import Question


class Outcome(Parameters, frozen=True, kw_only=True):
    """What a turn came to, or why it came to nothing."""

    participant_id: Text
    result: Annotated[Any, Meta(description="what the turn came to")] = None
    error: Annotated[dict[str, Any] | None, Meta(description="`code` and `message` of a failure")] = None

    def told(self) -> Any:
        """The result, as an event and the result of the operation have it."""
        return self.result if self.error is None else {"error": self.error}


def failed(participant_id: str, error: AgentError) -> Outcome:
    """The outcome of a turn whose agent has failed."""
    return Outcome(participant_id=participant_id, error={"code": error.code, "message": error.message})


def turn_question(
    key: str,
    agent: str,
    who: str,
    task: str,
    *,
    number: int | None = None,
    history: Sequence[Body] | None = None,
    **more: Any,
) -> Question:
    """The question for one turn. `history`: what earlier turns came to; None where they are of no concern."""
    given: dict[str, Any] = {"you": who, "task": task}
    if number is not None:
        given["turnNumber"] = number
    if history is not None:
        given["history"] = list(history)
    said = f"You are `{who}`, at work together with others. Your task: {task}"
    return Question(key=key, agent=agent, input=given, prompt=said, **more)


def turn_events(
    session: Session,
    role: str,
    number: int,
    people: Sequence[str],
    *,
    task: str | None,
    outcome: Outcome | None,
) -> list[Body]:
    """A turn that is dispatched; with an outcome, one that is completed, too."""
    turn = {"roleId": role, "turnNumber": number}
    dispatched = {**turn, "participantIds": list(people)} | ({} if task is None else {"task": task})
    events = [make_event(session, "collab", "turn.dispatched", dispatched)]
    if outcome is not None:
        told = {**turn, "participantId": outcome.participant_id}
        if outcome.told() is not None:
            told["result"] = outcome.told()
        events.append(make_event(session, "collab", "turn.completed", told))
    return events
