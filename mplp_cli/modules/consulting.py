"""What an operation says of an answer that it cannot use."""

from __future__ import annotations

from mplp_cli.errors import AgentError
from mplp_cli.protocols import Advice, Question


def unusable(question: Question, advice: Advice, why: str) -> AgentError:
    """The answer fits its schema, and cannot be used all the same. The question may be asked anew."""
    return AgentError(
        "agent.output_invalid",
        f"what agent `{advice.agent}` answered cannot be used: {why}",
        agent=advice.agent,
        retryable=True,
        details={"question": question.key},
    )
