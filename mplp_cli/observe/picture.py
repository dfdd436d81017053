"""What a picture of a run shows: for each step when it waited, and for what, and when it worked. Pure.

Times are milliseconds since the Unix epoch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct, structs

from mplp_cli.errors import Failure
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.plan import CONTAINERS, Plan
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.resources import Usage
from mplp_cli.workflow.revision.telling import retell, told_before

#: What a stretch of time was. `queue`: it was ready, and what kept it is not known; `slot`: all slots were taken;
#: `resources`: it declares some, and slots were free; `again`: the wait before a retry; `holds`: a container at work.
What: TypeAlias = Literal[
    "queue", "slot", "resources", "attempt", "again", "person", "event", "time", "holds"
]
#: What a run itself did for a while: it waited for its turn, was paused, or nobody drove it.
Pause: TypeAlias = Literal["turn", "paused", "nobody"]
_WAITS: Final = frozenset({"queue", "slot", "resources", "again", "person", "event", "time"})


class Mark(Struct, frozen=True, kw_only=True, gc=False):
    """A stretch of time of one step. Of an attempt: its number, what came of it, and its error."""

    what: What
    begun: int
    ended: int
    attempt: int = 0
    #: Of an attempt: completed | failed | asked | fell back | skipped | cancelled | lost | running.
    outcome: str = ""
    error: Failure | None = None
    usage: Usage | None = None

    @property
    def length(self) -> int:
        return self.ended - self.begun


class Answer(Struct, frozen=True, kw_only=True):
    """What a person was asked; `decision` is empty as long as nobody has answered."""

    step: str
    message: str
    approvers: tuple[str, ...]
    asked: int
    decided: int = 0
    decision: str = ""
    by: str = ""
    reason: str = ""


class Told(Struct, frozen=True):
    """An event that a step has published."""

    step: str
    event: Published


class Picture(Struct, frozen=True, kw_only=True):
    """A run from `begun` to `ended`, which is the present if it has not ended. `marks` are by step id, in order."""

    begun: int
    ended: int
    marks: Mapping[str, Sequence[Mark]]
    pauses: Sequence[tuple[Pause, int, int]]
    answers: Sequence[Answer]
    told: Sequence[Told]

    def spent(self) -> dict[What, int]:
        """Milliseconds of all steps together, by what they were."""
        sums: dict[What, int] = {}
        for marks in self.marks.values():
            for mark in marks:
                if mark.length > 0 and mark.what != "holds":
                    sums[mark.what] = sums.get(mark.what, 0) + mark.length
        return sums


def is_wait(mark: Mark) -> bool:
    """Whether nothing was done meanwhile."""
    return mark.what in _WAITS


def picture(plan: Plan | None, state: RunState, facts: Sequence[h.Event], now: int) -> Picture:
    """What became of the steps of a run, from its facts; `state` is how it stands. What goes on does so until `now`.

    `plan` is the one that the run began with; without it nobody knows since when steps were ready.
    """
    course = _Course(state.plan)
    for fact, waited in zip(facts, _waited(plan, facts), strict=True):
        if waited and isinstance(fact, h.StepStarted):
            course.waited(fact, waited)
        course.take(fact)
    course.close(state, now)
    end = max(state.ended or now, course.begun)
    slots = _Taken(course.marks.values(), course.slots)
    return Picture(
        begun=course.begun,
        ended=end,
        marks={
            step: [slots.named(mark, state.plan, step) for mark in marks]
            for step, marks in course.marks.items()
        },
        pauses=course.pauses,
        answers=course.answers,
        told=course.told,
    )


def _waited(plan: Plan | None, facts: Sequence[h.Event]) -> Iterator[int]:
    """For each fact how long the step that it starts was ready before (ms); 0 for all others."""
    if plan is None:
        yield from [0] * len(facts)
        return
    state, earlier = RunState(plan), told_before(facts)
    for n, fact in enumerate(facts):
        if n < earlier:
            retell(state, fact)
        else:
            state.handle(fact)
        if isinstance(fact, h.StepStarted):
            yield state.measures.waited.pop(state.plan.number[fact.step], 0)
        else:
            yield 0


class _Course:
    """Notes taken while the facts go by."""

    def __init__(self, plan: Plan) -> None:
        self.kinds = {step.id: step.kind for step in plan.steps}
        self.begun = self.last = 0
        #: (since when, slots): it changes with another definition.
        self.slots: list[tuple[int, int]] = []
        self.marks: dict[str, list[Mark]] = {}
        #: Step -> the stretch that it is in, whose end is not known.
        self.open: dict[str, Mark] = {}
        self.pauses: list[tuple[Pause, int, int]] = []
        self.rests: tuple[Pause, int] | None = None
        self.answers: list[Answer] = []
        self.told: list[Told] = []

    def take(self, fact: h.Event) -> None:
        """The next fact."""
        at = fact.at
        match fact:
            case h.StepQueued() | h.StepRetryDue() | h.StepWoken():
                self._begin(fact.step, "queue", at)
            case h.StepStarted(step=step, attempt=attempt):
                holds = self.kinds.get(step, "item") in CONTAINERS
                self._begin(step, "holds" if holds else "attempt", at, attempt)
            case h.StepWaiting():
                self._waits(fact)
            case h.StepRetrying(step=step):
                self._end(fact.step, at, "failed", fact.error, fact.usage, fact.attempt)
                self._begin(step, "again", at)
            case h.StepDecided():
                self._decided(fact)
            case h.StepCompleted(step=step, mended=mended):
                outcome = "completed" if mended is None else "failed"
                self._end(step, at, outcome, mended, fact.usage, fact.attempt)
            case h.StepFailed(step=step, error=error):
                self._end(step, at, "failed", error, fact.usage, fact.attempt)
            case h.StepFellBack(step=step, error=error):
                self._end(step, at, "fell back", error, fact.usage, fact.attempt)
                self._begin(step, "holds", at)
            case h.StepSkipped(step=step, error=error, usage=usage):
                self._end(step, at, "skipped", error, usage)
            case h.StepCancelled(step=step, usage=usage):
                self._end(step, at, "cancelled", None, usage)
            case h.StepOmitted(step=step):
                self._end(step, at, "cancelled")
            case h.StepEmitted(step=step, attempt=attempt, event=event):
                self._end(step, at, "completed", attempt=attempt)
                self.told.append(Told(step, event))
            case _:
                self._run(fact)
        self.last = at

    def waited(self, fact: h.StepStarted, length: int) -> None:
        """The attempt that begins was ready so long before."""
        mark = self.open.get(fact.step)
        since = max(fact.at - length, mark.begun if mark is not None and mark.what != "queue" else 0)
        self._begin(fact.step, "queue", min(since, fact.at))

    def _run(self, fact: h.Event) -> None:
        match fact:
            case h.RunStarted(at=at, slots=slots, turn=turn):
                self.begun = at
                self.slots.append((at, slots))
                self.rests = ("turn", at) if turn is not None else None
            case h.RunAdmitted(at=at):
                self._goes_on(at)
            case h.RunRedefined(at=at, slots=slots):
                self.slots.append((at, slots))
            case h.RunPaused(at=at):
                self._goes_on(at)
                self.rests = "paused", at
            case h.RunWaiting() | h.RunCompleted() | h.RunFailed() | h.RunCancelled():
                self._goes_on(fact.at)
                if isinstance(fact, h.RunFailed):
                    self.rests = "nobody", fact.at  # until somebody takes it up again
            case h.RunResumed(at=at):
                if self.rests is None and self.open:
                    self.rests = "nobody", self.last
                self._goes_on(at)
                for step, mark in list(self.open.items()):
                    if mark.what == "attempt":
                        self._end(step, self.last, "lost")
                        self._begin(step, "queue", at)

    def _goes_on(self, at: int) -> None:
        if self.rests is not None and at > self.rests[1]:
            self.pauses.append((*self.rests, at))
        self.rests = None

    def _begin(self, step: str, what: What, at: int, attempt: int = 0) -> None:
        self._close(step, at)
        self.open[step] = Mark(what=what, begun=at, ended=at, attempt=attempt)

    def _close(self, step: str, at: int) -> None:
        mark = self.open.pop(step, None)
        if mark is not None and (at > mark.begun or mark.what == "attempt"):
            self._add(step, structs.replace(mark, ended=max(at, mark.begun)))

    def _add(self, step: str, mark: Mark) -> None:
        self.marks.setdefault(step, []).append(mark)

    def _end(
        self,
        step: str,
        at: int,
        outcome: str,
        error: Failure | None = None,
        usage: Usage | None = None,
        attempt: int = 0,
    ) -> None:
        """Whatever the step was at is over; an attempt that was never said to begin took no time."""
        mark = self.open.pop(step, None)
        if mark is not None and mark.what != "attempt":
            if at > mark.begun:
                self._add(step, structs.replace(mark, ended=at))
            if mark.what != "queue" or outcome in ("cancelled", "skipped"):
                return
            mark = None
        if mark is None:
            before = self.marks.get(step)
            if before and (before[-1].attempt, before[-1].ended) == (attempt, at):
                return  # told twice: an event was published, which completes its step
            if not attempt or self.kinds.get(step, "item") in CONTAINERS:
                return
            mark = Mark(what="attempt", begun=at, ended=at, attempt=attempt)
        self._add(
            step, structs.replace(mark, ended=max(at, mark.begun), outcome=outcome, error=error, usage=usage)
        )

    def _waits(self, fact: h.StepWaiting) -> None:
        asked, step, at = fact.approval, fact.step, fact.at
        if step in self.open and self.open[step].what == "attempt":
            self._end(step, at, "asked" if asked is not None else "", fact.error, fact.usage, fact.attempt)
        if asked is not None:
            people = tuple(asked.approvers)
            self.answers.append(Answer(step=step, message=asked.message, approvers=people, asked=at))
        self._begin(
            step, "person" if asked is not None else "event" if fact.event is not None else "time", at
        )

    def _decided(self, fact: h.StepDecided) -> None:
        for n in range(len(self.answers) - 1, -1, -1):
            if self.answers[n].step == fact.step:
                self.answers[n] = structs.replace(
                    self.answers[n],
                    decided=fact.given_at or fact.at,
                    decision=fact.decision,
                    by=fact.by,
                    reason=fact.reason,
                )
                break
        self._close(fact.step, fact.at)

    def close(self, state: RunState, now: int) -> None:
        """The facts are over."""
        if state.ended:
            self.rests = None
        else:
            self._goes_on(now)
        for step, mark in list(self.open.items()):
            i = state.plan.number.get(step, -1)
            ended = state.ended_at[i] if i >= 0 else 0
            at = max(ended or now, mark.begun)
            del self.open[step]
            outcome = "" if mark.what != "attempt" else "cancelled" if ended else "running"
            self._add(step, structs.replace(mark, ended=at, outcome=outcome))


class _Taken:
    """How long slots were all taken, and how long none was, to tell what kept a step that was ready."""

    def __init__(self, marks: Iterable[Sequence[Mark]], slots: Sequence[tuple[int, int]]) -> None:
        moves: dict[int, int] = {}
        for each in marks:
            for mark in each:
                if mark.what == "attempt" and mark.ended > mark.begun:
                    moves[mark.begun] = moves.get(mark.begun, 0) + 1
                    moves[mark.ended] = moves.get(mark.ended, 0) - 1
        #: Moments, and up to each of them the ms in which all slots were taken, and in which none was.
        self.at, self.full, self.idle = [0], [0], [0]
        level = 0
        for moment, change in sorted(moves.items()):
            there = next((n for since, n in reversed(slots) if since <= self.at[-1]), 0)
            length = moment - self.at[-1]
            self.full.append(self.full[-1] + length * (0 < there <= level))
            self.idle.append(self.idle[-1] + length * (level == 0))
            self.at.append(moment)
            level += change

    def _sum(self, sums: Sequence[int], moment: int, *, beyond: int) -> int:
        """Up to a moment; behind the last change `beyond` of each ms counts."""
        n = bisect_right(self.at, moment) - 1
        if n + 1 == len(self.at):
            return sums[n] + beyond * (moment - self.at[n])
        return sums[n] + (sums[n + 1] - sums[n]) * (moment - self.at[n]) // (self.at[n + 1] - self.at[n])

    def named(self, mark: Mark, plan: Plan, step: str) -> Mark:
        """A wait for a place, with what it was for most of the time."""
        if mark.what != "queue":
            return mark
        full = self._sum(self.full, mark.ended, beyond=0) - self._sum(self.full, mark.begun, beyond=0)
        idle = self._sum(self.idle, mark.ended, beyond=1) - self._sum(self.idle, mark.begun, beyond=1)
        other = mark.length - full - idle
        if full >= max(other, idle):
            return structs.replace(mark, what="slot")
        i = plan.number.get(step, -1)
        if other >= idle and i >= 0 and plan.steps[i].demand is not None:
            return structs.replace(mark, what="resources")
        return mark
