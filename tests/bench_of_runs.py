"""A bench to run workflows on: virtual time, a store in memory, scripted work, deaths at commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mplp_cli.engine.drive import Drive, replay
from mplp_cli.engine.world import World
from mplp_cli.errors import Problem
from mplp_cli.modules.catalogue import builtin_modules
from mplp_cli.modules.hub import Hub
from mplp_cli.protocols import Attempt, Journal, NewRun
from mplp_cli.store.memory import MemoryStore
from mplp_cli.workflow.conditions import BUILTIN_CONDITIONS
from mplp_cli.workflow.history import Event, RunStarted, StepRetrying, StepStarted
from mplp_cli.workflow.model import Workflow
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.planning import make_plan
from mplp_cli.workflow.state import RunState
from tests.virtual import CountingIds, VirtualClock

RUN = "11111111-1111-4111-8111-111111111111"


def workflow(steps: list[dict[str, Any]], **more: Any) -> Workflow:
    """A workflow document as the model."""
    return msgspec.convert({"id": "w", "name": "W", "version": "1.0.0", "steps": steps, **more}, Workflow)


def planned(steps: list[dict[str, Any]], **more: Any) -> Plan:
    """The plan of a workflow that is expected to have one."""
    plan, problems = make_plan(workflow(steps, **more), conditions=frozenset(BUILTIN_CONDITIONS))
    assert plan is not None, problems
    return plan


def problems_of(steps: list[dict[str, Any]], **more: Any) -> list[Problem]:
    """What planning a workflow finds."""
    return make_plan(workflow(steps, **more), conditions=frozenset(BUILTIN_CONDITIONS))[1]


class Died(BaseException):
    """The process dies at a commit."""


class DyingJournal:
    """A journal whose process dies at its n-th append, before or after it was stored."""

    def __init__(self, journal: Journal, left: int, *, after: bool) -> None:
        self._journal = journal
        self._left = left
        self._after = after

    def append(self, events: Sequence[Event], objects: Sequence[Any] = ()) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Died
        self._journal.append(events, objects)
        if self._left == 0:
            raise Died

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


@dataclass
class Work:
    """Scripted work of shell steps: the script is `ok`, `fail`, `fail N` (N times, then ok) or `sleep SECONDS`."""

    history: Callable[[], list[Event]]
    running: set[str] = field(default_factory=set)
    most: int = 0
    executed: list[str] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)

    async def __call__(self, attempt: Attempt) -> Any:
        step, (word, *rest) = attempt.step, attempt.body["script"].split()
        facts = self.history()
        begun = [f for f in facts if isinstance(f, StepStarted) and f.step == step and f.attempt == attempt.number]
        if not begun:
            self.breaches.append(f"{step} acted before its start was committed")
        if step in self.running:
            self.breaches.append(f"two attempts of {step} at once")
        self.running.add(step)
        self.most = max(self.most, len(self.running))
        self.executed.append(step)
        try:
            await asyncio.sleep(float(rest[0]) if word == "sleep" else 0.01)
        finally:
            self.running.discard(step)
        failed = sum(isinstance(f, StepRetrying) and f.step == step for f in facts)
        if word == "fail" and (not rest or failed < int(rest[0])):
            raise OSError("scripted failure")
        return {"output": step, "attempt": failed + 1}


class Bench:
    """Runs one workflow, as often as its process dies."""

    def __init__(self, plan: Plan, *, slots: int = 4, **world: Any) -> None:
        self.plan = plan
        self.clock = VirtualClock()
        self.store = MemoryStore(self.clock)
        self.slots = plan.workflow.max_parallel or slots
        self.world = world
        self.work = Work(self.history)
        self.told: list[Event] = []
        self.drive: Drive | None = None

    def history(self) -> list[Event]:
        """The facts that are committed."""
        return [fact for _, fact in self.store.history(RUN)]

    def start(self, inputs: dict[str, Any] | None = None, dies: tuple[int, bool] | None = None) -> RunState:
        """A new run."""
        now = self.clock.now()
        started = RunStarted(now, RUN, "w", inputs or {}, {}, "/", self.slots)
        new = NewRun(id=RUN, workflow_id="w", name="W", source=b"", source_name="w.yaml", source_dir="/", cwd="/",
                     plan=self.plan.stored(), created_at=now)
        journal = self.store.create_run(new, [started])
        state = RunState(self.plan)
        state.inputs = inputs or {}
        return self._drive(state, journal, started, dies)

    def resume(self, dies: tuple[int, bool] | None = None, before: Callable[[Drive], None] | None = None) -> RunState:
        """Take the run up again from what was stored."""
        journal = self.store.own_run(RUN, by="test")
        state = replay(RunState(self.plan), journal.read())
        return self._drive(state, journal, None, dies, before)

    def _drive(
        self, state: RunState, journal: Any, started: RunStarted | None, dies: tuple[int, bool] | None,
        before: Callable[[Drive], None] | None = None,
    ) -> RunState:
        if dies is not None:
            journal_used: Any = DyingJournal(journal, dies[0], after=dies[1])
        else:
            journal_used = journal
        self.work.running.clear()
        settings = {"poll": 1e9, "conditions": BUILTIN_CONDITIONS, **self.world}
        world = World(
            clock=self.clock, ids=CountingIds(), journal=journal_used,
            operations=Hub(builtin_modules(), self.store.objects, self.clock, CountingIds()),
            runners={"shell": self.work}, subscribers=[self.told.extend], **settings,
        )
        self.drive = drive = Drive(state, world)
        if before is not None:
            before(self.drive)
        try:
            return self.clock.run(lambda: drive.run(started))
        finally:
            journal.close()

    def replayed(self) -> RunState:
        """The state that the stored history alone gives."""
        return replay(RunState(self.plan), self.history())


def statuses(state: RunState) -> dict[str, str]:
    """Status by step id."""
    return {step.id: state.step_status[step.number] for step in state.plan.steps}


def run_steps(steps: list[dict[str, Any]], **more: Any) -> tuple[RunState, Bench]:
    """Run a workflow once, undisturbed."""
    bench = Bench(planned(steps, **more))
    return bench.start(), bench
