"""What agents say to an approval: they recommend; they decide only where the question says that they may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, ValidationError, convert
from msgspec.structs import replace

from mplp_cli.errors import AgentError, OperationError
from mplp_cli.modules.consulting import is_for_people, unusable
from mplp_cli.modules.contract import Parameters
from mplp_cli.modules.shapes import Text
from mplp_cli.protocols import Advice, Advisers, Question

if TYPE_CHECKING:
    from mplp_cli.modules.builtin.confirm.model import RequestApproval
    from mplp_cli.modules.session import Session

Confidence = Annotated[float, Meta(ge=0, le=1)]
Opinion = Literal["approve", "reject", "abstain"]

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["decision", "reason"],
    "properties": {
        "decision": {"enum": ["approve", "reject", "abstain"]},
        "reason": {"type": "string", "minLength": 1},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    },
}
#: What an adviser may do, and which of its words count for that.
_COUNTING: dict[str, tuple[Opinion, ...]] = {
    "recommend": (),
    "reject": ("reject",),
    "decide": ("reject", "approve"),
}


class Adviser(Parameters, frozen=True, kw_only=True):
    """An agent that is asked before people are."""

    agent: Annotated[Text | None, Meta(description="its id")] = None
    capability: Annotated[Text | None, Meta(description="or any agent that offers this")] = None
    role: Annotated[
        Text | None, Meta(description="the approver in whose place it decides; its id unless given")
    ] = None
    may: Annotated[
        Literal["recommend", "reject", "decide"],
        Meta(description="what its word counts for: nothing but advice, a no, or a yes as well"),
    ] = "recommend"
    min_confidence: Annotated[Confidence, Meta(description="below this its word is advice")] = 0.8


class Recommendation(Parameters, frozen=True, kw_only=True):
    """What an agent has said; `error` if it could say nothing. `counts`: as an answer, not as advice."""

    agent: Text
    decision: Opinion = "abstain"
    reason: str = ""
    confidence: Confidence = 0.0
    role: Text | None = None
    counts: bool = False
    error: str | None = None


class _Said(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=False):
    decision: Opinion
    reason: Text
    confidence: Confidence = 0.0


async def ask_advisers(given: RequestApproval, session: Session, advisers: Advisers) -> RequestApproval:
    """Ask all advisers at once. One that fails has said nothing; AgentError if all of them fail, or if people are to
    say what becomes of it."""
    from asyncio import TaskGroup

    for one in given.advisers:
        if (one.agent is None) is (one.capability is None):
            raise OperationError("an adviser is an `agent` or a `capability`", hint="give one of them")
    about = _subject(given, session)
    said: dict[int, Recommendation] = {}
    failed: list[AgentError] = []

    async def ask(number: int, adviser: Adviser) -> None:
        question = Question(
            key=f"adviser-{number}",
            agent=adviser.agent or "",
            capability=adviser.capability or "",
            input=about,
            prompt=f"Do you recommend to approve this? {given.reason or ''}".strip(),
            schema=_SCHEMA,
        )
        try:
            said[number] = _weighed(given, adviser, question, await advisers.ask(question))
        except AgentError as error:
            failed.append(error)
            name = adviser.agent or adviser.capability or ""
            said[number] = Recommendation(agent=name, error=error.message)

    async with TaskGroup() as tasks:
        for number, adviser in enumerate(given.advisers):
            tasks.create_task(ask(number, adviser))
    if open_ones := [error for error in failed if is_for_people(error)]:
        raise open_ones[0]
    if failed and len(failed) == len(given.advisers):
        raise failed[0]
    return replace(given, recommendations=[said[number] for number in sorted(said)])


def _subject(given: RequestApproval, session: Session) -> dict[str, Any]:
    """What the question is about, as an adviser gets it."""
    kind: str | None = given.target_type
    identifier = given.target_id
    if given.plan_id is not None:
        kind, identifier = "plan", given.plan_id
    target = None if kind in (None, "other") or identifier is None else session.peek(kind, identifier)
    return {"reason": given.reason, "targetType": kind, "targetId": identifier, "target": target}


def _weighed(given: RequestApproval, adviser: Adviser, question: Question, advice: Advice) -> Recommendation:
    try:
        said = convert(advice.output, _Said)
    except ValidationError as error:
        raise unusable(question, advice, str(error)) from error
    role = adviser.role or advice.agent
    counting = said.decision in _COUNTING[adviser.may] and said.confidence >= adviser.min_confidence
    if said.decision == "approve" and given.destructive:
        counting = False  # that takes a person
    if given.requested_by_role in (role, advice.agent):
        counting = False  # nobody decides about what they ask for themselves
    return Recommendation(
        agent=advice.agent,
        decision=said.decision,
        reason=said.reason,
        confidence=said.confidence,
        role=role,
        counts=counting,
    )


def told(recommendation: dict[str, Any]) -> str:
    """A recommendation, as a line for the people who decide."""
    agent = recommendation["agent"]
    if recommendation.get("error"):
        return f"{agent} said nothing: {recommendation['error']}"
    sure = f" ({recommendation['confidence']:.0%} sure)" if recommendation.get("confidence") else ""
    words = {"approve": "recommends to approve", "reject": "recommends to reject", "abstain": "abstains"}
    return f"{agent} {words[recommendation['decision']]}{sure}: {recommendation['reason']}"
