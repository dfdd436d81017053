"""Putting the parts of one run together: its workers, its world and its driver."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mplp_cli.plugins import ConditionHandlers
from mplp_cli.protocols import Attempt, Candidate, Clock, Ids, Runner, Subscriber
from mplp_cli.running import AS_IT_IS, Given, How, Run, Screen, StandIns, Starts, kill_all, subruns_of
from mplp_cli.staffing import (
    agents_of_run,
    candidates_of,
    ledger_of_run,
    misfits,
    open_environ,
    plan_asks,
)

if TYPE_CHECKING:
    from mplp_cli.agents.recording.tape import Tape
    from mplp_cli.agents.registry import Registry
    from mplp_cli.engine.queueing import AskForTurn
    from mplp_cli.engine.sharing import Sharing
    from mplp_cli.ids import SeededIds
    from mplp_cli.modules.contract import Module
    from mplp_cli.modules.hub import Hub
    from mplp_cli.observe.counting import Counting
    from mplp_cli.observe.tally import Tally
    from mplp_cli.observe.traces import Traces
    from mplp_cli.roster import Roster
    from mplp_cli.settings import Settings
    from mplp_cli.workflow.fold.history import AgentAsked, RunResumed, RunStarted, Turn
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.masking import Masker
    from mplp_cli.workflow.plan import Plan
    from mplp_cli.workflow.published import Cause
    from mplp_cli.workflow.resources import Pool
    from mplp_cli.workflow.tracing import RunTrace


class Traced(Protocol):
    """The runtime, as traces need it."""

    @property
    def cwd(self) -> Path: ...
    @property
    def trace_file(self) -> str | None: ...
    @property
    def traces(self) -> Traces | None: ...


class Parts(Starts, Traced, Protocol):
    """The runtime, as a run needs it."""

    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def conditions(self) -> ConditionHandlers: ...
    @property
    def environ(self) -> dict[str, str]: ...
    @property
    def ephemeral(self) -> bool: ...
    @property
    def uses_cache(self) -> bool: ...
    @property
    def state_dir(self) -> Path: ...
    @property
    def seeded(self) -> SeededIds | None: ...
    @property
    def tape(self) -> Tape | None: ...
    @property
    def stand_ins(self) -> StandIns | None: ...
    @property
    def hub(self) -> Any: ...
    @property
    def modules(self) -> Mapping[str, Module]: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def roster(self) -> Roster: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def pool(self) -> Pool: ...
    def log_dir(self, run_id: str) -> Path: ...
    @property
    def tally(self) -> Tally: ...
    @property
    def listens(self) -> Collection[str]: ...


def assemble(
    runtime: Parts,
    state: RunState,
    journal: Any,
    given: Given,
    screen: Screen,
    begin: RunStarted | RunResumed | None,
    how: How = AS_IT_IS,
) -> Run:
    """A run that is ready to be driven; `begin` is its first fact if it is new, or says how it is taken up."""
    from mplp_cli.engine.drive import Drive
    from mplp_cli.engine.guardian import Guardian
    from mplp_cli.engine.runners import Runners
    from mplp_cli.engine.workplace import Workplace, attempt_mark
    from mplp_cli.engine.world import World, its_own_work
    from mplp_cli.workflow.masking import Masker

    plan, masker = state.plan, Masker(given.secrets)
    owner = runtime.ids.uuid()[:8]
    guardian = Guardian(attempt_mark(state.run_id, owner))
    log_dir = runtime.log_dir(state.run_id)
    workplace = Workplace(log_dir=log_dir, grace=plan.grace / 1000, owner=owner, guardian=guardian)

    def record(fact: AgentAsked) -> None:
        drive.post(fact)

    ledger = ledger_of_run(runtime, state, given, screen, record) if plan_asks(plan) else None
    accounts = {} if ledger is None else ledger.accounts
    priority = getattr(begin, "priority", state.priority)
    subruns = subruns_of(runtime, state, given, screen, runtime.clock, accounts, priority)
    runners = Runners(
        {step.kind for step in plan.steps},
        workplace,
        masker=masker,
        clock=runtime.clock,
        source_dir=given.source_dir,
        deny_private=given.deny_private,
        subruns=subruns,
    )
    candidates: Callable[[], Sequence[Candidate]] = tuple
    if ledger is not None and any(step.asks_agents for step in plan.steps):
        from mplp_cli.agents.asking import ask_for_step

        agents = agents_of_run(runtime, state, given, screen, workplace, masker, ledger)
        runners.add_agents(partial(ask_for_step, agents=agents), agents.aclose)
        candidates = partial(candidates_of, agents, runtime.registry)
    counts = _counting(runtime, state)
    trace, watching = _traced(runtime, state, masker, getattr(begin, "trace", state.trace))
    world = World(
        clock=runtime.clock,
        ids=runtime.ids,
        journal=journal,
        board=runtime.store.board,
        operations=runtime.hub,
        misfits=misfits,
        runners=_runners(runners.by_kind, runtime.stand_ins),
        advise=runners.advise,
        candidates=candidates,
        conditions=runtime.conditions,
        secrets=given.secrets,
        environ=open_environ(runtime, state, given),
        mask=masker.value,
        cached=runtime.store.cached if runtime.uses_cache else None,
        keep_files=None if runtime.ephemeral else _keeper(log_dir),
        listened=listened_of(runtime, plan),
        output=screen.output,
        subscribers=[*screen.subscribers, *watching, *counts],
        committed=counts[0].committed if counts else lambda seconds, told: None,
        trace=trace,
        kill=lambda: kill_all(workplace.children, subruns),
        subruns=subruns,
        sharing=_sharing(runtime, state, priority, how),
        turn=_queue(runtime, state.run_id, getattr(begin, "turn", state.turn), screen),
        instead=runtime.stand_ins.instead if runtime.stand_ins is not None else its_own_work,
        # In a test waits of days are skipped in steps of this length, and nobody else asks anything of the run.
        poll=0.1 if runtime.stand_ins is None else 10.0,
    )
    drive = Drive(state, world)
    return Run(
        plan=plan,
        state=state,
        journal=journal,
        drive=drive,
        guardian=guardian,
        runners=runners,
        subruns=subruns,
        begin=begin,
    )


def incoming_of(runtime: Parts, child: Attempt | None, cause: Cause | None) -> str:
    """The span that a new run is started under, as it is stored: that of the step, of the event that started it, or of
    the environment. Empty: none."""
    if child is not None:
        return "" if child.trace is None else child.trace.text
    said: Mapping[str, Any] = runtime.environ
    names = ["TRACEPARENT", "TRACESTATE"]
    if cause is not None:
        found = runtime.store.board.find(cause.event) if cause.event else []
        said, names = found[0][1].more if found else {}, [name.lower() for name in names]
    parent, state = (str(said.get(name) or "") for name in names)
    if not parent:
        return ""
    from mplp_cli.workflow.tracing import incoming

    under = incoming(parent, state)
    return "" if under is None else under.text


def traces_of(runtime: Parts) -> Traces | None:
    """Where spans go, if a command, the settings or a variable may want any; and of a test nobody does."""
    named = any(name.startswith("OTEL_") for name in runtime.environ)
    stated = runtime.settings.traces
    if not (runtime.trace_file or stated or named) or runtime.stand_ins is not None:
        return None
    from mplp_cli.observe.traces import open_traces

    return open_traces(runtime.environ, stated, runtime.trace_file, runtime.cwd, runtime.clock)


def _traced(
    runtime: Parts, state: RunState, masker: Masker, under: str
) -> tuple[RunTrace | None, list[Subscriber]]:
    """The trace of a run, and what makes its spans."""
    traces = runtime.traces
    if traces is None and not under:
        return None, []
    from mplp_cli.workflow.tracing import stored_trace, trace_of

    sampler = None if traces is None else traces.sampler
    since = 0 if state.redefined is None else state.redefined.at
    trace = trace_of(state.run_id, stored_trace(under) if under else None, sampler, since)
    if traces is None or trace is None or not trace.is_kept:
        return trace, []
    facts = runtime.store.history
    return trace, [traces.watch(state, trace, masker.value, lambda run: (fact for _, fact in facts(run)))]


def listened_of(runtime: Parts, plan: Plan) -> Callable[[str], bool]:
    """Which events of a run of that plan are published: what its own file, the settings or a server may want."""
    from mplp_cli.engine.announcing import listened

    globs = set(runtime.listens)
    if runtime.settings.events or plan.routing is not None or plan.triggers:
        from mplp_cli.workflow.events.routes import globs_of
        from mplp_cli.workflow.events.triggers import EventTrigger

        for routing in (runtime.settings.routing, plan.routing):
            globs |= globs_of(routing) if routing is not None else set()
        globs |= {match.type for rule in runtime.settings.correlation_rules for match in rule.events}
        globs |= {alert.event.type for alert in runtime.settings.alerts if alert.event is not None}
        globs |= {one.where.type for one in plan.triggers if isinstance(one, EventTrigger)}
    return listened(globs)


def _counting(runtime: Parts, state: RunState) -> list[Counting]:
    """What counts what the run commits, if that is measured."""
    if runtime.ephemeral or not runtime.settings.metrics.on:
        return []
    from mplp_cli.observe.counting import Counting

    return [Counting(runtime.tally, state)]


def _runners(by_kind: Mapping[str, Runner], stand_ins: StandIns | None) -> Mapping[str, Runner]:
    if stand_ins is None:
        return by_kind
    return {kind: stand_ins.runner(kind, runner) for kind, runner in by_kind.items()}


def make_hub(runtime: Parts) -> Hub:
    """The hub of this process, on what the store holds."""
    from mplp_cli.modules.hub import Hub
    from mplp_cli.resources.holding import HeldByRuns

    store, seeded = runtime.store, runtime.seeded
    hub = Hub(
        runtime.modules,
        store.objects,
        runtime.clock,
        runtime.ids,
        newer=store.newer,
        wiring=store.switchboard.wiring,
        settings=runtime.settings.modules,
        activation=lambda: runtime.roster.activation,
    )
    hub.holdings = HeldByRuns(
        lambda: runtime.pool,
        store.shares,
        runtime.clock,
        is_run=lambda run: any(one.id == run for one in store.find_runs(run)),
        end=partial(end_lost, runtime),
    )
    if seeded is not None:
        hub.ids_of = lambda caller: seeded.of(f"{caller.workflow}/{caller.step}")
    return hub


def end_survivors(run_id: str) -> None:
    """End what a lost process of this run has left running: its attempts are about to start again."""
    from mplp_cli.engine.survivors import end_marked
    from mplp_cli.engine.workplace import attempt_mark

    end_marked(attempt_mark(run_id))


def _queue(runtime: Parts, run_id: str, turn: Turn | None, screen: Screen) -> AskForTurn | None:
    """How a run asks for its place, if it needs one."""
    from mplp_cli.engine.queueing import asking

    async def end(parked: str) -> None:
        await runtime.take_up(parked, Screen(), how=How(to_end=True)).go()

    lost = partial(end_lost, runtime)
    return asking(runtime.store.turns, run_id, turn, screen.waits, lost, end) if turn else None


def end_lost(runtime: Parts, run_id: str) -> None:
    """End what a run without a process has left running, unless somebody takes it up by now."""
    from mplp_cli.store.mending import held

    held(runtime.state_dir, run_id, runtime.clock.now(), lambda: end_survivors(run_id))


def in_best_order(runtime: Parts, plan: Plan, slots: int, ended: Collection[str] = ()) -> Plan:
    """The plan with the start order that a rehearsal with what earlier runs have shown finds; `ended` has ended.

    A plan whose steps need not wait for each other's slots or resources comes back as it is.
    """
    acting = [step for step in plan.steps if step.effect]
    demanding = any(step.demand for step in acting)
    if len(acting) < 2 or not (plan.grows or len(acting) > slots or demanding):
        return plan
    from mplp_cli.resources.learned import estimates_of

    known = estimates_of(runtime.store, plan.workflow.id, [step.id for step in acting])
    if not known and not demanding:
        return plan
    from mplp_cli.loading.load import no_collection
    from mplp_cli.workflow.planning.rehearsal import reordered

    durations = {step: estimate.duration for step, estimate in known.items()}
    with no_collection():
        return reordered(plan, durations, runtime.pool, slots, ended=ended)


def _sharing(runtime: Parts, state: RunState, priority: int, how: How) -> Sharing | None:
    """The share of the pool for what its steps hold; None if they hold nothing.

    InsufficientResourcesError if a step that is still to start never could: the pool is another than when the run
    began.
    """
    holding = [(step, step.demand) for step in state.plan.steps if step.effect and step.demand is not None]
    if not holding:
        return None
    from mplp_cli.engine.sharing import Sharing
    from mplp_cli.workflow.fold.statuses import COMPLETED
    from mplp_cli.workflow.resources import narrowed

    if how.to_end:
        holding = [(step, demand) for step, demand in holding if step.final and not how.killed]
    due = {demand for step, demand in holding if state.step_status[step.number] is not COMPLETED}
    return Sharing(
        narrowed(runtime.pool, due),
        runtime.store.shares,
        runtime.clock,
        state.run_id,
        priority=priority,
        since=state.started or runtime.clock.now(),
        end_lost=partial(end_lost, runtime),
    )


def _keeper(log_dir: Path) -> Any:
    """What keeps the files that steps leave."""
    from mplp_cli.engine.artifacts import keep_artifacts

    return partial(keep_artifacts, log_dir=log_dir)
