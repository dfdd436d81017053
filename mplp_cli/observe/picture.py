"""What a picture of a run shows: for each step when it waited, and for what, and when it worked. Pure.

Times are milliseconds since the Unix epoch.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct, structs

from mplp_cli.errors import Failure
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.plan import CONTAINERS, Plan
from mplp_cli.workflow.resources import Usage

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
    event: h.Published


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


def picture(state: RunState, facts: Iterable[h.Event], now: int) -> Picture:
    """What became of the steps of a run, from its facts; `state` is how it stands. What goes on does so until `now`."""
    course = _Course(state.plan)
    for fact in facts:
        course.take(fact)
    course.close(state, now)
    end = max(state.ended or now, course.begun)
    slots = _Taken(course.marks.values(), state.plan, course.slots)
    return Picture(
        begun=course.begun,
        ended=end,
        marks={step: [slots.named(mark, state.plan, step) for mark in marks] for step, marks in course.marks.items()},
        pauses=course.pauses,
        answers=course.answers,
        told=course.told,
    )


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
        self._begin(step, "person" if asked is not None else "event" if fact.event is not None else "time", at)

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
    """How many slots were taken when, to tell what kept a step that was ready."""

    def __init__(
        self, marks: Iterable[Sequence[Mark]], plan: Plan, slots: Sequence[tuple[int, int]]
    ) -> None:
        moves: dict[int, int] = {}
        for each in marks:
            for mark in each:
                if mark.what == "attempt" and mark.ended > mark.begun:
                    moves[mark.begun] = moves.get(mark.begun, 0) + 1
                    moves[mark.ended] = moves.get(mark.ended, 0) - 1
        self.at: list[int] = []
        self.taken: list[int] = []
        level = 0
        for moment, change in sorted(moves.items()):
            level += change
            self.at.append(moment)
            self.taken.append(level)
        self.slots = slots
        self.demands = {step.id: step.demand for step in plan.steps}

    def named(self, mark: Mark, plan: Plan, step: str) -> Mark:
        """A wait for a place, with what it most likely was for."""
        if mark.what != "queue":
            return mark
        there = next((slots for since, slots in reversed(self.slots) if since <= mark.begun), 0)
        number = bisect_right(self.at, (mark.begun + mark.ended) // 2) - 1
        if number >= 0 and there and self.taken[number] >= there:
            return structs.replace(mark, what="slot")
        i = plan.number.get(step, -1)
        if i >= 0 and plan.steps[i].demand is not None:
            return structs.replace(mark, what="resources")
        return mark
