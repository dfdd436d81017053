"""Attempts with effects: each is a task, or an errand, that ends in exactly one fact."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial

from mplp_cli.engine.caching import keep_of
from mplp_cli.engine.consulting import Consultation, Filled
from mplp_cli.engine.errands import Errands
from mplp_cli.engine.keeping import kept
from mplp_cli.engine.people import caller_of
from mplp_cli.engine.world import World
from mplp_cli.errors import (
    Failure,
    LostOwnershipError,
    StepTimeoutError,
    StoreError,
    UnsupportedStepTypeError,
    failure_of,
)
from mplp_cli.protocols import Attempt, Errand, Parked, Runner, Subruns
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import ENDED
from mplp_cli.workflow.fold.subworkflows import KIND, child_id
from mplp_cli.workflow.language.templates import fill
from mplp_cli.workflow.plan import PlanStep
from mplp_cli.workflow.resources import Usage
from mplp_cli.workflow.values import Json, RunId, StepId

Post = Callable[[h.Event], None]
Fail = Callable[[PlanStep, int, Failure, Usage | None], None]


class Attempts:
    """The attempts that run now. Ends are posted as facts; failures go to `fail`, which judges them; what an operation
    has learnt from agents goes to `filled`."""

    def __init__(
        self,
        state: RunState,
        world: World,
        tasks: asyncio.TaskGroup,
        post: Post,
        fail: Fail,
        filled: list[Filled],
        wake: Callable[[], None],
    ) -> None:
        self._state = state
        self._world = world
        self._scope = RunScope(state, world.secrets)
        self._tasks = tasks
        self._post = post
        self._fail = fail
        self._filled = filled
        self._wake = wake
        #: Runs of sub-workflows that are brought to their end, because their step is over.
        self._leaving: set[RunId] = set()
        self.errands = Errands(world.runners, tasks)
        #: Step number -> (attempt, how it is stopped).
        self._running: dict[int, tuple[int, Callable[[], object]]] = {}
        #: What the processes of each have used so far.
        self._usage: dict[int, Usage] = {}
        #: Steps whose task has not had its first turn: such a task would end without a word.
        self._fresh: set[int] = set()
        #: Steps whose attempt was told to stop; those of them whose time was over.
        self._told: set[int] = set()
        self._late: set[int] = set()
        self._closed = False
        #: The beginning of what idempotency keys are made of.
        self._key = hashlib.sha256(f"{state.run_id}\0".encode())

    async def close(self, over: asyncio.Future[None]) -> None:
        """The drive is over: what still runs is stopped, and ends without a word."""
        self._drop()
        if over.done() and not over.cancelled() and isinstance(over.exception(), LostOwnershipError):
            self._world.kill()  # without grace: who took the run over starts them again
        for _, stop in list(self._running.values()):  # none, unless the drive has failed
            stop()
        await self.errands.close()

    def _drop(self) -> None:
        """The process gives the run up; what still runs is dropped."""
        self._closed = True
        self.errands.drop()
        if self._world.subruns is not None:
            self._world.subruns.abandon()

    def begin(self, step: PlanStep, attempt: int, body: Json) -> None:
        """Start the work of an attempt whose start is committed."""
        if (starter := self.errands.starter(step)) is None:
            task = self._tasks.create_task(self._work(step, attempt, body))
            self._running[step.number] = attempt, task.cancel
            self._fresh.add(step.number)
            return
        try:
            made = self._attempt(step, attempt, body)
            errand = self.errands.begin(starter, made, partial(self._settle, step, attempt))
        except Exception as error:  # noqa: BLE001 - whatever a runner raises is the step's failure
            self._fail(step, attempt, self._masked(failure_of(error)), None)
        else:
            self._running[step.number] = attempt, partial(self.errands.stop, errand)

    def _settle(self, step: PlanStep, attempt: int, errand: Errand) -> None:
        """An errand is over."""
        is_stopped = step.number in self._told
        try:
            result = errand.result()
            if not is_stopped:
                self._completed(step, attempt, result)
        except Exception as error:  # noqa: BLE001 - the same
            if not is_stopped:
                self._fail(step, attempt, self._masked(failure_of(error)), self._used(step))
        if is_stopped:
            self._stopped(step, attempt)
        self._forget(step.number)

    def stop(self, number: int) -> None:
        """Stop the attempt of a step, if one runs."""
        if number in self._running and number not in self._told:
            self._told.add(number)
            attempt, stop = self._running[number]
            stop()
            if number in self._fresh:
                self._stopped(self._state.plan.steps[number], attempt)
                self._forget(number)

    def expire(self, number: int, attempt: int) -> None:
        """The time of an attempt is over, if it still runs."""
        if number in self._running and self._running[number][0] == attempt and number not in self._told:
            self._late.add(number)
            self.stop(number)

    def leaving(self) -> bool:
        """Whether runs of sub-workflows are left whose steps are over; they are brought to their end."""
        if (subruns := self._world.subruns) is None:
            return False
        for run_id in subruns.left(self._is_over):
            if run_id not in self._leaving:
                self._leaving.add(run_id)
                self._tasks.create_task(self._leave(subruns, run_id))
        return bool(self._leaving)

    def _is_over(self, step: StepId) -> bool:
        i = self._state.plan.number.get(step)
        return i is None or self._state.step_status[i] in ENDED

    async def _leave(self, subruns: Subruns, run_id: RunId) -> None:
        try:
            await subruns.end(run_id, kill=self._state.killed)
        except Exception:  # whatever it is, this process cannot go on, and says so
            self._drop()
            raise
        self._leaving.discard(run_id)
        self._wake()

    async def _work(self, step: PlanStep, attempt: int, body: Json) -> None:
        self._fresh.discard(step.number)
        try:
            runner = self._world.runners.get(step.kind)
            if runner is None and step.target is not None:
                filled = await self._consult(step, attempt, body)
                if step.number not in self._late:
                    self._filled.append((step, attempt, filled, self._used(step)))
                    self._wake()
                    return
            if runner is None:
                raise UnsupportedStepTypeError(f"nothing runs steps of type `{step.kind}`")
            made = self._attempt(step, attempt, body)
            result = await (self._keep(runner, made) if made.artifacts else runner(made))
            if step.number in self._late:  # it paid no heed; what it gives now is thrown away
                self._fail(step, attempt, _timeout(step), self._used(step))
            else:
                self._completed(step, attempt, result)
        except asyncio.CancelledError:
            if self._closed:
                raise
            self._stopped(step, attempt)
        except Parked as parked:
            now, used = self._world.clock.now(), self._used(step)
            self._post(h.StepWaiting(now, step.id, attempt, approval=parked.question, usage=used))
        except (StoreError, LostOwnershipError):  # of a sub-workflow: this process cannot go on
            self._drop()
            raise
        except Exception as error:  # noqa: BLE001 - whatever a runner raises is the step's failure
            late = step.number in self._late
            failure = _timeout(step) if late else self._masked(failure_of(error))
            self._fail(step, attempt, failure, self._used(step))
        finally:
            self._forget(step.number)

    def _completed(self, step: PlanStep, attempt: int, result: Json) -> None:
        """An attempt has given this, which may be nothing that can be kept."""
        result = kept(step, result, self._world)
        now, used = self._world.clock.now(), self._used(step)
        keep = keep_of(step, self._scope.at(step), now) if step.cache is not None else None
        self._post(h.StepCompleted(now, step.id, attempt, result, keep=keep, usage=used))

    async def _consult(self, step: PlanStep, attempt: int, body: Json) -> Json:
        """The parameters of a module operation, with what agents have said filled in."""
        assert step.target is not None
        advisers = Consultation(self._attempt(step, attempt, body), self._state, self._world, self._post)
        caller = caller_of(self._state, step)
        filled = await self._world.operations.consult(*step.target, body, caller, advisers)
        return dict(filled)

    async def _keep(self, runner: Runner, attempt: Attempt) -> Json:
        """What the work gives; the files that it leaves are kept, also if it failed or was stopped."""
        keep = self._world.keep_files
        try:
            result = await runner(attempt)
        except (Exception, asyncio.CancelledError):
            if keep is not None and not self._closed and not self._state.killed:
                await keep(attempt, True)
            raise
        if keep is not None:
            await keep(attempt, False)
        return result

    def _forget(self, number: int) -> None:
        self._running.pop(number, None)
        self._usage.pop(number, None)
        for known in (self._fresh, self._told, self._late):
            known.discard(number)

    def _stopped(self, step: PlanStep, attempt: int) -> None:
        """An attempt was stopped by us: its time was over, or the run or its container ended."""
        if step.number in self._late:
            self._fail(step, attempt, _timeout(step), self._used(step))
            return
        now, reason = self._world.clock.now(), self._state.doomed(step.number) or "it was stopped"
        self._post(h.StepCancelled(now, step.id, attempt, reason, self._used(step)))

    def _used(self, step: PlanStep) -> Usage | None:
        return self._usage.get(step.number)

    def _measured(self, number: int, usage: Usage) -> None:
        """A process of the attempt of a step has ended."""
        before = self._usage.get(number)
        self._usage[number] = usage if before is None else before + usage

    def _masked(self, failure: Failure) -> Failure:
        mask = self._world.mask
        return Failure(
            type=failure.type,
            message=mask(failure.message),
            details=mask(failure.details),
            retryable=failure.retryable,
        )

    def _attempt(self, step: PlanStep, attempt: int, body: Json) -> Attempt:
        state, env, run_trace = self._state, self._world.environ, self._world.trace
        trace = None if run_trace is None else run_trace.attempt(step.id, attempt)
        if trace is not None and "TRACEPARENT" not in state.env:
            env = {**env, **trace.environ()}
        if isinstance(body, dict) and body.get("env"):
            env = {**env, **{name: str(value) for name, value in body["env"].items()}}
        key = self._key.copy()
        key.update(step.id.encode())
        return Attempt(
            run=state.run_id,
            workflow=state.plan.workflow.id,
            step=step.id,
            number=attempt,
            timeout=step.timeout,
            cwd=state.cwd,
            env=env,
            body=body,
            idempotency_key=key.hexdigest()[:32],
            output=self._world.output,
            child=child_id(state, step.id) if step.kind == KIND else "",
            again=step.id in state.renewals.again,
            artifacts=fill(step.artifacts, self._scope.at(step)) or [],
            reply=state.replies.get(step.number),
            parts=() if state.room is None else state.room.stock.parts(step.number),
            demand=step.demand,
            trace=trace,
            measured=partial(self._measured, step.number),
        )


def _timeout(step: PlanStep) -> Failure:
    return StepTimeoutError(step.id, step.timeout).failure()
