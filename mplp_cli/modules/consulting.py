"""What operations that ask agents share: several questions at once, and what becomes of it when an agent fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from msgspec import Meta

from mplp_cli.errors import AgentError
from mplp_cli.protocols import Advice, Advisers, Question
from mplp_cli.workflow.fold.answers import ASKED

OnFailure = Annotated[
    Literal["fail", "record"],
    Meta(
        description="`fail`: the step fails if an agent does; `record`: what was said is kept, with the failure"
    ),
]
MaxTurns = Annotated[
    Annotated[int, Meta(ge=1, le=1000)] | None, Meta(description="so many turns at most; 10 unless given")
]
ContextWindow = Annotated[
    Annotated[int, Meta(ge=1)] | None,
    Meta(description="so many of the last messages, or turns, an agent gets to see; all unless given"),
]
#: So many turns, where nobody says how many.
TURNS = 10

T = TypeVar("T")


def last(said: Sequence[T], window: int | None) -> list[T]:
    """The last ones, so many as an agent gets to see."""
    return list(said if window is None else said[-window:])


def is_for_people(error: AgentError) -> bool:
    """Whether it is no word of the agent, and so no matter of the operation: a person is asked what becomes of it (by
    an agent, by a budget that pauses), or a replay has no answer."""
    details = error.details or {}
    return error.code in ("agent.input_required", "replay.miss") or (
        error.code == "budget.exceeded" and "more" in details
    )


def unusable(question: Question, advice: Advice, why: str) -> AgentError:
    """The answer fits its schema, and cannot be used all the same. The question may be asked anew."""
    return AgentError(
        "agent.output_invalid",
        f"what agent `{advice.agent}` answered cannot be used: {why}",
        agent=advice.agent,
        retryable=True,
        details={ASKED: question.key},
    )


async def ask_all(advisers: Advisers, questions: Sequence[Question]) -> list[Advice | AgentError]:
    """The answers, or why there is none, in the order of the questions; all are asked at once."""
    from asyncio import TaskGroup

    async def answer(question: Question) -> Advice | AgentError:
        try:
            return await advisers.ask(question)
        except AgentError as error:
            return error

    async with TaskGroup() as tasks:
        asked = [tasks.create_task(answer(question)) for question in questions]
    return [task.result() for task in asked]


def ending(error: AgentError, on_failure: str, turns: int) -> Literal["budget", "error"] | None:
    """Why an exchange ends with what was said when an agent has failed; None if it does not, and the step fails.

    Nothing is kept where nothing was said. What a person is asked about is never passed over.
    """
    if not turns or is_for_people(error):
        return None
    if error.code == "budget.exceeded":
        return "budget"
    return "error" if on_failure == "record" else None
