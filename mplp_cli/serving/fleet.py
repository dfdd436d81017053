"""The runs of a server: stored at once, driven a few at a time in this loop, taken up where an earlier one left them.

A queued run is owned by this process, so that nobody takes it for a lost one. A run in which nothing is at work (it
waits for a time, an event or its turn) takes up no place among those that are driven at once. A run that only a person
can take on is left to nobody (parked), and taken up when an answer or a request is there, or a deadline comes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Literal

from mplp_cli.errors import (
    LostOwnershipError,
    MplpError,
    QueueFullError,
    RunBusyError,
    RunExistsError,
    RunStateError,
)
from mplp_cli.meanwhile import driven
from mplp_cli.protocols import RunRecord, Standing
from mplp_cli.running import Run, Screen
from mplp_cli.serving.contract import Driven, Served
from mplp_cli.serving.parked import Lot, known
from mplp_cli.sources import read_secrets
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.published import Cause
from mplp_cli.workflow.values import RunId

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime

#: Runs that are driven at once, and those that may wait for that, unless a server is told otherwise.
MOST_AT_ONCE = 8
LONGEST_QUEUE = 1_000
#: Seconds that running steps may take to finish when the server stops.
GRACE = 30.0
#: Seconds between two looks at what has changed.
POLL = 0.2
#: Who pauses the runs of a server that stops; the next server takes those up again.
STOPS = "mplp serve"
#: How often a run is taken up again that could not be driven, and the seconds before that.
_TRIES = 3
_PAUSE = 5.0
State = Literal["queued", "driving", "parked"]
_FILES = 65_536
_ALL = 1 << 31


@dataclass(kw_only=True)
class _Driven:
    """A run that this process owns."""

    run: Run
    workflow: str
    #: Whether it was handed to the loop; whether nothing of it is at work.
    begun: bool = False
    rests: bool = False
    #: Whether it waits for its turn under a concurrency key.
    queues: bool = False
    task: asyncio.Task[None] | None = None


@dataclass(kw_only=True)
class _Left:
    """A run that is to be taken up: one of an earlier server, or one that could not be driven. `due` (ms)."""

    run: RunId
    tries: int = 0
    due: int = 0


@dataclass(kw_only=True)
class Limits:
    """How much a server does at once."""

    at_once: int = MOST_AT_ONCE
    queue: int = LONGEST_QUEUE
    grace: float = GRACE


@dataclass(kw_only=True)
class LocalFleet:
    """The `Fleet` of one process and event loop. `tell`: what the server says of a run that could not be driven."""

    runtime: Runtime
    secrets_file: str | None = None
    limits: Limits = field(default_factory=Limits)
    tell: Callable[[RunId, Exception], None] = lambda run, error: None
    #: What watches the runs.
    screen: Callable[[], Screen] = Screen

    def __post_init__(self) -> None:
        self._owned: dict[RunId, _Driven] = {}
        #: (minus priority, number, run) of those that have not begun.
        self._queue: list[tuple[int, int, RunId]] = []
        self._lot = Lot(self.runtime)
        self._left: deque[_Left] = deque()
        self._number = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._stopping = False

    # ---- what others ask

    def start(
        self,
        served: Served,
        inputs: Mapping[str, Any],
        cause: Cause,
        *,
        run_id: RunId | None = None,
        priority: int = 0,
    ) -> RunId:
        """Store a run and drive it when it is its turn; its id."""
        from mplp_cli.loading import resolve_inputs

        if run_id is not None and known(self.runtime.store, run_id) is not None:
            return run_id
        self._refuse_more()
        resolved = resolve_inputs(served.plan.workflow, inputs)
        secrets = read_secrets(served.plan.secrets, self.runtime.environ, self.secrets_file)
        self.runtime.priority = priority
        screen, own = self._watched()
        try:
            run = self.runtime.start(
                served.source, served.plan, resolved, secrets, screen, cause=cause, run_id=run_id
            )
        except RunExistsError as error:  # another process was faster
            return str(error.details["runId"])
        self._enqueue(run, own, priority)
        return run.state.run_id

    def take_up(self, run_id: RunId) -> None:
        """Go on with a paused, interrupted, waiting or failed run. RunBusyError, RunStateError."""
        self._refuse_more()
        screen, own = self._watched()
        run = self.runtime.take_up(run_id, screen, self.secrets_file)
        self._lot.runs.pop(run_id, None)
        self._enqueue(run, own, run.state.priority)

    def runs(self) -> Sequence[Driven]:
        """Those of now."""
        found = []
        for run_id, one in self._owned.items():
            waits = not one.begun or one.queues
            state: State = "queued" if waits else "parked" if one.rests else "driving"
            found.append(Driven(run=run_id, workflow=one.workflow, state=state))
        parked = [
            Driven(run=run, workflow=one.workflow, state="parked") for run, one in self._lot.runs.items()
        ]
        return [*found, *parked]

    @property
    def waiting(self) -> int:
        """How many runs wait until fewer are at work."""
        return len(self._queue) + sum(one.queues for one in self._owned.values())

    def _refuse_more(self) -> None:
        if self._stopping:
            raise QueueFullError("the server stops, and takes no more runs")
        if self.waiting >= self.limits.queue:
            raise QueueFullError(
                f"{self.waiting:,} runs wait already, which is as many as may",
                hint="try again when some of them have ended",
                details={"waiting": self.waiting, "limit": self.limits.queue},
            )

    def _watched(self) -> tuple[Screen, _Driven]:
        """A screen that also tells whether the run waits for its turn."""
        own = _Driven(run=None, workflow="")  # type: ignore[arg-type]  # the run is made with the screen
        screen = self.screen()

        def waits(standing: Standing) -> None:
            own.queues = standing.position > 0
            screen.waits(standing)

        return replace(screen, waits=waits), own

    def _enqueue(self, run: Run, own: _Driven, priority: int) -> None:
        own.run, own.workflow = run, run.plan.workflow.id
        self._number += 1
        self._owned[run.state.run_id] = own
        heappush(self._queue, (-priority, self._number, run.state.run_id))
        self._fill()

    # ---- the loop

    async def work(self) -> None:
        """Drive, until cancelled; takes up first what an earlier server has left."""
        _allow_files()
        self._find_left()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._fill()
                try:
                    while True:
                        self._look()
                        await asyncio.sleep(POLL)
                except asyncio.CancelledError:
                    await self._stop()
                    raise
        finally:
            self._tasks = None

    def _fill(self) -> None:
        """Begin queued runs as long as fewer are at work than may be."""
        if self._tasks is None or self._stopping:
            return
        at_work = sum(one.begun and not one.rests and not one.queues for one in self._owned.values())
        while self._queue and at_work < self.limits.at_once:
            _, _, run_id = heappop(self._queue)
            own = self._owned[run_id]
            own.begun = True
            own.task = self._tasks.create_task(self._drive(run_id, own))
            at_work += 1

    async def _drive(self, run_id: RunId, own: _Driven) -> None:
        """Drive one run; whatever becomes of it, the others go on."""
        try:
            state = await driven(self.runtime, own.run, project=False)
        except LostOwnershipError:  # who took it over drives it on
            self._owned.pop(run_id, None)
        except Exception as error:  # noqa: BLE001 - it is told, and the run is taken up again
            self._owned.pop(run_id, None)
            self._failed(_Left(run=run_id), error)
        else:
            del self._owned[run_id]
            if state.status == "waiting" or (state.status == "paused" and not self._stopping):
                self._park(run_id, own.workflow)
        finally:
            self._owned.pop(run_id, None)
            self._fill()

    def _failed(self, left: _Left, error: Exception) -> None:
        """A run could not be driven, or not be taken up: it is tried again a few times."""
        self.tell(left.run, error)
        left.tries += 1
        if left.tries <= _TRIES:
            left.due = self.runtime.clock.now() + round(_PAUSE * 1000)
            self._left.append(left)

    def _look(self) -> None:
        """See who rests, which parked run goes on, and who is left to be taken up."""
        for one in self._owned.values():
            one.rests = one.begun and _rests(one)
        for run_id in self._lot.woken():
            self._go_on(run_id)
        now = self.runtime.clock.now()
        for _ in range(len(self._left)):
            if len(self._queue) >= self.limits.at_once:
                break  # the others stay where they are, and are taken up as places become free
            left = self._left.popleft()
            if left.due > now:
                self._left.append(left)
            else:
                self._take_left(left)
        self._fill()

    def _take_left(self, left: _Left) -> None:
        try:
            self.take_up(left.run)
        except (RunBusyError, RunStateError):
            pass  # somebody else has it, or it has ended
        except QueueFullError:
            self._left.append(left)
        except MplpError as error:
            self._failed(left, error)

    # ---- parked runs

    def _park(self, run_id: RunId, workflow: str) -> None:
        try:
            self._lot.park(run_id, workflow)
        except MplpError as error:
            self.tell(run_id, error)

    def _go_on(self, run_id: RunId) -> None:
        try:
            self.take_up(run_id)
        except (RunBusyError, QueueFullError):
            pass  # the next look is soon
        except MplpError as error:  # it cannot be taken up, so there is nothing to wait for
            del self._lot.runs[run_id]
            self._failed(_Left(run=run_id), error)

    # ---- what earlier servers have left

    def _find_left(self) -> None:
        """Find the runs that an earlier server was driving, the oldest first, and those that wait for a person."""
        left: list[RunRecord] = []
        for status in ("pending", "running", "paused", "waiting"):
            for one in self.runtime.store.runs(status=status, children=False, limit=_ALL):
                if one.cause is None or one.id in self._owned:
                    continue
                if status == "waiting" or (status == "paused" and self._paused_by(one.id) != STOPS):
                    self._park(one.id, one.workflow_id)
                elif not one.owned:
                    left.append(one)
        self._left.extend(_Left(run=one.id) for one in sorted(left, key=lambda one: one.created_at))

    def _paused_by(self, run_id: RunId) -> str:
        by = ""
        for _, fact in self.runtime.store.history(run_id):
            if isinstance(fact, h.RunPausing):
                by = fact.by
        return by

    # ---- the end

    async def _stop(self) -> None:
        """Let running steps finish as long as the grace lasts; what is left then is lost to this process, and goes on
        in the next."""
        from mplp_cli.engine.requests import pause

        self._stopping = True
        while self._queue:
            _, _, run_id = heappop(self._queue)
            with suppress(MplpError):
                self._owned.pop(run_id).run.leave()
        deadline = self.runtime.clock.monotonic() + self.limits.grace
        for one in list(self._owned.values()):
            if one.task is None or one.queues or _rests(one):
                if one.task is not None:
                    one.task.cancel()
            else:
                pause(one.run.drive, STOPS, "the server stops")
        while self._owned and self.runtime.clock.monotonic() < deadline:  # noqa: ASYNC110 - they end one by one
            await asyncio.sleep(0.05)
        for one in list(self._owned.values()):
            if one.task is not None:
                one.task.cancel()


def _rests(one: _Driven) -> bool:
    """Whether nothing of a run is at work, and it has not ended: it waits for a time or an event."""
    state = one.run.state
    return (
        state.status == "running" and not state.holding and bool(state.due or state.awaited or state.asking)
    )


def _allow_files() -> None:
    """Every run that is owned has a file open: allow this process as many as the system lets it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
