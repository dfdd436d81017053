"""Putting the parts of one run together: its workers, its world and its driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.json import encode

from mplp_cli.plugins import ConditionHandlers
from mplp_cli.protocols import Candidate, Clock, Ids
from mplp_cli.roster import agent_kinds
from mplp_cli.running import Given, How, Run, Screen, Starts, kill_all, subruns_of

if TYPE_CHECKING:
    from mplp_cli.agents.boundary import Agents
    from mplp_cli.agents.budget import Ledger
    from mplp_cli.agents.contract import Adapter
    from mplp_cli.agents.ladder import Levels
    from mplp_cli.agents.recording.tape import Tape
    from mplp_cli.agents.registry import Registry
    from mplp_cli.engine.queueing import AskForTurn
    from mplp_cli.engine.workplace import Workplace
    from mplp_cli.ids import SeededIds
    from mplp_cli.modules.contract import Module
    from mplp_cli.modules.hub import Hub
    from mplp_cli.roster import Roster
    from mplp_cli.settings import Settings
    from mplp_cli.workflow.agents import AgentDefinition
    from mplp_cli.workflow.fold.history import RunResumed, RunStarted, Turn
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.masking import Masker
    from mplp_cli.workflow.plan import PlanStep


class Parts(Starts, Protocol):
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
    def hub(self) -> Any: ...
    @property
    def modules(self) -> Mapping[str, Module]: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def roster(self) -> Roster: ...
    @property
    def settings(self) -> Settings: ...
    def log_dir(self, run_id: str) -> Path: ...


def assemble(
    runtime: Parts,
    state: RunState,
    journal: Any,
    given: Given,
    screen: Screen,
    begin: RunStarted | RunResumed | None,
) -> Run:
    """A run that is ready to be driven; `begin` is its first fact if it is new, or says how it is taken up."""
    from mplp_cli.engine.drive import Drive
    from mplp_cli.engine.guardian import Guardian
    from mplp_cli.engine.runners import Runners
    from mplp_cli.engine.workplace import Workplace, attempt_mark
    from mplp_cli.engine.world import World
    from mplp_cli.workflow.masking import Masker

    plan, masker = state.plan, Masker(given.secrets)
    owner = runtime.ids.uuid()[:8]
    guardian = Guardian(attempt_mark(state.run_id, owner))
    log_dir = runtime.log_dir(state.run_id)
    workplace = Workplace(log_dir=log_dir, grace=plan.grace / 1000, owner=owner, guardian=guardian)
    subruns = subruns_of(runtime, state, given, screen, runtime.clock)
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
    if any(_may_ask(step) for step in plan.steps):
        from mplp_cli.agents.asking import ask_for_step

        agents = _agents(runtime, state, given, screen, workplace, masker)
        runners.add_agents(partial(ask_for_step, agents=agents), agents.aclose)
        candidates = partial(candidates_of, agents, runtime.registry)
    world = World(
        clock=runtime.clock,
        ids=runtime.ids,
        journal=journal,
        board=runtime.store.board,
        operations=runtime.hub,
        misfits=misfits,
        runners=runners.by_kind,
        advise=runners.advise,
        candidates=candidates,
        conditions=runtime.conditions,
        secrets=given.secrets,
        environ=_environ(runtime, state, given),
        mask=masker.value,
        cached=runtime.store.cached if runtime.uses_cache else None,
        keep_files=None if runtime.ephemeral else _keeper(log_dir),
        output=screen.output,
        subscribers=screen.subscribers,
        kill=lambda: kill_all(workplace.children, subruns),
        subruns=subruns,
        turn=_queue(runtime, state.run_id, getattr(begin, "turn", state.turn), screen),
    )
    return Run(
        plan=plan,
        state=state,
        journal=journal,
        drive=Drive(state, world),
        guardian=guardian,
        runners=runners,
        subruns=subruns,
        begin=begin,
    )


def make_agents(  # noqa: PLR0913 - what differs between runs is handed in, by name
    definitions: Mapping[str, tuple[AgentDefinition, str]],
    workplace: Workplace,
    masker: Masker,
    *,
    run: str,
    deny_private: bool,
    discovered: Callable[[str, Sequence[str]], None] = lambda agent, capabilities: None,
    ledger: Ledger | None = None,
    tape: Tape | None = None,
    **around: Any,
) -> Agents:
    """The agents that may be asked, by id, each with the directory that its relative paths start from.

    `run` marks what they start; `discovered` is told what they say that they offer; `ledger` keeps their budgets,
    `tape` records their calls or answers them. `around` is what a `Workshop` has beside that, and beside what the
    engine does for it.
    """
    from mplp_cli.agents.boundary import Agents, Around
    from mplp_cli.agents.making import make_adapter
    from mplp_cli.agents.workshop import Workshop
    from mplp_cli.engine.programs import keep_process, run_program
    from mplp_cli.engine.steps.http import Connections
    from mplp_cli.engine.steps.python import run_python

    connections = Connections(deny_private=deny_private)
    levels: Levels = {}
    kinds = agent_kinds()

    def make(agent: AgentDefinition) -> Adapter:
        directory = definitions[agent.id][1]
        workshop = Workshop(
            run_program=partial(run_program, masker=masker, workplace=workplace),
            call_function=partial(run_python, masker=masker, source_dir=directory, workplace=workplace),
            connect=connections.client,
            keep_process=partial(keep_process, run=run, workplace=workplace),
            mask=masker.text,
            kinds=kinds,
            levels=levels,
            directory=directory,
            **around,
        )
        return make_adapter(agent, workshop)

    known = {name: agent for name, (agent, _) in definitions.items()}
    every = Around()
    if ledger is not None:
        every = replace(every, reserve=ledger.before_call, settle=ledger.after_call)
    if tape is not None:
        every = replace(every, order=tape.order, carry=tape.carry)
    return Agents(
        known, make, misfits=misfits, around=every, discovered=discovered, also_close=connections.aclose
    )


def _agents(
    runtime: Parts, state: RunState, given: Given, screen: Screen, workplace: Workplace, masker: Masker
) -> Agents:
    """The agents that the steps of a run may ask: those of its file, then those of the project."""
    own = {agent.id: (agent, given.source_dir) for agent in state.plan.agents.agents}
    others = {one.id: (one.agent, one.directory) for one in runtime.registry.entries() if one.id not in own}
    from mplp_cli.agents.budget import Ledger

    stated, roster = state.plan.agents, runtime.roster
    asks = next(step.id for step in state.plan.steps if _may_ask(step))
    environ = {**runtime.environ, **given.env, **given.secrets}
    ledger = Ledger(
        {**roster.budgets, **stated.budgets},
        {**roster.prices, **stated.prices},
        runtime.clock,
        lambda notice: screen.output(asks, "note", f"{notice.message}\n"),
        environ=environ,
    )
    if runtime.tape is not None:
        from mplp_cli.agents.recording.redaction import secrets_of

        definition = runtime.store.definition(state.run_id)
        texts = [definition.source, *definition.included.values(), encode(state.inputs)]
        known = secrets_of((agent for agent, _ in (own | others).values()), environ)
        runtime.tape.knows(known | dict(given.secrets), (text.decode("utf-8", "replace") for text in texts))
    return make_agents(
        own | others,
        workplace,
        masker,
        run=state.run_id,
        deny_private=given.deny_private,
        discovered=lambda agent, found: None if agent in own else runtime.registry.discovered(agent, found),
        ledger=ledger,
        tape=runtime.tape,
        clock=runtime.clock,
        environ=environ,
        open_environ=_environ(runtime, state, given),
        cwd=state.cwd,
        workflow=state.plan.workflow.id,
        output=screen.output,
    )


def _may_ask(step: PlanStep) -> bool:
    """Whether a step asks agents: an agent step, or a module operation that consults them."""
    return step.kind == "agent" or (step.effect and step.target is not None)


def candidates_of(agents: Agents, registry: Registry) -> list[Candidate]:
    """The agents that a run may ask, each as it stands now."""
    stand = {entry.id: registry.status(entry) for entry in registry.entries()}
    return [
        Candidate(
            id=name,
            capabilities=agent.capabilities,
            tags=agent.tags,
            status=stand.get(name, ""),
        )
        for name, agent in agents.definitions.items()
    ]


def make_hub(runtime: Parts) -> Hub:
    """The hub of this process, on what the store holds."""
    from mplp_cli.modules.hub import Hub

    store, seeded = runtime.store, runtime.seeded
    hub = Hub(
        runtime.modules,
        store.objects,
        runtime.clock,
        runtime.ids,
        newer=store.newer,
        wiring=store.switchboard.wiring,
        settings=runtime.settings.modules,
    )
    if seeded is not None:
        hub.ids_of = lambda caller: seeded.of(f"{caller.workflow}/{caller.step}")
    return hub


def end_survivors(run_id: str) -> None:
    """End what a lost process of this run has left running: its attempts are about to start again."""
    from mplp_cli.engine.survivors import end_marked
    from mplp_cli.engine.workplace import attempt_mark

    end_marked(attempt_mark(run_id))


def _environ(runtime: Parts, state: RunState, given: Given) -> dict[str, str]:
    """What the steps get: the workflow's `env` over the process's, without secrets."""
    hidden = {*state.plan.secrets, *given.secrets}
    return {name: value for name, value in runtime.environ.items() if name not in hidden} | dict(given.env)


def _queue(runtime: Parts, run_id: str, turn: Turn | None, screen: Screen) -> AskForTurn | None:
    """How a run asks for its place, if it needs one."""
    from mplp_cli.engine.queueing import asking

    def end_lost(run_id: str) -> None:
        """End what a run without a process has left running, unless somebody takes it up by now."""
        from mplp_cli.store.mending import held

        held(runtime.state_dir, run_id, runtime.clock.now(), lambda: end_survivors(run_id))

    async def end(parked: str) -> None:
        await runtime.take_up(parked, Screen(), how=How(to_end=True)).go()

    return asking(runtime.store.turns, run_id, turn, screen.waits, end_lost, end) if turn else None


def _keeper(log_dir: Path) -> Any:
    """What keeps the files that steps leave."""
    from mplp_cli.engine.artifacts import keep_artifacts

    return partial(keep_artifacts, log_dir=log_dir)


def misfits(schema: bytes, value: Any) -> Sequence[tuple[tuple[str | int, ...], str]]:
    """Where a result does not fit a schema; the validator is loaded when there is one."""
    from mplp_cli.loading import values

    return values.misfits(schema, value)
