"""Why a step is what it is, from the history of its run alone. Pure: facts and a plan in, an `Explanation` out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from mplp_cli.errors import Failure
from mplp_cli.observe.judged import Judged, judged
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import CANCELLED, ENDED, PENDING, QUEUED
from mplp_cli.workflow.plan import CONTAINERS, Plan, PlanStep
from mplp_cli.workflow.resources import Usage
from mplp_cli.workflow.retry import Retry
from mplp_cli.workflow.revision.telling import retell, told_before
from mplp_cli.workflow.values import duration_text


class Try(Struct, frozen=True, kw_only=True):
    """One attempt. Times are ms since the epoch, 0 unknown; `queued` is ms from ready to started."""

    attempt: int
    started_at: int
    ended_at: int = 0
    queued: int = 0
    #: running | completed | failed | asked | fell back | skipped | cancelled | lost (with its process)
    #: | unknown (claimed, and the process was lost: it may have begun)
    outcome: str = "running"
    error: Failure | None = None
    #: What its processes have used.
    usage: Usage | None = None
    #: Set if another attempt follows after a wait.
    delay: int | None = None
    due: int = 0
    delay_why: str = ""


class Need(Struct, frozen=True, kw_only=True):
    """A dependency: how it stands, and how it stood when the step became ready."""

    step: str
    status: str
    ended_at: int
    when_ready: str = ""
    reason: str = ""


class Question(Struct, frozen=True, kw_only=True):
    """What a person was asked, and the answer."""

    message: str
    asked_at: int
    approvers: list[str]
    deadline: int = 0
    decision: str = ""
    by: str = ""
    reason: str = ""
    decided_at: int = 0


class Looked(Struct, frozen=True, kw_only=True):
    """What the cache had when the step was about to begin: a hit, or why it missed (see `StepStarted`)."""

    at: int
    hit: h.Hit | None = None
    missed: str = ""


class Explanation(Struct, frozen=True, kw_only=True):
    """Everything that the history says of one step; `state` is the run as it stands."""

    plan: Plan
    state: RunState
    step: PlanStep
    #: When it last became ready; 0 if it never was.
    ready_at: int
    needs: list[Need]
    conditions: list[Judged]
    tries: list[Try]
    questions: list[Question]
    #: How the run came to begin, if it needed a place under a concurrency key and has had one.
    admitted: h.RunAdmitted | None = None
    #: The last look into the cache, None if there was none.
    looked: Looked | None = None

    @property
    def status(self) -> str:
        """The step's status."""
        return self.state.step_status[self.step.number]

    @property
    def queued(self) -> int | None:
        """Milliseconds from ready to the first start after it; None if it did not start."""
        return self.tries[-1].queued if self.tries and self.ready_at else None


def explain(plan: Plan, facts: Iterable[h.Event], step: str) -> Explanation:
    """Fold the facts and watch a step, which one of the facts may bring into being. KeyError if none does."""
    [told] = explain_each(plan, facts, [step])
    return told


def explain_each(plan: Plan, facts: Iterable[h.Event], steps: Sequence[str]) -> list[Explanation]:
    """The same of several steps, in their order, in one reading of the facts."""
    state, history = RunState(plan), list(facts)
    plan, earlier = state.plan, told_before(history)
    watches: dict[str, _Watch] = {}
    wanted = list(dict.fromkeys(steps))
    for n, fact in enumerate(history):
        if wanted:
            watches |= {
                one: _Watch(state, plan.steps[plan.number[one]]) for one in wanted if one in plan.number
            }
            wanted = [one for one in wanted if one not in watches]
        for watch in watches.values():
            watch.before(fact)
        if n < earlier:  # made with an earlier definition
            retell(state, fact)
        else:
            state.handle(fact)
        for watch in watches.values():
            watch.after(fact)
    watches |= {one: _Watch(state, plan.steps[plan.number[one]]) for one in wanted}
    return [_explained(plan, state, watches[one]) for one in steps]


def _explained(plan: Plan, state: RunState, watch: _Watch) -> Explanation:
    return Explanation(
        plan=plan,
        state=state,
        step=plan.steps[watch.step.number],
        ready_at=watch.ready_at,
        needs=watch.needs(),
        conditions=list(watch.conditions.values()),
        tries=watch.tries,
        questions=watch.questions,
        admitted=watch.admitted,
        looked=watch.looked,
    )


class _Watch:
    """Takes notes of one step while the run is folded."""

    def __init__(self, state: RunState, step: PlanStep) -> None:
        self.state = state
        self.step = step
        self.scope = RunScope(state, {}).at(step)
        self.ready_at = 0
        #: Status of each dependency when the step last became ready.
        self.then: dict[int, str] = {}
        self.conditions: dict[str, Judged] = {}
        self.tries: list[Try] = []
        self.questions: list[Question] = []
        self.looked: Looked | None = None
        #: Whether it may begin before its start is stored.
        self.claimed = False
        self.admitted: h.RunAdmitted | None = None

    def needs(self) -> list[Need]:
        """The dependencies as they stand."""
        state, steps = self.state, self.state.plan.steps
        return [
            Need(
                step=steps[d].id,
                status=state.step_status[d],
                ended_at=state.ended_at[d],
                when_ready=self.then.get(d, ""),
                reason=state.reasons.get(d, ""),
            )
            for d in dict.fromkeys(state.plan.before(self.step.number))
        ]

    def before(self, fact: h.Event) -> None:
        """A fact that has not been folded: the values are still those it was decided by."""
        if getattr(fact, "step", None) != self.step.id or self._is(ENDED):
            return
        i = self.step.number
        match fact:
            case h.StepQueued():
                self._judge("when", self.step.when, True)
            case h.StepStarted(at=at, attempt=attempt, branch=branch):
                if i not in self.state.judged:
                    self._judge("when", self.step.when, True)
                if self.step.kind == "conditional":
                    self._judge("condition", self.step.condition, branch == "then")
                self.claimed = False
                if fact.missed:
                    self.looked = Looked(at=at, missed=fact.missed)
                queued = max(at - self.ready_at, 0) if self.ready_at else 0
                self.tries.append(Try(attempt=attempt, started_at=at, queued=queued))
            case h.StepSkipped(error=None) if self._is({QUEUED}):
                self._judge("when", self.step.when, False)
            case h.StepRetrying():
                self._retried(fact)
            case h.StepFailed(error=error) if self._is({QUEUED}):
                self._judge("when", self.step.when, None)
                if self.step.kind == "conditional" and error.type != "StepTimeoutError":
                    self._judge("condition", self.step.condition, None)
            case h.StepRepeated() | h.StepCompleted() | h.StepFailed() if self.step.repeat is not None:
                self._judge_loop()
        self._note(fact)
        if (usage := getattr(fact, "usage", None)) is not None and self.tries:
            self.tries[-1] = structs.replace(self.tries[-1], usage=usage)

    def after(self, fact: h.Event) -> None:
        """What the fact has made of the step."""
        i, state = self.step.number, self.state
        if isinstance(fact, h.RunAdmitted):
            self.admitted = fact
        if isinstance(fact, h.StepsClaimed) and self.step.id in fact.steps:
            self.claimed = True
        doubtful = i in state.doubtful
        if isinstance(fact, h.RunResumed) and (doubtful or self._is({PENDING, QUEUED, CANCELLED})):
            self._end(0, "lost")  # whatever still ran is gone with its process
            if self.claimed and self._was_queued:
                self.tries.append(Try(attempt=state.attempts[i] + 1, started_at=0, outcome="unknown"))
            self.claimed = False
        if self._is(ENDED):
            self._end(state.ended_at[i], "cancelled")  # it ended with something else, not by its own work
        if self._is({QUEUED}):
            if not self._was_queued or isinstance(fact, h.RunResumed):
                self.ready_at = fact.at
                self.then = {d: state.step_status[d] for d in state.plan.before(i)}
            self._was_queued = True
        else:
            self._was_queued = False

    _was_queued = False

    def _is(self, statuses: Iterable[str]) -> bool:
        return self.state.step_status[self.step.number] in statuses

    def _judge(self, key: str, condition: object, recorded: bool | None) -> None:
        if condition is not None:
            self.conditions[key] = judged(key, condition, self.scope, recorded)  # type: ignore[arg-type]  # a Judgement

    def _judge_loop(self) -> None:
        """The conditions of a loop, as they were judged after its last iteration."""
        state = self.state
        step = state.plan.steps[self.step.number]
        assert step.repeat is not None
        scope = self.scope.at(state.plan.steps[step.children[-1] + 1]) if step.children else self.scope
        for key, condition in (("while", step.repeat.while_), ("until", step.repeat.until)):
            if condition is not None and (step.children or key == "while"):
                self.conditions[key] = judged(key, condition, scope, None)

    def _retried(self, fact: h.StepRetrying) -> None:
        lost = self.state.uncounted.get(self.step.number, 0)
        why = delay_reason(self.step.retry, fact.attempt - lost - 1, fact)
        self._end(fact.at, "failed", fact.error)
        if self.tries:
            self.tries[-1] = structs.replace(self.tries[-1], delay=fact.delay, due=fact.due, delay_why=why)

    def _note(self, fact: h.Event) -> None:
        match fact:
            case h.StepCompleted(at=at, hit=hit) if hit is not None:
                self.looked = Looked(at=at, hit=hit)
            case h.StepCompleted(at=at, attempt=attempt, mended=mended):
                if not self.tries and self.step.kind not in CONTAINERS:
                    # Steps without an effect of their own are recorded by their end alone.
                    self.tries.append(Try(attempt=attempt, started_at=at))
                self._end(at, "completed" if mended is None else "failed", mended)
            case h.StepFailed(at=at, error=error):
                self._end(at, "failed", error)
            case h.StepCancelled(at=at):
                self._end(at, "cancelled")
            case h.StepSkipped(at=at, error=error) if error is not None:
                self._end(at, "skipped", error)
            case h.StepFellBack(at=at, error=error):
                self._end(at, "fell back", error)
            case h.StepWaiting(at=at, approval=None):
                if not self.tries or self.tries[-1].outcome != "running":
                    self.tries.append(Try(attempt=fact.attempt, started_at=at))
            case h.StepWaiting(approval=asked) if asked is not None:
                self._asked(fact, asked)
            case h.StepEmitted(at=at, attempt=attempt):
                self.tries.append(Try(attempt=attempt, started_at=at))
                self._end(at, "completed")
            case h.StepDecided() if self.questions:
                self._end(fact.at, "completed" if fact.decision == "approved" else "failed")
                self.questions[-1] = structs.replace(
                    self.questions[-1],
                    decision=fact.decision,
                    by=fact.by,
                    reason=fact.reason,
                    decided_at=fact.given_at or fact.at,
                )
            case _:
                return

    def _asked(self, fact: h.StepWaiting, asked: h.Approval) -> None:
        if asked.own:
            self.tries.append(Try(attempt=fact.attempt, started_at=fact.at))
        else:
            self._end(fact.at, "asked", fact.error)
        self.questions.append(
            Question(
                message=asked.message,
                asked_at=fact.at,
                approvers=list(asked.approvers),
                deadline=asked.deadline,
            )
        )

    def _end(self, at: int, outcome: str, error: Failure | None = None) -> None:
        if self.tries and self.tries[-1].outcome == "running":
            self.tries[-1] = structs.replace(self.tries[-1], ended_at=at, outcome=outcome, error=error)


def delay_reason(retry: Retry, k: int, fact: h.StepRetrying) -> str:
    """Why the wait before the next attempt is as long as it is. `k` counts the retries from 0."""
    base = duration_text(retry.initial_delay)
    raw, capped = retry.delay(k), retry.max_delay
    match retry.strategy:
        case "fixed":
            rule = f"fixed: {base}"
        case "linear":
            rule = f"linear: {base} * {k + 1}"
        case _:
            rule = f"exponential: {base} * 2^{k}"
    if retry.jitter != "full" and structs.replace(retry, max_delay=1 << 62).delay(k) > capped:
        rule += f", at most {duration_text(capped)}"
    if fact.delay == raw and retry.jitter != "full":
        return rule
    asked = (fact.error.details or {}).get("retryAfter")
    if asked == fact.delay:
        return f"the server asked for {duration_text(fact.delay)}"
    if retry.jitter == "full":
        return f"{rule}; full jitter took a part of {duration_text(raw)}"
    return rule
