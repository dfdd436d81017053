"""How a step of type `agent` asks, and a module operation that is called without a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mplp_cli.agents.boundary import Agents
from mplp_cli.agents.contract import AgentRequest, AgentResult, Resumed
from mplp_cli.protocols import Advice, Answered, Attempt, Candidate, Question

#: How an answer ends of which there is nothing to say.
_ORDINARY = ("", "stop")


async def ask_for_step(attempt: Attempt, tell: Callable[[str], None], *, agents: Agents) -> Answered:
    """Ask what the step's body says (`{agent | capability, input?, prompt?, schema?}`). AgentError."""
    body, reply = attempt.body, attempt.reply
    said = False

    def hear(text: str) -> None:
        nonlocal said
        said = True
        tell(text)

    asker = "" if reply is None else str(reply.asked.get("agent", ""))
    result = await agents.ask(
        AgentRequest(
            run=attempt.run,
            step=attempt.step,
            agent=asker or body.get("agent") or "",
            capability=" ".join(body.get("capability") or ()),
            input=body.get("input"),
            prompt=body.get("prompt"),
            schema=body.get("schema"),
            timeout=attempt.timeout / 1000,
            watched=True,
            attempt=attempt.number,
            within=attempt,
            idempotency_key=attempt.idempotency_key,
            resumed=None if reply is None else Resumed(asked=reply.asked, answer=reply.given.get("answer")),
        ),
        hear,
    )
    # A log that would hold nothing but names, which the history has, is a file too many.
    known = said or result.usage is not None or result.finish not in _ORDINARY
    return Answered(result.output, remark(result) if known else "", result.agent)


def remark(result: AgentResult) -> str:
    """Who answered, with which model, and what it has used."""
    said = f"agent {result.agent} answered"
    if result.model:
        said += f" with {result.model}"
    if result.usage is not None:
        used = result.usage
        said += f", {used.input_tokens:,} tokens in, {used.output_tokens:,} out"
        if cached := used.cache_read + used.cache_write:
            said += f", {cached:,} of a cache"
    if result.finish not in _ORDINARY:
        said += f" (it ended with: {result.finish})"
    return said


class Advisory:
    """The `Advisers` of an operation that is called without a run: nobody keeps what was said."""

    def __init__(self, agents: Agents, run: str, candidates: Callable[[], Sequence[Candidate]]) -> None:
        self._agents, self._run = agents, run
        self.candidates = candidates

    def has_asked(self, key: str) -> bool:  # noqa: ARG002 - nothing is kept
        """Never."""
        return False

    async def ask(self, question: Question) -> Advice:
        """The answer of an agent. AgentError."""
        request = AgentRequest(
            run=self._run,
            step="call",
            agent=question.agent,
            capability=question.capability,
            input=question.input,
            prompt=question.prompt,
            schema=question.schema,
            idempotency_key=f"{self._run}.{question.key}",
        )
        result = await self._agents.ask(request, lambda _text: None)
        return Advice(result.agent, result.output)
