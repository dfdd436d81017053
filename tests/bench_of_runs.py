"""A bench to run workflows on: virtual time, a store in memory, scripted work, deaths at commits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mplp_cli.engine.drive import Drive
from mplp_cli.engine.sharing import Sharing
from mplp_cli.engine.world import World
from mplp_cli.errors import Problem
from mplp_cli.loading.values import misfits
from mplp_cli.modules.catalogue import builtin_modules, call_asks_agents
from mplp_cli.modules.hub import Hub
from mplp_cli.protocols import Attempt, Journal, NewRun, ProtocolObject
from mplp_cli.store.memory import MemoryStore
from mplp_cli.workflow.fold.history import (
    Event,
    RunResumed,
    RunStarted,
    StepFailed,
    StepRetrying,
    StepsClaimed,
    StepStarted,
    StepWaiting,
    Turn,
)
from mplp_cli.workflow.fold.room import Room
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.language.conditions import BUILTIN_CONDITIONS
from mplp_cli.workflow.model import Workflow
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.planning.make import make_plan
from mplp_cli.workflow.resources import Parts, Pool
from mplp_cli.workflow.revision.telling import replay
from tests.virtual import CountingIds, VirtualClock

RUN = "11111111-1111-4111-8111-111111111111"


def workflow(steps: list[dict[str, Any]], **more: Any) -> Workflow:
    """A workflow document as the model; `fail_fast=...` is written `fail-fast`."""
    more = {key.strip("_").replace("_", "-"): value for key, value in more.items()}
    return msgspec.convert({"id": "w", "name": "W", "version": "1.0.0", "steps": steps, **more}, Workflow)


def planned(steps: list[dict[str, Any]], **more: Any) -> Plan:
    """The plan of a workflow that is expected to have one."""
    plan, problems = make_plan(
        workflow(steps, **more), conditions=frozenset(BUILTIN_CONDITIONS), asks_agents=call_asks_agents
    )
    assert plan is not None, problems
    return plan


def problems_of(steps: list[dict[str, Any]], **more: Any) -> list[Problem]:
    """What planning a workflow finds."""
    made = workflow(steps, **more)
    return make_plan(made, conditions=frozenset(BUILTIN_CONDITIONS), signatures=lambda _m, _o: None)[1]


class Died(BaseException):
    """The process dies at a commit."""


class DyingJournal:
    """A journal whose process dies at its n-th append, before or after it was stored."""

    def __init__(self, journal: Journal, left: int, *, after: bool) -> None:
        self._journal = journal
        self._left = left
        self._after = after

    def append(self, *args: Any, **more: Any) -> None:
        self._write(self._journal.append, *args, **more)

    def park(self, *args: Any, **more: Any) -> bool:
        return bool(self._write(self._journal.park, *args, **more))

    def _write(self, write: Callable[..., Any], *args: Any, **more: Any) -> Any:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Died
        done = write(*args, **more)
        if self._left == 0:
            raise Died
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


@dataclass
class Work:
    """Scripted work of shell steps. The script is one of

    ok, fail, fail N      done after 10 ms; `fail N` fails N times, then it is well
    sleep SECONDS         done after that long
    linger SECONDS N      as `sleep`, but it takes N seconds to stop
    deaf SECONDS          as `sleep`, but it cannot be stopped and ends with a result
    sour SECONDS          as `sleep`, but it fails when it is stopped
    """

    #: The committed facts from a number on.
    history: Callable[[int], list[Event]]
    running: set[str] = field(default_factory=set)
    most: int = 0
    executed: list[str] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    #: What the attempts hold that are at work, and how a step's is found; what there is, by kind and unit.
    held: dict[str, Parts] = field(default_factory=dict)
    parts: Callable[[str], Parts] = lambda step: ()
    capacity: dict[tuple[str, str], int] = field(default_factory=dict)
    #: The work of other runs that have the same pool.
    beside: Sequence[Work] = ()
    _read: int = 0
    _begun: set[tuple[str, int]] = field(default_factory=set)
    _claimed: set[str] = field(default_factory=set)
    _failed: Counter[str] = field(default_factory=Counter)

    async def __call__(self, attempt: Attempt) -> Any:
        step, (word, *rest) = attempt.step, attempt.body["script"].split()
        self._catch_up()
        failed = self._failed[step]
        if (step, attempt.number) not in self._begun and step not in self._claimed:
            self.breaches.append(f"{step} acted before its start was committed")
        if step in self.running:
            self.breaches.append(f"two attempts of {step} at once")
        self.running.add(step)
        self.most = max(self.most, len(self.running))
        self.held[step] = self.parts(step)
        self._check_units()
        self.executed.append(step)
        try:
            await self._pass_time(word, [float(number) for number in rest])
        finally:
            self.running.discard(step)
            self.held.pop(step, None)
        if word == "fail" and (not rest or failed < int(rest[0])):
            raise OSError("scripted failure")
        return {"output": step, "attempt": failed + 1}

    def _check_units(self) -> None:
        used: Counter[tuple[str, str]] = Counter()
        for parts in [parts for work in (self, *self.beside) for parts in work.held.values()]:
            for kind, unit, amount in parts:
                used[kind, unit] += amount
        full = [unit for unit, capacity in self.capacity.items() if used[unit] > capacity]
        self.breaches.extend(f"too much of {unit}" for unit in full)

    def _catch_up(self) -> None:
        new = self.history(self._read)
        self._read += len(new)
        self._begun.update((f.step, f.attempt) for f in new if isinstance(f, StepStarted))
        for fact in new:
            if isinstance(fact, RunResumed):
                self._claimed.clear()  # a claim is good for the process that made it
            elif isinstance(fact, StepsClaimed):
                self._claimed.update(fact.steps)
        self._failed.update(getattr(f, "step", "") for f in new if _says_failed(f))

    async def _pass_time(self, word: str, numbers: list[float]) -> None:
        seconds = 0.01 if word in ("ok", "fail") else numbers[0]
        until = asyncio.get_running_loop().time() + seconds
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if word == "sour":
                raise OSError("it did not like to be stopped") from None
            if word == "linger":
                await asyncio.sleep(numbers[1])
            if word != "deaf":
                raise
            await asyncio.sleep(until - asyncio.get_running_loop().time())


def _says_failed(fact: Event) -> bool:
    """Whether the fact says that an attempt failed."""
    return isinstance(fact, StepRetrying | StepFailed) or (
        isinstance(fact, StepWaiting) and fact.approval is not None
    )


#: What happens to a run from outside: after how many seconds, and what is done to its drive.
Intervention = tuple[float, Callable[[Drive], None]]


class Bench:
    """Runs one workflow, as often as its process dies; `after` is one whose store and time it goes on with."""

    def __init__(
        self,
        plan: Plan,
        *,
        slots: int = 4,
        after: Bench | None = None,
        pool: Pool | None = None,
        **world: Any,
    ) -> None:
        self.plan = plan
        self.clock: VirtualClock = VirtualClock() if after is None else after.clock
        self.store: MemoryStore = MemoryStore(self.clock) if after is None else after.store
        self.run: str = RUN if after is None else f"{int(after.run[0]) + 1}{RUN[1:]}"
        self.slots = plan.workflow.max_parallel or slots
        self.pool = pool
        self.world = world
        self.work = Work(lambda after: [fact for _, fact in self.store.history(self.run, after - 1)])
        self.told: list[Event] = []
        #: What is done to the drive when that many facts have been told.
        self.acts: dict[int, Callable[[Drive], None]] = {}
        #: The same facts, commit by commit.
        self.commits: list[list[Event]] = []
        self.drive: Drive | None = None
        #: The place that a new run needs before it begins.
        self.turn: Turn | None = None
        self.ids = CountingIds()
        #: The modules, as the process that drives the run knows their objects.
        self.hub = self._modules()
        #: What drives it, on a loop of its own; see `side_by_side`.
        self.drives: Callable[[Callable[[], Coroutine[Any, Any, RunState]]], RunState] = self.clock.run

    def history(self) -> list[Event]:
        """The facts that are committed."""
        return [fact for _, fact in self.store.history(self.run)]

    def start(
        self,
        inputs: dict[str, Any] | None = None,
        dies: tuple[int, bool] | None = None,
        during: Sequence[Intervention] = (),
    ) -> RunState:
        """A new run."""
        now = self.clock.now()
        started = RunStarted(now, self.run, "w", inputs or {}, {}, "/", self.slots, self.turn)
        new = NewRun(
            id=self.run,
            workflow_id="w",
            name="W",
            source=b"",
            source_name="w.yaml",
            source_dir="/",
            cwd="/",
            plan=self.plan.stored(),
            created_at=now,
        )
        journal = self.store.create_run(new, [started])
        state = RunState(self.plan)
        state.inputs = inputs or {}
        return self._drive(state, journal, started, dies, None, during)

    def resume(
        self,
        dies: tuple[int, bool] | None = None,
        before: Callable[[Drive], None] | None = None,
        during: Sequence[Intervention] = (),
        begin: RunResumed | None = None,
    ) -> RunState:
        """Take the run up again from what was stored."""
        journal = self.store.own_run(self.run, by="test")
        state = replay(RunState(self.plan), journal.read())
        return self._drive(state, journal, begin, dies, before, during)

    def whole_in_spite_of(self, dies: tuple[int, bool]) -> RunState:
        """A new run whose process dies at a commit, taken up again if that was not its last."""
        try:
            return self.start(dies=dies)
        except Died:
            left = self.replayed()
            return left if left.ended else self.resume()

    def _drive(
        self,
        state: RunState,
        journal: Any,
        begin: RunStarted | RunResumed | None,
        dies: tuple[int, bool] | None,
        before: Callable[[Drive], None] | None = None,
        during: Sequence[Intervention] = (),
    ) -> RunState:
        if dies is not None:
            journal_used: Any = DyingJournal(journal, dies[0], after=dies[1])
        else:
            journal_used = journal
        self.work.running.clear()
        settings = {
            "poll": 1e9,
            "conditions": BUILTIN_CONDITIONS,
            "cached": self.store.cached,
            "runners": {"shell": self.work},
            **self.world,
        }
        self.hub = self._modules()
        world = World(
            clock=self.clock,
            ids=self.ids,
            journal=journal_used,
            board=self.store.board,
            operations=self.hub,
            misfits=misfits,
            subscribers=[self._hear],
            sharing=None if self.pool is None else self.sharing(self.pool, state),
            **settings,
        )
        self.drive = drive = Drive(state, world)
        self.work.held.clear()
        if self.pool is not None:
            kinds = self.pool.kinds.values()
            lasting = [kind for kind in kinds if not kind.per]
            self.work.capacity = {(kind.name, u.id): u.capacity for kind in lasting for u in kind.units}
            self.work.parts = lambda step: _parts(drive.state, step)

        async def driven() -> RunState:
            loop = asyncio.get_running_loop()
            for seconds, act in during:
                loop.call_later(seconds, act, drive)
            try:
                return await drive.run(begin)
            finally:
                journal.close()

        try:
            if before is not None:
                before(drive)
        except BaseException:
            journal.close()
            raise
        return self.drives(driven)

    def _modules(self) -> Hub:
        return Hub(builtin_modules(), self.store.objects, self.clock, self.ids)

    def unstored(self) -> list[ProtocolObject]:
        """Objects of which the modules know another version than the store."""
        stored = {(item.kind, item.id): item.version for item in self.store.objects()}
        known = [item for found in self.hub._objects._by_kind.values() for item in found.values()]
        return [item for item in known if stored.get((item.kind, item.id)) != item.version]

    def _hear(self, told: Sequence[Event]) -> None:
        self.commits.append(list(told))
        for fact in told:
            self.told.append(fact)
            act = self.acts.pop(len(self.told), None)
            if act is not None and self.drive is not None:
                act(self.drive)

    def sharing(self, pool: Pool, state: RunState) -> Sharing:
        """The share of the run."""
        return Sharing(
            pool,
            self.store.shares,
            self.clock,
            self.run,
            priority=state.priority,
            since=state.started,
            end_lost=lambda _run: None,
        )

    def replayed(self) -> RunState:
        """The state that the stored history alone gives."""
        state = RunState(self.plan)
        state.room = None if self.pool is None else Room(self.pool, self.clock.now)
        return replay(state, self.history())


def side_by_side(benches: Sequence[Bench], dies: Sequence[tuple[int, bool] | None]) -> None:
    """New runs on one store and one clock, all at once; those whose processes die are taken up again."""
    works: list[Callable[[], Coroutine[Any, Any, RunState]]] = []
    each: list[tuple[Bench, Callable[[], Coroutine[Any, Any, RunState]]]] = []

    def later(work: Callable[[], Coroutine[Any, Any, RunState]]) -> RunState:
        works.append(work)
        return RunState(benches[0].plan)

    async def whole(bench: Bench, work: Callable[[], Coroutine[Any, Any, RunState]]) -> None:
        try:
            await work()
        except Died:
            if not bench.replayed().ended:
                bench.resume()
                await works.pop()()

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as tasks:
            for bench, work in each:
                tasks.create_task(whole(bench, work))

    for bench, when in zip(benches, dies, strict=True):
        bench.drives = later
        bench.work.beside = [other.work for other in benches if other is not bench]
        bench.start(dies=when)
    each += zip(benches, works, strict=True)
    works.clear()
    benches[0].clock.run(all_of_them)


def _parts(state: RunState, step: str) -> Parts:
    assert state.room is not None
    return state.room.stock.parts(state.plan.number[step])


def statuses(state: RunState) -> dict[str, str]:
    """Status by step id."""
    return {s.id: state.step_status[s.number] for s in state.plan.steps if s.loop < 0}


def run_steps(steps: list[dict[str, Any]], **more: Any) -> tuple[RunState, Bench]:
    """Run a workflow once, undisturbed."""
    bench = Bench(planned(steps, **more))
    return bench.start(), bench


def result_of(state: RunState, step: str) -> Any:
    """The result of a step."""
    return state.results[state.plan.number[step]]


def reason_of(state: RunState, step: str) -> str:
    """Why a step ended as it did, where the state says so."""
    return state.reasons.get(state.plan.number[step], "")


def error_of(state: RunState, step: str) -> Any:
    """The failure of a step, None without one."""
    return state.errors.get(state.plan.number[step])


# ---- steps, shortly -----------------------------------------------------------------------------


def step(kind: str, name: str, **keys: Any) -> dict[str, Any]:
    """A step of the file; `fail_on=...` is written `fail-on`."""
    return {
        "id": name,
        "type": kind,
        **{key.strip("_").replace("_", "-"): value for key, value in keys.items()},
    }


def shell(name: str, run: str = "ok", **keys: Any) -> dict[str, Any]:
    """A shell step whose script is one of those that `Work` knows."""
    return step("shell", name, run=run, **keys)


def given(name: str, values: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    """A `set` step."""
    return step("set", name, values={"n": 1} if values is None else values, **keys)


def pause(name: str, length: str = "1s", **keys: Any) -> dict[str, Any]:
    """A `wait` step."""
    return step("wait", name, for_=length, **keys)


def parallel(name: str, *steps: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A parallel step."""
    return step("parallel", name, steps=list(steps), **keys)


def choice(name: str, condition: Any, then: Any, otherwise: Any = None, **keys: Any) -> dict[str, Any]:
    """A conditional step."""
    made = step("conditional", name, condition=condition, then=then, **keys)
    return made if otherwise is None else made | {"else": otherwise}


def retries(count: int, **keys: Any) -> dict[str, Any]:
    """A retry policy."""
    return {"max-retries": count, **{key.replace("_", "-"): value for key, value in keys.items()}}


def fallback(action: str, condition: str = "any", **keys: Any) -> list[dict[str, Any]]:
    """A list of one fallback action."""
    return [{"condition": condition, "action": action, **keys}]


def ask(**keys: Any) -> list[dict[str, Any]]:
    """A fallback that asks a person."""
    return fallback("escalate-to-human", **keys)


# ---- a run, shortly -----------------------------------------------------------------------------


def facts(bench: Bench, kind: type[Any], name: str = "") -> list[Any]:
    """The committed facts of one kind, of one step if it is named."""
    return [
        f for f in bench.history() if isinstance(f, kind) and (not name or getattr(f, "step", "") == name)
    ]


def moment(bench: Bench, fact: Event) -> int:
    """Milliseconds from the start of the run to a fact."""
    return fact.at - bench.history()[0].at


def begun(bench: Bench, name: str) -> list[int]:
    """When the attempts of a step began: milliseconds after the start of the run."""
    return [moment(bench, f) for f in facts(bench, StepStarted, name)]


def collapse(drive: Drive) -> None:
    """The process dies now."""
    assert drive._over is not None
    if not drive._over.done():
        drive._over.set_exception(Died())


def die(bench: Bench, dies: tuple[int, bool], *, resume: bool = False, **how: Any) -> None:
    """Drive a run until its process dies at that commit."""
    try:
        bench.resume(dies, **how) if resume else bench.start(dies=dies, **how)
    except Died:
        return
    raise AssertionError("it did not die")
