"""What people have answered to agents that asked: the next attempt of a step goes on with it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from mplp_cli.errors import Failure
from mplp_cli.workflow.fold.history import StepDecided
from mplp_cli.workflow.fold.outcomes import UnknownOutcomeError
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


class Reply(Struct, frozen=True):
    """An answer. `asked` are the details of the question: of the failure that the attempt before ended with."""

    asked: dict[str, Json]
    given: dict[str, Json]


#: What the form of such a question takes.
FORM: dict[str, dict[str, Any]] = {"answer": {"type": "string", "description": "what the agent is told"}}


def wants_input(failure: Failure) -> bool:
    """Whether an attempt ended because an agent wants to know something before it goes on."""
    return failure.details is not None and failure.details.get("code") == "agent.input_required"


def may_go_on(state: RunState, i: int, fact: StepDecided) -> None:
    """A person lets step `i` make another attempt, which does not count; it goes on with what an agent asked for."""
    state.uncounted[i] = state.attempts[i]
    failure = state.errors.get(i)
    if failure is None:
        return
    if wants_input(failure):
        state.replies[i] = Reply(dict(failure.details or {}), fact.inputs)
    else:
        tried(state, i, failure)


def tried(state: RunState, i: int, failure: Failure) -> None:
    """An attempt of step `i` ended so, and another follows: the agent is asked anew, unless the answer that it was
    given may not have reached it."""
    state.errors[i] = failure
    if not failure.retryable and failure.type != UnknownOutcomeError.__name__:
        state.replies.pop(i, None)
