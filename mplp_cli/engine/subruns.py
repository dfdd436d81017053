"""The runs of sub-workflows: driven in the process and the event loop of their parent, each with its own history.

The id of a child is settled before it begins, so a parent that was lost takes up the same child again.
What a child asks a person parks it; its parent's step then waits, holds no slot, and is woken as soon as
the child has been given something to go on with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from mplp_cli.errors import RunBusyError, RunStateError, SubworkflowCancelledError, SubworkflowError
from mplp_cli.protocols import Attempt, Clock, Parked, RunRecord, Store
from mplp_cli.workflow.fold.history import Event, RunStopping
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import CANCELLED, COMPLETED, ENDED, FAILED, PAUSED
from mplp_cli.workflow.fold.subworkflows import question_of
from mplp_cli.workflow.values import Json, RunId, StepId


class Drivable(Protocol):
    """What asks a run to stop."""

    def cancel(self, by: str, message: str = "") -> None: ...
    def kill(self, by: str) -> None: ...
    def post(self, fact: Event) -> None: ...


class Subrun(Protocol):
    """A run that is ready to be driven."""

    @property
    def state(self) -> RunState: ...
    @property
    def drive(self) -> Drivable: ...
    @property
    def subruns(self) -> Subruns | None: ...
    async def go(self) -> RunState: ...


class Host(Protocol):
    """Makes runs ready. What it makes is held by this process until it has been driven."""

    def begin_child(self, attempt: Attempt) -> Subrun:
        """The new run `attempt.child`. InputError if the step's inputs do not fit."""
        ...

    def take_up_child(self, run_id: RunId, step: StepId) -> Subrun:
        """A run that is there already. RunBusyError if another process holds it."""
        ...

    def recorded(self, run_id: RunId) -> RunState:
        """A run as its history tells it."""
        ...


class Subruns:
    """The children of run `run_id`: the runner of `workflow` steps, and the `Subruns` of `protocols`."""

    def __init__(self, run_id: RunId, host: Host, store: Store, clock: Clock, poll: float = 0.1) -> None:
        self._run_id = run_id
        self._host = host
        self._store = store
        self._clock = clock
        self._poll = poll
        #: Children that have not ended, and the steps they are for.
        self._open: dict[RunId, StepId] = {
            child.id: child.relation.step
            for child in store.runs(child_of=run_id)
            if child.relation is not None and child.status not in ENDED
        }
        #: Those that are driven now.
        self._live: dict[RunId, Subrun] = {}
        #: Those that wait, with the last request that they have seen for sure.
        self._parked: dict[RunId, tuple[Subrun, int]] = {}
        self._abandoned = False
        #: Told of each child before it is driven, and before anybody else could hear of it.
        self.announce: Callable[[Subrun], None] = lambda child: None

    # ---- the runner

    async def run(self, attempt: Attempt) -> Json:
        """Drive the child of an attempt. Its outputs; Parked if only a person can take it on."""
        while (record := self._record(attempt.child)) is not None:
            if record.status in (COMPLETED, CANCELLED) or (record.status == FAILED and not attempt.again):
                self._open.pop(record.id, None)
                return _outcome(self._host.recorded(record.id))
            try:
                child = self._host.take_up_child(record.id, attempt.step)
            except (RunBusyError, RunStateError):  # somebody cancels it, and it alone
                await asyncio.sleep(self._poll)
            else:
                return await self._result(attempt, child, record.last_request)
        return await self._result(attempt, self._host.begin_child(attempt), 0)

    async def _result(self, attempt: Attempt, child: Subrun, heard: int) -> Json:
        self.announce(child)
        self._open[attempt.child] = attempt.step
        state = await self._driven(attempt.step, child)
        if state.status not in ENDED:
            self._parked[state.run_id] = child, heard
        return _outcome(state)

    def _record(self, run_id: RunId) -> RunRecord | None:
        return next(iter(self._store.find_runs(run_id)), None)

    async def _driven(self, step: StepId, child: Subrun) -> RunState:
        """Drive a child to its end. A stop is handed on to it, and takes effect when it has ended."""
        stopped = False
        try:
            async with asyncio.TaskGroup() as tasks:
                work = tasks.create_task(self._drive(child))
                while not work.done():
                    try:
                        await asyncio.shield(work)
                    except asyncio.CancelledError:
                        if self._abandoned or work.cancelled():
                            work.cancel()
                            raise
                        stopped = True
                        child.drive.cancel(self._by, f"step `{step}` was stopped")
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        if stopped:
            if child.state.status not in ENDED:  # a final step of it asks somebody: nobody waits for that
                await self.end(child.state.run_id, kill=True)
            raise asyncio.CancelledError
        return child.state

    async def _drive(self, child: Subrun) -> None:
        run_id = child.state.run_id
        self._live[run_id] = child
        try:
            await child.go()
        finally:
            del self._live[run_id]
        if child.state.status in ENDED:
            self._open.pop(run_id, None)

    @property
    def _by(self) -> str:
        return f"run {self._run_id}"

    # ---- for the driver

    def woken(self) -> list[StepId]:
        found = [run_id for run_id, (child, heard) in self._parked.items() if self._can_go_on(child, heard)]
        for run_id in found:
            del self._parked[run_id]
        return [self._open[run_id] for run_id in found if run_id in self._open]

    def resting(self) -> list[StepId]:
        found = [run_id for run_id, (child, _) in self._parked.items() if child.state.status == PAUSED]
        for run_id in found:
            del self._parked[run_id]
        return [self._open[run_id] for run_id in found if run_id in self._open]

    def _can_go_on(self, child: Subrun, heard: int) -> bool:
        state, now = child.state, self._clock.now()
        if any(state.due.get(i, now + 1) <= now for i in state.approvals):
            return True
        if child.subruns is not None and child.subruns.woken():
            return True
        record = self._record(state.run_id)
        return record is None or record.status != state.status or record.last_request > heard

    def left(self, is_over: Callable[[StepId], bool]) -> list[RunId]:
        return [run_id for run_id, step in self._open.items() if run_id not in self._live and is_over(step)]

    async def end(self, run_id: RunId, *, kill: bool) -> None:
        self._parked.pop(run_id, None)
        step = self._open.get(run_id, "")
        while (record := self._record(run_id)) is not None and record.status not in ENDED:
            try:
                child = self._host.take_up_child(run_id, step)
            except (RunBusyError, RunStateError):
                await asyncio.sleep(self._poll)
                continue
            self.announce(child)
            if kill:  # nothing of it runs yet
                now = self._clock.now()
                child.drive.post(RunStopping(now, "kill", self._by, f"step `{step}` was killed"))
            else:
                child.drive.cancel(self._by, f"step `{step}` is over")
            await self._drive(child)
            kill = True  # if it waits again, nobody will answer
        self._open.pop(run_id, None)

    def abandon(self) -> None:
        self._abandoned = True

    # ---- requests to the parent, handed on

    def each(self, act: Callable[[Any], None]) -> None:
        """Do something to the driver of every child that is driven now."""
        for child in list(self._live.values()):
            act(child.drive)

    def kill(self) -> None:
        """Stop every child that runs at once."""
        for child in list(self._live.values()):
            child.drive.kill(self._by)


def _outcome(state: RunState) -> Json:
    """What has become of a child: its outputs, or the error or the question of its parent's step."""
    match state.status:
        case "completed":
            return state.outputs or {}
        case "failed":
            raise _failure(state)
        case "cancelled":
            raise _cancelled(state)
        case _:
            raise Parked(question_of(state))


def _failure(state: RunState) -> SubworkflowError:
    """Why a run failed, as the failure of its parent's step."""
    plan, error = state.plan, state.error
    failed = [s.id for s in plan.steps if state.step_status[s.number] is FAILED and not s.children]
    said = error.message if error is not None else "no reason was recorded"
    details: dict[str, Any] = {"runId": state.run_id, "workflowId": plan.workflow.id}
    if failed:
        details["failedSteps"] = failed[:8]
    if error is not None:
        details["error"] = {"type": error.type, "message": error.message}
    return SubworkflowError(f"run {state.run_id} of `{plan.workflow.id}` failed: {said}", details=details)


def _cancelled(state: RunState) -> SubworkflowCancelledError:
    """A run that was cancelled for itself, as the failure of its parent's step."""
    stopping = state.stopping
    why = (stopping.message or f"by {stopping.by}") if stopping is not None else ""
    return SubworkflowCancelledError(
        f"run {state.run_id} of `{state.plan.workflow.id}` was cancelled" + (f": {why}" if why else ""),
        details={"runId": state.run_id, "workflowId": state.plan.workflow.id},
    )
