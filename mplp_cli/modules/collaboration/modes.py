"""The five ways in which the agents of a collab work together: who is asked when, for what, and until when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct

from mplp_cli.errors import AgentError, OperationError
from mplp_cli.modules.collaboration.asking import Outcome, failed, turn_question
from mplp_cli.modules.collaboration.people import Body, participant
from mplp_cli.modules.collaboration.turns import history_of, next_number, turns_of
from mplp_cli.modules.consulting import TURNS, ask_all, last, unusable
from mplp_cli.modules.contract import Parameters
from mplp_cli.modules.shapes import Text
from mplp_cli.protocols import Advice, Advisers, Question
from mplp_cli.workflow.agents import offers

if TYPE_CHECKING:
    from mplp_cli.modules.collaboration.running import RunCollab

StopReason = Literal["done", "approved", "max_turns", "budget", "error"]

_VERDICT = {
    "type": "object",
    "required": ["approved"],
    "properties": {"approved": {"type": "boolean"}, "comments": {"type": ["string", "null"]}},
}


class Work(Parameters, frozen=True, kw_only=True):
    """A task, and what an agent must offer to take it."""

    task: Text
    capability: Text | None = None


class Taken(Outcome, frozen=True, kw_only=True):
    """A turn that was taken, and what for."""

    task: Text | None = None


class Ended(Parameters, frozen=True, kw_only=True):
    """How the work has ended."""

    stop_reason: StopReason | None = None
    reason: Annotated[str | None, Meta(description="in words, of the orchestrator or of the failure")] = None
    result: Annotated[Any, Meta(description="what all of it came to")] = None


class Member(Struct, frozen=True, kw_only=True):
    """A participant who has an agent."""

    name: str
    role_id: str
    #: The name of the role, "" if nobody knows it.
    role: str
    agent: str


class Course:
    """What has been done so far, and the questions that come of it."""

    def __init__(
        self,
        given: RunCollab,
        body: Body,
        agents: Mapping[str, str],
        roles: Mapping[str, str],
        advisers: Advisers,
    ) -> None:
        self.given, self.body, self.advisers = given, body, advisers
        self.members = [
            Member(
                name=who["participant_id"],
                role_id=who["role_id"],
                role=roles.get(who["role_id"], ""),
                agent=agents[who["participant_id"]],
            )
            for who in body["participants"]
            if who["participant_id"] in agents
        ]
        if not self.members:
            raise OperationError(
                f"nobody in the collab {body['collab_id']} has an agent",
                hint="give participants an `agentId`, such as `role/assign-roles` gives them",
            )
        self.task = given.task or body["purpose"]
        self.most = given.max_turns or TURNS
        self.turns: list[Taken] = []
        self.ended: Ended | None = None
        self._first = next_number(turns_of(body))
        self._history = history_of(body)

    def rounds(self) -> int:
        """So many whole ones that there are at least as many turns as wanted."""
        return -(-self.most // len(self.members))

    def end(self, stopped: StopReason, *, reason: str | None = None, result: Any = None) -> None:
        """Nobody is asked any more."""
        self.ended = self.ended or Ended(stop_reason=stopped, reason=reason, result=result)

    def history(self) -> list[Body]:
        """What the last turns came to."""
        return last(self._history, self.given.context_window)

    def question(self, turn: int, member: Member, task: str, **more: Any) -> Question:
        """What a member is asked for turn `turn` of this run, from 1."""
        number = self._first + turn - 1
        return turn_question(
            f"turn-{turn}", member.agent, member.name, task, number=number, history=self.history(), **more
        )

    async def take(self, turn: int, member: Member, task: str, **more: Any) -> Any:
        """One turn; what it came to. AgentError, after it was noted that the turn has failed."""
        try:
            advice = await self.advisers.ask(self.question(turn, member, task, **more))
        except AgentError as error:
            self.note(member, task, error)
            raise
        self.note(member, task, advice)
        return advice.output

    def note(self, member: Member, task: str, answer: Advice | AgentError) -> None:
        """What came of a turn. One that was never begun, for want of budget, is none."""
        if isinstance(answer, Advice):
            taken = Taken(participant_id=member.name, task=task, result=answer.output)
        elif answer.code == "budget.exceeded":
            return
        else:
            taken = Taken(participant_id=member.name, task=task, error=failed(member.name, answer).error)
        number = self._first + len(self.turns)
        self.turns.append(taken)
        self._history.append({"turnNumber": number, "participantId": member.name, "result": taken.told()})


def _is_done(answer: Any) -> bool:
    return isinstance(answer, dict) and answer.get("done") is True


async def _round_robin(course: Course) -> None:
    members = course.members
    for turn, member in enumerate(islice(cycle(members), course.rounds() * len(members)), start=1):
        if _is_done(await course.take(turn, member, course.task)):
            course.end("done")
            return


async def _broadcast(course: Course) -> None:
    """Everybody at once; what one says the others hear with the next round."""
    for _ in range(course.rounds()):
        first = len(course.turns) + 1
        asked = [course.question(first + i, member, course.task) for i, member in enumerate(course.members)]
        answers = await ask_all(course.advisers, asked)
        for member, answer in zip(course.members, answers, strict=True):
            course.note(member, course.task, answer)
        _look_at(course, answers)
        if all(isinstance(answer, Advice) and _is_done(answer.output) for answer in answers):
            course.end("done")
            return


def _look_at(course: Course, answers: Sequence[Advice | AgentError]) -> None:
    """AgentError if nobody has answered, or one failure is too many."""
    failures = [answer for answer in answers if isinstance(answer, AgentError)]
    alone = len(failures) == len(answers)
    for failure in failures:
        if alone or course.given.on_failure == "fail" or failure.code in ("budget.exceeded", "replay.miss"):
            raise failure


async def _pair(course: Course) -> None:
    if len(course.members) != 2:
        raise OperationError(
            f"a pair is two participants with agents, not {len(course.members)}",
            hint="the first one is the author, the second one the critic",
        )
    author, critic = course.members
    for turn in range(1, course.most + 1):
        if turn % 2:
            await course.take(turn, author, course.task)
            continue
        task = f"Say whether what `{author.name}` has made of this is good (approved), and what is not (comments): "
        verdict = await course.take(turn, critic, task + course.task, schema=_VERDICT)
        if isinstance(verdict, dict) and verdict.get("approved") is True:
            course.end("approved", result=course.turns[-2].result)
            return


async def _orchestrated(course: Course) -> None:
    head = _orchestrator(course)
    others = {member.name: member for member in course.members if member != head}
    if not others:
        raise OperationError(f"`{head.name}` orchestrates nobody who has an agent")
    for member in [*others.values()]:
        for word in filter(None, (member.role, member.role_id)):
            others.setdefault(word, member)
    for turn in range(1, course.most + 1):
        question = _next_question(course, head, turn, list(others))
        advice = await course.advisers.ask(question)
        answer = advice.output if isinstance(advice.output, dict) else {}
        if _is_done(answer):
            course.end("done", reason=answer.get("reason"), result=answer.get("result"))
            return
        chosen = others.get(str(answer.get("next")))
        if chosen is None:
            said = f"it is not done, and names nobody of {', '.join(others)} to be next"
            raise unusable(question, advice, said)
        await course.take(turn, chosen, str(answer.get("task") or course.task))


def _orchestrator(course: Course) -> Member:
    name = course.given.orchestrator
    if name is not None:
        participant(course.body, name)
    for member in course.members:
        if member.name == name or (name is None and member.role == "orchestrator"):
            return member
    raise OperationError(
        f"`{name}` has no agent" if name else "nobody with an agent has the role `orchestrator`",
        hint="`orchestrator` names the participant whose agent says who is next",
    )


def _next_question(course: Course, head: Member, turn: int, names: list[str]) -> Question:
    given = {
        "you": head.name,
        "task": course.task,
        "turn": turn,
        "participants": [
            {"participantId": m.name, "roleId": m.role_id, "role": m.role}
            for m in course.members
            if m != head
        ],
        "history": course.history(),
    }
    return Question(
        key=f"orchestrator-{turn}",
        agent=head.agent,
        input=given,
        prompt=(
            f"You lead the work of others on this task: {course.task}\n"
            "Say who is next (next) and what they are to do (task), or that all is done (done) and what came of it"
            " (result)."
        ),
        schema={
            "type": "object",
            "properties": {
                "next": {"enum": [*names, None]},
                "task": {"type": ["string", "null"]},
                "done": {"type": "boolean"},
                "reason": {"type": ["string", "null"]},
                "result": {},
            },
        },
    )


async def _swarm(course: Course) -> None:
    given = course.given.tasks or [course.task]
    work = [Work(task=one) if isinstance(one, str) else one for one in given][: course.most]
    swarm = _Swarm(course, work)
    await swarm.work()
    for number, (member, answer) in sorted(swarm.answers.items()):
        course.note(member, work[number].task, answer)
    _look_at(course, [answer for _, answer in swarm.answers.values()])
    course.end("done" if len(work) == len(given) else "max_turns")


class _Swarm:
    """Who is free takes the next task that its agent is able to do. Tasks are numbered from 0."""

    def __init__(self, course: Course, work: Sequence[Work]) -> None:
        self._course = course
        self._tasks = [one.task for one in work]
        self._left = list(range(len(work)))
        self._able = _able(course, work)
        self.answers: dict[int, tuple[Member, Advice | AgentError]] = {}

    async def work(self) -> None:
        """Until nothing is left, or an agent has failed and that is the end."""
        from asyncio import TaskGroup

        # What was done before a crash is not given to somebody else.
        for number in list(self._left):
            for member in self._able[number]:
                if self._course.advisers.has_asked(self._question(number, member).key):
                    self._left.remove(number)
                    await self._do(number, member)
                    break
        async with TaskGroup() as tasks:
            for member in self._course.members:
                tasks.create_task(self._keep_busy(member))

    async def _keep_busy(self, member: Member) -> None:
        while (number := next((n for n in self._left if member in self._able[n]), None)) is not None:
            self._left.remove(number)
            await self._do(number, member)

    async def _do(self, number: int, member: Member) -> None:
        answer: Advice | AgentError
        try:
            answer = await self._course.advisers.ask(self._question(number, member))
        except AgentError as error:
            answer = error
            if error.code == "budget.exceeded" or self._course.given.on_failure == "fail":
                self._left.clear()
        self.answers[number] = member, answer

    def _question(self, number: int, member: Member) -> Question:
        key = f"task-{number + 1}-{member.name}"
        return turn_question(key, member.agent, member.name, self._tasks[number])


def _able(course: Course, work: Sequence[Work]) -> list[list[Member]]:
    """Who can do what, for each task. OperationError if nobody can."""
    offered = {one.id: one.capabilities for one in course.advisers.candidates()}
    able = [
        [
            member
            for member in course.members
            if one.capability is None or offers(offered.get(member.agent, ()), one.capability.split())
        ]
        for one in work
    ]
    for one, members in zip(work, able, strict=True):
        if not members:
            raise OperationError(
                f"nobody in the collab has an agent that offers `{one.capability}`",
                hint=f"that is what this task needs: {one.task}",
            )
    return able


MODES: dict[str, Callable[[Course], Awaitable[None]]] = {
    "round_robin": _round_robin,
    "broadcast": _broadcast,
    "orchestrated": _orchestrated,
    "swarm": _swarm,
    "pair": _pair,
}
