"""What an operation says of an answer that it cannot use, and of questions without one."""

from __future__ import annotations

from mplp_cli.errors import AgentError
from mplp_cli.protocols import Advice, Question
from mplp_cli.workflow.fold.answers import ASKED


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
