"""The agents that a run or a command may ask, put together with what watches over their calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.json import encode

from mplp_cli.protocols import Candidate, Clock
from mplp_cli.roster import agent_kinds
from mplp_cli.running import Given, Screen, recorded
from mplp_cli.workflow.values import RunId

if TYPE_CHECKING:
    from mplp_cli.agents.boundary import Agents, Around, Lease, Presence
    from mplp_cli.agents.budget import Ledger
    from mplp_cli.agents.contract import Adapter
    from mplp_cli.agents.ladder import Levels
    from mplp_cli.agents.recording.tape import Tape
    from mplp_cli.agents.registry import Registry
    from mplp_cli.engine.workplace import Workplace
    from mplp_cli.roster import Roster
    from mplp_cli.workflow.agents import AgentDefinition
    from mplp_cli.workflow.fold.history import AgentAsked
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.masking import Masker
    from mplp_cli.workflow.plan import Plan


class Employer(Protocol):
    """The runtime, as far as agents need it."""

    @property
    def clock(self) -> Clock: ...
    @property
    def environ(self) -> dict[str, str]: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def roster(self) -> Roster: ...
    @property
    def store(self) -> Any: ...
    @property
    def ephemeral(self) -> bool: ...
    @property
    def state_dir(self) -> Path: ...
    @property
    def tape(self) -> Tape | None: ...
    def stored_plan(self, run_id: RunId) -> Plan: ...


@dataclass(frozen=True, kw_only=True)
class Oversight:
    """What watches over calls: who keeps the budgets, who records or answers them, who knows who is there, and who is
    told what agents say that they offer."""

    ledger: Ledger | None = None
    tape: Tape | None = None
    presence: Presence | None = None
    lease: Lease | None = None
    discovered: Callable[[str, Sequence[str]], None] = lambda agent, capabilities: None

    def around(self) -> Around:
        """What happens around every call."""
        from mplp_cli.agents.boundary import Around

        every = Around()
        if self.ledger is not None:
            every = replace(every, reserve=self.ledger.before_call, settle=self.ledger.after_call)
        if self.lease is not None:
            every = replace(every, lease=self.lease)
        if self.tape is not None:
            every = replace(every, looks=self.tape.looks, order=self.tape.order, carry=self.tape.carry)
        return every


class _Bench:
    """What the adapters of a run work with, and what they have started."""

    def __init__(
        self,
        definitions: Mapping[str, tuple[AgentDefinition, str]],
        workplace: Workplace,
        masker: Masker,
        run: str,
        around: Mapping[str, Any],
        *,
        deny_private: bool,
    ) -> None:
        from mplp_cli.engine.steps.http import Connections

        self._definitions, self._masker, self._run, self._around = definitions, masker, run, around
        # No step's name: what steps have started on purpose is not ended with the agents.
        self._workplace = replace(workplace, owner=f"{workplace.owner}/agents:")
        self._connections = Connections(deny_private=deny_private)
        self._levels: Levels = {}
        #: Whether anybody was made who starts processes.
        self._starts = False

    def make(self, agent: AgentDefinition) -> Adapter:
        """The adapter of an agent."""
        from mplp_cli.agents.making import make_adapter
        from mplp_cli.agents.workshop import Workshop
        from mplp_cli.engine.programs import keep_process, run_program
        from mplp_cli.engine.steps.python import run_python
        from mplp_cli.workflow.agents import CommandAgent, McpAgent, PythonAgent

        directory, workplace = self._definitions[agent.id][1], self._workplace
        match agent:
            case PythonAgent(isolation="process") | CommandAgent() | McpAgent():
                self._starts = True
        workshop = Workshop(
            run_program=partial(run_program, masker=self._masker, workplace=workplace),
            call_function=partial(run_python, masker=self._masker, source_dir=directory, workplace=workplace),
            connect=self._connections.client,
            keep_process=partial(keep_process, run=self._run, workplace=workplace),
            mask=self._masker.text,
            kinds=agent_kinds(),
            levels=self._levels,
            directory=directory,
            **self._around,
        )
        return make_adapter(agent, workshop)

    async def aclose(self) -> None:
        """Close the connections, and end what was started and left behind."""
        from mplp_cli.engine.survivors import end_marked
        from mplp_cli.engine.workplace import attempt_mark

        await self._connections.aclose()
        if self._starts:
            end_marked(attempt_mark(self._run, self._workplace.owner))


def make_agents(
    definitions: Mapping[str, tuple[AgentDefinition, str]],
    workplace: Workplace,
    masker: Masker,
    *,
    run: str,
    deny_private: bool,
    oversight: Oversight | None = None,
    **around: Any,
) -> Agents:
    """The agents that `run` may ask, by id, each with the directory that its relative paths start from.

    What they have started, and has left them to go on by itself, ends when they are closed. `around` is what a
    `Workshop` has beside what the engine does for it.
    """
    from mplp_cli.agents.boundary import Agents

    bench = _Bench(definitions, workplace, masker, run, around, deny_private=deny_private)
    over = oversight or Oversight()
    return Agents(
        {name: agent for name, (agent, _) in definitions.items()},
        bench.make,
        misfits=misfits,
        around=over.around(),
        discovered=over.discovered,
        also_close=bench.aclose,
        presence=over.presence,
    )


def ledger_of_run(
    runtime: Employer,
    state: RunState,
    given: Given,
    screen: Screen,
    record: Callable[[AgentAsked], None],
) -> Ledger:
    """The budgets of a run, with what it and its sub-workflows have spent so far.

    A sub-workflow spends from those of the run that it belongs to; its file may have others. `record` gets what each
    call has used.
    """
    from mplp_cli.agents.budget import Ledger

    stated, roster = state.plan.agents, runtime.roster
    ledger = Ledger(
        {**({} if given.shared else roster.budgets), **stated.budgets},
        {**roster.prices, **stated.prices},
        runtime.clock,
        lambda notice: screen.output(notice.step, "note", f"{notice.message}\n"),
        spending=state.spending,
        environ=_environ(runtime, given),
        record=record,
    )
    ledger.join(state.run_id, given.shared)
    known = {one.id: one.agent for one in runtime.registry.entries()}
    for lost in _lost(state, known | {one.id: one for one in stated.agents}):
        ledger.lose(lost)
    if state.plan.included and ledger.own:
        for child, names in _below(runtime, state.run_id, frozenset(ledger.own)):
            ledger.begin(child.run_id, child.spending, names)
            for lost in _lost(child, known | {one.id: one for one in child.plan.agents.agents}):
                ledger.lose(lost, names)
    return ledger


def _below(
    runtime: Employer, run_id: RunId, names: frozenset[str]
) -> Iterator[tuple[RunState, frozenset[str]]]:
    """The sub-workflows of a run and theirs, as far as there are any yet, with those of its budgets that each has
    spent from: a file that has a budget of the same name takes that."""
    for record in runtime.store.runs(child_of=run_id):
        child = recorded(runtime, record.id)
        spends = names - child.plan.agents.budgets.keys()
        if spends:
            yield child, spends
            yield from _below(runtime, record.id, spends)


def _environ(runtime: Employer, given: Given) -> dict[str, str]:
    return {**runtime.environ, **given.env, **given.secrets}


def agents_of_run(
    runtime: Employer,
    state: RunState,
    given: Given,
    screen: Screen,
    workplace: Workplace,
    masker: Masker,
    ledger: Ledger,
) -> Agents:
    """The agents that the steps of a run may ask: those of its file, then those of the project."""
    from mplp_cli.resources.adjustments import with_places
    from mplp_cli.store.adjusting import read_adjustments

    own = {agent.id: (agent, given.source_dir) for agent in state.plan.agents.agents}
    made = read_adjustments(None if runtime.ephemeral else runtime.state_dir)
    others = {
        one.id: (with_places(one.agent, made), one.directory)
        for one in runtime.registry.entries()
        if one.id not in own
    }
    known, environ = own | others, _environ(runtime, given)
    if runtime.tape is not None:
        _instruct(
            runtime.tape, runtime, state, given, {name: one for name, (one, _) in known.items()}, environ
        )
    return make_agents(
        known,
        workplace,
        masker,
        run=state.run_id,
        deny_private=given.deny_private,
        oversight=Oversight(
            ledger=ledger,
            tape=runtime.tape,
            # On a tape nobody looks who is there: a replay asks nobody, and asks whom the recorded run has asked.
            presence=runtime.registry if runtime.tape is None else None,
            lease=_lease(runtime, state, own) if runtime.tape is None else None,
            discovered=lambda agent, found: (
                None if agent in own else runtime.registry.discovered(agent, found)
            ),
        ),
        clock=runtime.clock,
        environ=environ,
        open_environ=open_environ(runtime, state, given),
        cwd=state.cwd,
        workflow=state.plan.workflow.id,
        output=screen.output,
    )


def _lease(runtime: Employer, state: RunState, own: Collection[str]) -> Lease | None:
    """The places of agents that take only so many calls: those of the project are shared by all its runs, those of a
    file by all runs of its workflow. None for a run that leaves nothing behind."""
    if runtime.ephemeral:
        return None
    from mplp_cli.store.leases import Leases

    leases, workflow = Leases(runtime.state_dir), state.plan.workflow.id
    return lambda agent, places: leases.hold(f"{workflow}.{agent}" if agent in own else agent, places)


def _instruct(
    tape: Tape,
    runtime: Employer,
    state: RunState,
    given: Given,
    known: Mapping[str, AgentDefinition],
    environ: Mapping[str, str],
) -> None:
    """Tell a tape what it is to hide, and which texts were written by people."""
    from mplp_cli.agents.recording.redaction import secrets_of

    definition = runtime.store.definition(state.run_id)
    texts = [definition.source, *definition.included.values(), encode(state.inputs)]
    hidden = secrets_of(known.values(), environ)
    tape.knows(hidden | dict(given.secrets), (text.decode("utf-8", "replace") for text in texts))


def _lost(state: RunState, known: Mapping[str, AgentDefinition]) -> Iterator[AgentDefinition]:
    """Whom the attempts have asked that were lost with their process, as far as it is known; once for each."""
    from mplp_cli.agents.contract import AgentRequest
    from mplp_cli.agents.deciding import route
    from mplp_cli.errors import AgentError
    from mplp_cli.workflow.fold.statuses import RUNNING
    from mplp_cli.workflow.language.templates import is_template

    for step in state.plan.steps:
        count = state.spending.lost.get(step.id, 0)
        # Those at work now are told lost by the resume that follows.
        count += step.asks_agents and state.step_status[step.number] is RUNNING
        if count:
            body = step.body.fixed if is_template(step.body) else step.body
            agent, wanted = body.get("agent") or "", body.get("capability") or ()
            capability = wanted if isinstance(wanted, str) else " ".join(wanted)
            if not agent and not capability:
                continue  # an operation that asks others than one: nobody knows whom it was asking
            asked = AgentRequest(run=state.run_id, step=step.id, agent=agent, capability=capability)
            with suppress(AgentError):  # nobody is there any more who could have been asked
                yield from [route(known, asked, {})[0]] * count


def plan_asks(plan: Plan) -> bool:
    """Whether a run of this plan may ask agents, or a sub-workflow of it."""
    return any(step.asks_agents for step in plan.steps) or any(
        plan_asks(one.plan) for one in plan.included.values()
    )


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


def open_environ(runtime: Employer, state: RunState, given: Given) -> dict[str, str]:
    """What the steps get: the workflow's `env` over the process's, without secrets."""
    hidden = {*state.plan.secrets, *given.secrets}
    return {name: value for name, value in runtime.environ.items() if name not in hidden} | dict(given.env)


def misfits(schema: bytes, value: Any) -> Sequence[tuple[tuple[str | int, ...], str]]:
    """Where a result does not fit a schema; the validator is loaded when there is one."""
    from mplp_cli.loading import values

    return values.misfits(schema, value)
