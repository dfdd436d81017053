"""The driver: facts in, one commit, then acts. Nothing leaves the process before its commit.

One turn folds facts until nothing more follows from them (or the batch is full), commits them
together, tells the subscribers, and only then starts attempts with effects. Pure steps and local
module operations run before the commit of what they need: they have no effect outside the journal,
and a commit that fails takes them away together with it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any

from mplp_cli.engine.judging import after_failure, branch_of, may_run, skip_reason
from mplp_cli.engine.settlement import settlement
from mplp_cli.engine.world import World
from mplp_cli.errors import (
    Failure,
    RunStateError,
    StepError,
    StepTimeoutError,
    UnsupportedStepTypeError,
    failure_of,
)
from mplp_cli.protocols import Attempt, Caller, ProtocolObject
from mplp_cli.workflow import history as h
from mplp_cli.workflow.commands import Arm, Command, Conclude, Halt, Judge, Start, Stop, Tell
from mplp_cli.workflow.composites import conclusion
from mplp_cli.workflow.plan import CONTAINERS, PlanStep
from mplp_cli.workflow.retry import Fallback
from mplp_cli.workflow.scope import RunScope
from mplp_cli.workflow.state import RunState
from mplp_cli.workflow.statuses import CANCELLED, ENDED, FAILED, OMITTED, RETRYING, RUNNING, SKIPPED, WAITING
from mplp_cli.workflow.templates import fill
from mplp_cli.workflow.values import Json, duration_ms, duration_text


class Drive:
    """Drives one run to its end, or to where only a person can take it on."""

    def __init__(self, state: RunState, world: World, by: str = "mplp") -> None:
        self.state = state
        #: Who drives, for the record of a resume.
        self.by = by
        self.world = world
        self.scope = RunScope(state, world.secrets)
        self._facts: deque[h.Event] = deque()
        #: Objects to be stored with a fact, by (step, attempt).
        self._attached: dict[tuple[str, int], list[ProtocolObject]] = {}
        self._written: list[h.Event] = []
        self._acts: list[tuple[int, int, Json]] = []
        self._asked: list[Command] = []
        #: (due by the loop's clock, step number, attempt; 0 for waits): never the task itself.
        self._timers: list[tuple[float, int, int]] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._running: dict[int, tuple[int, asyncio.Task[None]]] = {}
        self._late: set[int] = set()
        self._turn_due = False
        self._killed = False
        self._done: asyncio.Future[None] | None = None

    async def run(self, started: h.RunStarted | None = None) -> RunState:
        """Drive the run on from what its journal holds; `started` is the fact of a run just created."""
        self._loop = asyncio.get_running_loop()
        self._done = done = self._loop.create_future()
        if started is not None:
            self._asked = self.state.handle(started)
            self._tell_all([started])
        else:
            self._facts.appendleft(h.RunResumed(self.world.clock.now(), self.by))
        self._arm_run()
        self._poll()  # an answer may be waiting for a run that is taken up
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._wake()
                await done
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._polling.cancel()
            if self._alarm is not None:
                self._alarm.cancel()
        return self.state

    # ---- requests from outside

    def cancel(self, by: str, message: str = "") -> None:
        """Stop the run: what runs is stopped, what waits is cancelled, `finally` runs."""
        if self.state.stopping is None:
            now = self.world.clock.now()
            self.post(h.RunStopping(now, "cancel", by, message or f"cancelled by {by}"))

    def kill(self, by: str) -> None:
        """Stop the run at once: processes are killed and `finally` does not run."""
        self._killed = True
        self.cancel(by)
        self.world.kill()

    def post(self, fact: h.Event) -> None:
        """A fact to be folded in the next turn."""
        self._facts.append(fact)
        self._wake()

    # ---- a turn

    def _wake(self) -> None:
        if self._done is not None and not self._turn_due and not self._done.done():
            self._turn_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_due = False
        if self._done.done():
            return
        try:
            self._fold_commit_act()
        except BaseException as error:  # noqa: BLE001 - a callback's error reaches nobody by itself
            self._done.set_exception(error)  # state may be ahead of the journal: it is thrown away

    def _fold_commit_act(self) -> None:
        state = self.state
        asked, self._asked = self._asked, []
        for command in asked:
            self._obey(command)
        objects = self._fold()
        written, self._written = self._written, []
        if written:
            self.world.journal.append(written, objects)
            self._tell_all(written)
        acts, self._acts = self._acts, []
        for number, attempt, body in acts:
            self._begin(number, attempt, body)
        if self._facts:
            self._wake()
        elif state.stuck:
            self.post(h.RunWaiting(self.world.clock.now()))
        elif state.status in ENDED or state.status == WAITING:
            self._done.set_result(None)

    def _fold(self) -> list[ProtocolObject]:
        """Fold facts until nothing more follows, the batch is full or its time is over."""
        state, facts, written, attached = self.state, self._facts, self._written, self._attached
        monotonic = self.world.clock.monotonic
        stop, batch = monotonic() + self.world.window, self.world.batch
        objects: list[ProtocolObject] = []
        while True:
            while facts and len(written) < batch:
                fact = facts.popleft()
                if state.dropped and self._too_late(fact):
                    continue
                written.append(fact)
                if attached:
                    objects += attached.pop(_key(fact), ())
                for command in state.handle(fact):
                    self._obey(command)
                if not len(written) & 31 and monotonic() > stop:
                    return objects
            if state.status in ENDED:
                facts.clear()  # what comes after the end comes too late
            if facts or not state.settled:
                return objects
            facts.append(settlement(self.scope, self.world.clock.now(), killed=self._killed))

    def _too_late(self, fact: h.Event) -> bool:
        """Whether the step of a fact has been ended from outside in the meantime."""
        step = getattr(fact, "step", None)
        return step is not None and self.state.step_status[self.state.plan.number[step]] in ENDED

    def _tell_all(self, facts: list[h.Event]) -> None:
        for tell in self.world.subscribers:
            tell(facts)

    # ---- commands

    def _obey(self, command: Command) -> None:
        match command:
            case Start():
                self._start(command.number, command.attempt)
            case Tell():
                self._written.append(self._consequence(command.number))
            case Conclude():
                self._facts.append(conclusion(self.state, command.number, self.world.clock.now()))
            case Arm():
                self._arm_at(command.number, command.due)
            case Judge():
                self._judge(command.number)
            case Stop():
                if command.number in self._running:
                    self._running[command.number][1].cancel()
            case Halt():
                self._facts.append(h.RunStopping(self.world.clock.now(), command.cause, "", command.message))

    def _consequence(self, i: int) -> h.Event:
        """The record of a step that the fold has ended as a consequence."""
        state = self.state
        step, status, at = state.plan.steps[i].id, state.step_status[i], state.ended_at[i]
        reason = state.reasons.get(i, "")
        if status is OMITTED:
            return h.StepOmitted(at, step, reason, state.because.get(i, ""))
        if status is SKIPPED:
            return h.StepSkipped(at, step, reason)
        if status is FAILED:
            return h.StepFailed(at, step, state.attempts[i], state.errors[i])
        assert status is CANCELLED, status
        return h.StepCancelled(at, step, state.attempts[i], reason)

    def _start(self, i: int, attempt: int) -> None:
        """Everything up to the effect of an attempt; only effects wait for the commit."""
        step = self.state.plan.steps[i]
        now = self.world.clock.now()
        try:
            if step.when is not None and not step.effect and not may_run(step, self.scope):
                self._facts.append(h.StepSkipped(now, step.id, skip_reason(step)))
            elif step.kind == "set":
                self._facts.append(h.StepCompleted(now, step.id, attempt, fill(step.body, self.scope)))
            elif step.kind in CONTAINERS:
                branch = branch_of(step, self.scope, self.world) if step.kind == "conditional" else ""
                self._facts.append(h.StepStarted(now, step.id, attempt, branch))
                if step.timeout:
                    self._arm(i, attempt, step.timeout)
            elif step.kind == "wait":
                until = now + self._duration(step)
                self._facts.append(h.StepWaiting(now, step.id, attempt, until))
            elif not step.effect:
                self._operate(step, attempt, now)
            else:
                self._acts.append((i, attempt, fill(step.body, self.scope)))
                self._record(h.StepStarted(now, step.id, attempt))
        except Exception as error:  # noqa: BLE001 - whatever a value or an operation raises is the step's failure
            self._failed(step, attempt, failure_of(error))

    def _record(self, fact: h.Event) -> None:
        """A fact that must stand in the same commit as its cause; it asks for nothing."""
        self._written.append(fact)
        self.state.handle(fact)

    def _duration(self, step: PlanStep) -> int:
        value = fill(step.body, self.scope)
        try:
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise ValueError(f"{value!r} is not a duration")
            return duration_ms(value)
        except ValueError as error:
            raise StepError(str(error)) from None

    def _operate(self, step: PlanStep, attempt: int, now: int) -> None:
        """A local module operation: its result and its objects are stored in one commit."""
        assert step.target is not None
        self._record(h.StepStarted(now, step.id, attempt))
        began = self.world.clock.monotonic()
        parameters = fill(step.body, self.scope)
        outcome = self.world.operations.call(*step.target, parameters, self._caller(step))
        if step.timeout and (self.world.clock.monotonic() - began) * 1000 > step.timeout:
            raise StepTimeoutError(step.id, step.timeout)
        self.world.operations.apply(outcome.writes)
        fact = h.StepCompleted(self.world.clock.now(), step.id, attempt, outcome.result)
        if outcome.writes:
            self._attached[_key(fact)] = outcome.writes
        self._facts.append(fact)

    def _caller(self, step: PlanStep) -> Caller:
        workflow = self.state.plan.workflow
        return Caller(run=self.state.run_id, workflow=workflow.id, step=step.id, description=workflow.description)

    def _judge(self, i: int) -> None:
        step = self.state.plan.steps[i]
        now = self.world.clock.now()
        try:
            runs = may_run(step, self.scope)
        except StepError as error:
            self._failed(step, 1, error.failure())
            return
        self._facts.append(h.StepQueued(now, step.id) if runs else h.StepSkipped(now, step.id, skip_reason(step)))

    # ---- failures

    def _failed(self, step: PlanStep, attempt: int, failure: Failure) -> None:
        now = self.world.clock.now()
        found = after_failure(step, attempt, failure, self.scope, now, self.world.ids.fraction())
        if isinstance(found, Fallback):
            found = self._escalate(step, attempt, failure, found, now)
        self._facts.append(found)

    def _escalate(self, step: PlanStep, attempt: int, failure: Failure, fallback: Fallback, now: int) -> h.Event:
        """Ask a person: a pending Confirm object and a waiting step, in one commit."""
        said = fill(fallback.message, self.scope) if fallback.message else None
        message = str(said or f"`{step.id}` failed: {failure.message}. Try again?")
        parameters: dict[str, Any] = {"reason": message, "requestedByRole": "engine", "targetType": "other"}
        outcome = self.world.operations.call("confirm", "request-approval", parameters, self._caller(step))
        self.world.operations.apply(outcome.writes)
        deadline = now + fallback.timeout if fallback.timeout else 0
        approval = h.Approval(outcome.result["confirmId"], message, list(fallback.approvers), deadline)
        fact = h.StepWaiting(now, step.id, attempt, deadline, approval, failure)
        self._attached[_key(fact)] = outcome.writes
        return fact

    def decide(self, step_id: str, decision: str, by: str, reason: str) -> None:
        """A person's answer to the approval that a step waits for."""
        i = self.state.plan.number.get(step_id, -1)
        approval = self.state.approvals.get(i)
        if approval is None:
            raise RunStateError(f"`{step_id}` does not wait for an approval")
        verb, said = ("approve", "approved") if decision == "approve" else ("reject", "rejected")
        step = self.state.plan.steps[i]
        parameters = {"confirmId": approval.id, "decidedByRole": by or "user", "reason": reason or said}
        outcome = self.world.operations.call("confirm", verb, parameters, self._caller(step))
        self.world.operations.apply(outcome.writes)
        fact = h.StepDecided(self.world.clock.now(), step_id, said, by, reason)  # type: ignore[arg-type]
        self._attached[_key(fact)] = outcome.writes
        self.post(fact)

    # ---- attempts with effects

    def _begin(self, i: int, attempt: int, body: Json) -> None:
        step = self.state.plan.steps[i]
        if self.state.step_status[i] is not RUNNING:
            return
        task = self._tasks.create_task(self._attempt(step, attempt, body))
        self._running[i] = attempt, task
        if step.timeout:
            self._arm(i, attempt, step.timeout)

    async def _attempt(self, step: PlanStep, attempt: int, body: Json) -> None:
        try:
            runner = self.world.runners.get(step.kind)
            if runner is None:
                raise UnsupportedStepTypeError(f"nothing runs steps of type `{step.kind}`")
            result = await runner(self._attempt_of(step, attempt, body))
        except asyncio.CancelledError:
            if self._done.done():
                raise
            self._stopped(step, attempt)
        except Exception as error:  # noqa: BLE001 - whatever a runner raises is the step's failure
            failure = failure_of(error)
            self._failed(step, attempt, Failure(
                type=failure.type, message=self.world.mask(failure.message),
                details=self.world.mask(failure.details), retryable=failure.retryable))
            self._wake()
        else:
            self.post(h.StepCompleted(self.world.clock.now(), step.id, attempt, result))
        finally:
            self._running.pop(step.number, None)
            self._late.discard(step.number)

    def _stopped(self, step: PlanStep, attempt: int) -> None:
        """An attempt was cancelled by us: its time was over, or the run stops."""
        if step.number in self._late:
            self._failed(step, attempt, StepTimeoutError(step.id, step.timeout).failure())
            self._wake()
            return
        stopping = self.state.stopping
        reason = stopping.message if stopping is not None else "its container ended"
        self.post(h.StepCancelled(self.world.clock.now(), step.id, attempt, reason))

    def _attempt_of(self, step: PlanStep, attempt: int, body: Json) -> Attempt:
        state = self.state
        env = self.world.environ
        if isinstance(body, dict) and body.get("env"):
            env = {**env, **{name: str(value) for name, value in body["env"].items()}}
        key = hashlib.sha256(f"{state.run_id}\0{step.id}".encode()).hexdigest()[:32]
        return Attempt(
            run=state.run_id,
            workflow=state.plan.workflow.id,
            step=step.id,
            number=attempt,
            timeout=step.timeout,
            cwd=state.cwd,
            env=env,
            body=body,
            idempotency_key=key,
            output=self.world.output,
        )

    # ---- time: one heap for every deadline; one that is not needed costs a push and a lazy pop

    def _arm(self, i: int, attempt: int, ms: float) -> None:
        due = self._loop.time() + ms / 1000
        if not self._timers or due < self._timers[0][0]:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self._loop.call_at(due, self._ring)
        heappush(self._timers, (due, i, attempt))

    def _arm_at(self, i: int, due: int) -> None:
        self._arm(i, 0, max(0, due - self.world.clock.now()))

    def _arm_run(self) -> None:
        limit = self.state.plan.timeout
        if limit:
            left = limit - (self.world.clock.now() - self.state.started)
            self._arm(-1, 0, min(max(0, left), limit))

    def _ring(self) -> None:
        now = self._loop.time()
        timers = self._timers
        while timers and timers[0][0] <= now:
            _, i, attempt = heappop(timers)
            self._due(i, attempt)
        self._alarm = self._loop.call_at(timers[0][0], self._ring) if timers else None

    def _due(self, i: int, attempt: int) -> None:
        state, now = self.state, self.world.clock.now()
        if i < 0:
            if state.stopping is None and state.finalizing is None and state.status not in ENDED:
                message = f"the run's timeout of {duration_text(state.plan.timeout)} is over"
                self.post(h.RunStopping(now, "timeout", "", message))
            return
        step, status = state.plan.steps[i], state.step_status[i]
        if attempt:
            if i in self._running and self._running[i][0] == attempt:
                self._late.add(i)
                self._running[i][1].cancel()
            elif step.kind in CONTAINERS and status is RUNNING:
                error = StepTimeoutError(step.id, step.timeout).failure()
                self.post(h.StepFailed(now, step.id, attempt, error))
        elif status is RETRYING:
            self.post(h.StepRetryDue(now, step.id))
        elif status is WAITING and i in state.approvals:
            error = StepTimeoutError(step.id, state.approvals[i].deadline - state.started_at[i]).failure()
            self.post(h.StepFailed(now, step.id, state.attempts[i], error))
        elif status is WAITING:
            waited = now - state.started_at[i]
            self.post(h.StepCompleted(now, step.id, state.attempts[i], {"by": "time", "waited": waited}))

    def _poll(self) -> None:
        """Requests of other processes."""
        try:
            for control in self.world.journal.controls():
                if control.verb == "cancel":
                    self.cancel(control.by, control.reason)
                else:
                    self._answer(control.step, control.verb, control.by, control.reason)
        except BaseException as error:  # noqa: BLE001 - as in a turn
            if not self._done.done():
                self._done.set_exception(error)
            return
        self._polling = self._loop.call_later(self.world.poll, self._poll)

    def _answer(self, step_id: str, verb: str, by: str, reason: str) -> None:
        if self.state.plan.number.get(step_id, -1) in self.state.approvals:
            self.decide(step_id, verb, by, reason)


def _key(fact: h.Event) -> tuple[str, int]:
    """What objects are attached by: the step and the attempt (0 for a decision)."""
    return getattr(fact, "step", ""), getattr(fact, "attempt", 0)


def replay(state: RunState, history: Iterable[h.Event]) -> RunState:
    """Fold a history that was recorded; what it asked for has been done or is asked for again by a resume."""
    handle = state.handle
    for fact in history:
        handle(fact)
    return state
