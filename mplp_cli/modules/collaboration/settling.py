"""Decisions of a collaboration, with their votes, and its conflicts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field
from msgspec.structs import replace

from mplp_cli.errors import AgentError, InvalidTransitionError, OperationError, UnknownObjectError
from mplp_cli.modules.collaboration.people import Body, agents_of, at_work, note, operation, participant
from mplp_cli.modules.consulting import ask_all, is_for_people
from mplp_cli.modules.contract import Parameters, Result
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ObjectId, Text
from mplp_cli.modules.voting import Weight, count_votes
from mplp_cli.protocols import Advice, Advisers, Question
from mplp_cli.workflow.suggest import did_you_mean

Votes = Annotated[int, Meta(ge=1, description="so many votes at least")]


class Ballot(Parameters, frozen=True, kw_only=True):
    """What a participant votes, or why it does not."""

    voter: Annotated[Text, Meta(description="a participant's `participantId`")]
    choice: Annotated[Text | None, Meta(description="one of the options; nothing is an abstention")] = None
    weight: Weight = 1.0
    reason: str | None = None


class ProposeDecision(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    question: Text
    options: Annotated[list[Text], Meta(description="what can be chosen, at least two")]
    quorum: Annotated[Votes | None, Meta(description="any number of votes will do unless given")] = None
    proposed_by: Annotated[Text | None, Meta(description="a participant's `participantId`")] = None
    decision_id: ObjectId | None = None
    agents: Annotated[bool, Meta(description="everybody who has an agent votes, as the agent says")] = False
    voters: Annotated[
        Annotated[list[Text], Meta(min_length=1)] | None,
        Meta(description="`participantId` of those whose agents vote"),
    ] = None
    votes: Annotated[
        list[Ballot] | None, Meta(description="votes that are cast with it; no agent is asked then")
    ] = None


class Vote(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    decision_id: ObjectId
    voter: Annotated[Text, Meta(description="a participant's `participantId`")]
    choice: Annotated[Text, Meta(description="one of the options")]
    weight: Weight = 1.0
    reason: str | None = None


class FinalizeDecision(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    decision_id: ObjectId


class ReportConflict(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    description: Text
    participants: Annotated[list[Text], Meta(description="`participantId` of those between whom it is")] = (
        field(default_factory=list)
    )
    conflict_id: ObjectId | None = None


class ResolveConflict(Parameters, frozen=True, kw_only=True):
    collab_id: ObjectId
    conflict_id: ObjectId
    strategy: Annotated[Text, Meta(description="how, such as `vote` or `escalate`")]
    resolution: Annotated[Text | None, Meta(description="what came of it")] = None


class Proposed(Result, frozen=True, kw_only=True):
    collab_id: ObjectId
    decision_id: ObjectId
    question: str
    options: list[str]
    #: How many have voted, and who has abstained.
    votes: int
    abstained: list[str]


class Voted(Result, frozen=True, kw_only=True):
    collab_id: ObjectId
    decision_id: ObjectId
    voter: str
    choice: str
    votes: int


class Finalized(Result, frozen=True, kw_only=True):
    """`choice`: null if nothing is decided. `tally`: the weight of each option. `votes`: how many voted."""

    collab_id: ObjectId
    decision_id: ObjectId
    decided: bool
    choice: str | None
    reason: Literal["majority", "no-majority", "quorum"]
    tally: dict[str, float]
    votes: int


class Conflict(Result, frozen=True, kw_only=True):
    collab_id: ObjectId
    conflict_id: ObjectId
    status: Literal["detected", "resolved"]
    resolution: str | None


def propose_decision(given: ProposeDecision, session: Session) -> Proposed:
    """Opens a vote."""
    body = at_work(session, given.collab_id)
    if len(given.options) < 2 or len(set(given.options)) < len(given.options):
        raise OperationError("a decision needs at least two options, all different", hint="give `options`")
    if given.proposed_by is not None:
        participant(body, given.proposed_by)
    identifier = given.decision_id or session.uuid()
    _check_free(body, "decision.proposed", "decisionId", identifier)
    data = {
        "decisionId": identifier,
        "question": given.question,
        "options": given.options,
        "quorum": given.quorum,
        "proposedBy": given.proposed_by,
    }
    if given.votes is None and (given.agents or given.voters):
        raise OperationError("agents cannot be asked here", hint="call `collab/propose-decision` itself")
    note(session, body, "decision.proposed", data)
    ballots = given.votes or []
    for ballot in ballots:
        _cast(given.collab_id, identifier, ballot, session)
    abstained = [ballot.voter for ballot in ballots if ballot.choice is None]
    return Proposed(
        collab_id=given.collab_id,
        decision_id=identifier,
        question=given.question,
        options=given.options,
        votes=len(ballots) - len(abstained),
        abstained=abstained,
    )


def _cast(collab_id: str, decision_id: str, ballot: Ballot, session: Session) -> None:
    if ballot.choice is not None:
        given = {name: getattr(ballot, name) for name in ("voter", "choice", "weight", "reason")}
        vote(Vote(collab_id=collab_id, decision_id=decision_id, **given), session)
        return
    body = at_work(session, collab_id)
    who = participant(body, ballot.voter)
    data = {
        "decisionId": decision_id, "voter": ballot.voter, "roleId": who["role_id"], "reason": ballot.reason,
    }  # fmt: skip
    note(session, body, "decision.abstained", data)


async def ask_voters(given: ProposeDecision, session: Session, advisers: Advisers) -> ProposeDecision:
    """Let the agents of participants vote, each for itself. One that fails abstains; AgentError if all do."""
    if given.votes is not None or not (given.agents or given.voters):
        return given
    body = at_work(session, given.collab_id)
    # Whatever would be refused afterwards is refused before anybody is asked.
    propose_decision(replace(given, votes=[]), session)
    agents = agents_of(body)
    voters = list(agents) if given.voters is None else list(dict.fromkeys(given.voters))
    for voter in voters:
        participant(body, voter)
    mute = [voter for voter in voters if voter not in agents]
    if mute or not voters:
        said = f"`{mute[0]}` has no agent" if mute else f"nobody in the collab {given.collab_id} has an agent"
        raise OperationError(said, hint="`collab/vote` casts the vote of somebody who has none")
    answers = await ask_all(advisers, [_ballot_paper(given, voter, agents[voter]) for voter in voters])
    failures = [answer for answer in answers if isinstance(answer, AgentError)]
    for failure in failures:
        if len(failures) == len(answers) or is_for_people(failure):
            raise failure
    votes = [_ballot(voter, answer, given.options) for voter, answer in zip(voters, answers, strict=True)]
    return replace(given, votes=votes)


def _ballot_paper(given: ProposeDecision, voter: str, agent: str) -> Question:
    return Question(
        key=f"vote-{voter}",
        agent=agent,
        input={"you": voter, "question": given.question, "options": given.options},
        prompt=(
            f"You are `{voter}` and vote on: {given.question}\n"
            "Choose one of the options, say how much that is to weigh (from 0 to 1, 1 if you are sure), and why."
        ),
        schema={
            "type": "object",
            "required": ["choice"],
            "properties": {
                "choice": {"enum": given.options},
                "weight": {"type": "number", "minimum": 0, "maximum": 1},
                "reason": {"type": ["string", "null"]},
            },
        },
    )


def _ballot(voter: str, answer: Advice | AgentError, options: list[str]) -> Ballot:
    if isinstance(answer, AgentError):
        return Ballot(voter=voter, reason=f"{answer.code}: {answer.message}")
    said = answer.output if isinstance(answer.output, dict) else {}
    if said.get("choice") not in options:
        return Ballot(voter=voter, reason=f"what agent `{answer.agent}` answered is no vote")
    return Ballot(
        voter=voter, choice=said["choice"], weight=said.get("weight", 1.0), reason=said.get("reason")
    )


def vote(given: Vote, session: Session) -> Voted:
    """Casts a participant's vote; everybody has one."""
    body = at_work(session, given.collab_id)
    proposed, votes = _decision(body, given.decision_id)
    who = participant(body, given.voter)
    if any(cast["voter"] == given.voter for cast in votes):
        raise OperationError(f"`{given.voter}` has voted already", details={"voter": given.voter})
    if given.choice not in proposed["options"]:
        raise OperationError(
            f"`{given.choice}` is no option of the decision",
            hint=did_you_mean(given.choice, proposed["options"])
            or f"there are: {', '.join(proposed['options'])}",
            details={"choice": given.choice, "options": proposed["options"]},
        )
    data = {
        "decisionId": given.decision_id,
        "voter": given.voter,
        "roleId": who["role_id"],
        "choice": given.choice,
        "weight": given.weight,
        "reason": given.reason,
    }
    note(session, body, "decision.voted", data)
    return Voted(
        collab_id=given.collab_id,
        decision_id=given.decision_id,
        voter=given.voter,
        choice=given.choice,
        votes=len(votes) + 1,
    )


def finalize_decision(given: FinalizeDecision, session: Session) -> Finalized:
    """Closes a vote. What has more than half of the weight that was cast is chosen; else nothing is."""
    body = at_work(session, given.collab_id)
    proposed, votes = _decision(body, given.decision_id)
    count = count_votes(
        proposed["options"], [(cast["choice"], cast["weight"]) for cast in votes], proposed.get("quorum")
    )
    data = {
        "decisionId": given.decision_id,
        "decided": count.choice is not None,
        "choice": count.choice,
        "reason": count.reason,
        "tally": count.tally,
        "votes": count.votes,
    }
    note(session, body, "decision.finalized", data)
    return Finalized(
        collab_id=given.collab_id,
        decision_id=given.decision_id,
        decided=count.choice is not None,
        choice=count.choice,
        reason=count.reason,
        tally=count.tally,
        votes=count.votes,
    )


def report_conflict(given: ReportConflict, session: Session) -> Conflict:
    """Notes that participants do not agree."""
    body = at_work(session, given.collab_id, resting=True)
    for name in given.participants:
        participant(body, name)
    identifier = given.conflict_id or session.uuid()
    _check_free(body, "conflict.detected", "conflictId", identifier)
    data = {
        "conflictId": identifier,
        "description": given.description,
        "participants": given.participants or None,
    }
    note(session, body, "conflict.detected", data)
    return Conflict(collab_id=given.collab_id, conflict_id=identifier, status="detected", resolution=None)


def resolve_conflict(given: ResolveConflict, session: Session) -> Conflict:
    """Notes how a conflict ended; it ends once."""
    body = at_work(session, given.collab_id, resting=True)
    if not _noted(body, "conflict.detected", "conflictId", given.conflict_id):
        raise UnknownObjectError(
            f"the collab {given.collab_id} has no conflict {given.conflict_id}",
            details={"kind": "collab conflict", "id": given.conflict_id},
        )
    if _noted(body, "conflict.resolved", "conflictId", given.conflict_id):
        raise InvalidTransitionError(
            f"the conflict {given.conflict_id} has been resolved already",
            details={"kind": "collab conflict", "id": given.conflict_id, "status": "resolved"},
        )
    data = {"conflictId": given.conflict_id, "strategy": given.strategy, "resolution": given.resolution}
    note(session, body, "conflict.resolved", data)
    return Conflict(
        collab_id=given.collab_id,
        conflict_id=given.conflict_id,
        status="resolved",
        resolution=given.resolution,
    )


def _noted(body: Body, verb: str, key: str, identifier: str) -> list[dict[str, Any]]:
    """The data of the events of a kind about one thing."""
    return [
        event["data"]
        for event in body["events"]
        if event["event_type"] == f"collab.{verb}" and event["data"][key] == identifier
    ]


def _check_free(body: Body, verb: str, key: str, identifier: str) -> None:
    if _noted(body, verb, key, identifier):
        raise OperationError(
            f"the collab {body['collab_id']} has a {verb.split('.', maxsplit=1)[0]} {identifier} already",
            hint=f"leave `{key}` out and one is made",
            details={key: identifier},
        )


def _decision(body: Body, identifier: str) -> tuple[Body, list[dict[str, Any]]]:
    """A decision that is open, and its votes."""
    proposed = _noted(body, "decision.proposed", "decisionId", identifier)
    if not proposed:
        raise UnknownObjectError(
            f"the collab {body['collab_id']} has no decision {identifier}",
            details={"kind": "collab decision", "id": identifier},
        )
    if _noted(body, "decision.finalized", "decisionId", identifier):
        raise InvalidTransitionError(
            f"the decision {identifier} has been finalized already",
            hint="`collab/propose-decision` opens another one",
            details={"kind": "collab decision", "id": identifier, "status": "finalized"},
        )
    return proposed[0], _noted(body, "decision.voted", "decisionId", identifier)


_PROPOSE = operation(
    "propose-decision", "Open a vote, and let agents vote", ProposeDecision, Proposed, propose_decision
)

OPERATIONS = (
    replace(_PROPOSE, consult=ask_voters, asks=("agents", "voters")),
    operation("vote", "Cast a participant's vote", Vote, Voted, vote),
    operation(
        "finalize-decision", "Close a vote and count it", FinalizeDecision, Finalized, finalize_decision
    ),
    operation(
        "report-conflict", "Note that participants disagree", ReportConflict, Conflict, report_conflict
    ),
    operation("resolve-conflict", "Note how a conflict ended", ResolveConflict, Conflict, resolve_conflict),
)
