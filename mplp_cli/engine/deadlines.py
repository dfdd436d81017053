"""One heap for every deadline of a run: one that is not needed costs a push and a lazy pop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush

from mplp_cli.engine.keeping import kept
from mplp_cli.engine.people import expired, unanswered
from mplp_cli.engine.waiting import is_cut_short
from mplp_cli.engine.world import World
from mplp_cli.errors import Failure, StepError, StepTimeoutError
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.commands import WHOLE_RUN
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.fold.statuses import RETRYING, RUNNING, WAITING
from mplp_cli.workflow.plan import CONTAINERS, PlanStep
from mplp_cli.workflow.values import duration_text


class Deadlines:
    """Calls `due(step number, mark)` when the time of a deadline is over. It never holds what it times.

    The mark tells what the deadline was for, so that one which is out of date can be told from a new one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, due: Callable[[int, int], None]) -> None:
        self._loop = loop
        self._due = due
        self._heap: list[tuple[float, int, int]] = []
        #: What is armed to a moment (a negative mark), so that it rings once.
        self._armed: set[tuple[int, int]] = set()
        self._alarm: asyncio.TimerHandle | None = None

    def set(self, number: int, mark: int, ms: float) -> None:
        """A deadline `ms` milliseconds from now."""
        if mark < 0:
            if (number, mark) in self._armed:
                return
            self._armed.add((number, mark))
        at = self._loop.time() + ms / 1000
        if not self._heap or at < self._heap[0][0]:
            self.close()
            self._alarm = self._loop.call_at(at, self._ring)
        heappush(self._heap, (at, number, mark))

    def close(self) -> None:
        """Call nothing any more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _ring(self) -> None:
        now, heap = self._loop.time(), self._heap
        while heap and heap[0][0] <= now:
            _, number, mark = heappop(heap)
            self._armed.discard((number, mark))
            self._due(number, mark)
        self._alarm = self._loop.call_at(heap[0][0], self._ring) if heap else None


def rang(i: int, due: int, scope: RunScope, world: World) -> h.Event | Failure | None:
    """What follows when `due`, to which step `i` or the whole run was armed, has come; None if nothing does."""
    state = scope.state
    if i == WHOLE_RUN:
        if state.stopping is not None or state.finalizing is not None:
            return None
        limit = duration_text(state.plan.timeout)
        return h.RunStopping(world.clock.now(), "timeout", "", f"the run's timeout of {limit} is over")
    if state.due.get(i) != due:
        return None
    if state.pausing is not None and state.step_status[i] in (RETRYING, WAITING):
        return None  # it is armed again when the run goes on
    step = state.plan.steps[i]
    if step.kind in CONTAINERS and state.step_status[i] is RUNNING and i not in state.open:
        return None  # it waits for a lane since the run was resumed, and is armed again when it goes on
    return time_came(step, scope.at(step), world)


def time_came(step: PlanStep, scope: RunScope, world: World) -> h.Event | Failure:
    """What follows when a retry, a wait, an iteration, an answer or the end of a container is due."""
    state, i, now = scope.state, step.number, world.clock.now()
    status, attempt = state.step_status[i], state.attempts[i]
    timeout = StepTimeoutError(step.id, step.timeout).failure()
    if status is RETRYING or step.kind == "item":
        return h.StepRetryDue(now, step.id)
    if status is RUNNING:
        return h.StepFailed(now, step.id, attempt, timeout)
    if i in state.approvals:
        return unanswered(step, now) if state.approvals[i].own else expired(step, state, now)
    if step.kind == "approval":  # the answer was no, or there was none
        return state.errors[i]
    if i in state.awaited or is_cut_short(step, scope, state.due[i]):
        return timeout
    result = {"by": "time", "waited": now - state.started_at[i]}
    try:
        return h.StepCompleted(now, step.id, attempt, kept(step, result, world))
    except StepError as error:
        return error.failure()
