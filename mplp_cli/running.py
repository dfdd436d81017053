"""What a run consists of once it is ready to be driven: its parts, what it was given, its screen, its children."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import UnsetType

from mplp_cli.errors import Exit, RunStateError, UnknownRunError
from mplp_cli.protocols import (
    Attempt,
    Clock,
    Journal,
    NewRun,
    Output,
    Relation,
    Runner,
    RunRecord,
    Standing,
    Store,
    Subscriber,
)
from mplp_cli.sources import Source, read_secrets, secrets_to_end
from mplp_cli.workflow.values import Json, RunId, StepId

if TYPE_CHECKING:
    from mplp_cli.agents.budget import Account
    from mplp_cli.engine.drive import Drive
    from mplp_cli.engine.guardian import Guardian
    from mplp_cli.engine.processes import Child
    from mplp_cli.engine.runners import Runners
    from mplp_cli.engine.subruns import Subruns
    from mplp_cli.workflow.fold.history import Event, Rerun, RunResumed, RunStarted
    from mplp_cli.workflow.fold.resume import Onward
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.plan import Plan
    from mplp_cli.workflow.published import Published


#: Status of a run that is not driven any more -> exit code.
EXITS = {
    "completed": Exit.OK,
    "failed": Exit.NO,
    "waiting": Exit.WAITING,
    "paused": Exit.WAITING,
    "cancelled": Exit.CANCELLED,
}


def collect_less() -> None:
    """Spare the garbage collector what is there already, and most of its rounds.

    Nothing that a run makes is a cycle worth looking for among the hundred thousands of objects of its plan.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@dataclass(kw_only=True)
class Run:
    """A run about to be driven. `begin` is its first fact if it is new, or says how it is taken up."""

    plan: Plan
    drive: Drive
    state: RunState
    journal: Journal
    guardian: Guardian
    runners: Runners
    subruns: Subruns | None
    begin: RunStarted | RunResumed | None
    #: Facts that the journal already holds.
    recorded: int = 0
    #: Facts that were stored when the run was made, and `tell`: whom they are news to.
    first: Sequence[Event] = ()
    tell: Sequence[Subscriber] = ()

    async def go(self) -> RunState:
        """Drive it to its end, or to where only a person can take it on, and give it up."""
        try:
            try:
                for tell in self.tell if self.first else ():
                    tell(self.first)
                return await self.drive.run(self.begin)
            finally:
                await self.runners.aclose()
        finally:
            self.leave()

    def leave(self) -> None:
        """Give it up; another process may drive it."""
        self.guardian.close()
        self.journal.close()


@dataclass(frozen=True)
class Given:
    """What a run gets from outside: secrets (its sub-workflows' too), `env`, the directory of its file, the policy, and
    the budgets of the run that it is a sub-workflow of."""

    secrets: Mapping[str, str]
    env: Mapping[str, str]
    source_dir: str
    deny_private: bool
    shared: Mapping[str, Account] = field(default_factory=dict)


@dataclass(kw_only=True)
class Screen:
    """What watches a run."""

    subscribers: Sequence[Subscriber] = ()
    output: Output = field(default=lambda step, stream, text: None)
    #: Told again and again where the run stands in the queue for its turn.
    waits: Callable[[Standing], None] = field(default=lambda standing: None)
    #: The screen of a sub-workflow, by the step that runs it, its plan and its state.
    inside: Callable[[StepId, Plan, RunState], Screen] = field(default=lambda step, plan, state: Screen())


@dataclass(frozen=True, kw_only=True)
class How:
    """How a run is taken up."""

    #: Decides what it goes on with, once it is owned; else its stored plan does.
    choose: Callable[[Journal], Onward] | None = None
    #: It is only cancelled, so that nothing but its final steps can need a secret; `killed`: nor can they.
    to_end: bool = False
    killed: bool = False
    #: It is taken from the process that holds it.
    take_over: bool = False
    #: It is the run of that step of another, which knows its secrets and has the budgets.
    child: tuple[StepId, Mapping[str, str], Mapping[str, Account]] | None = None


class StandIns(Protocol):
    """What takes the place of the work of steps, where a run is a test."""

    def runner(self, kind: str, runner: Runner) -> Runner:
        """What runs the steps of that type."""
        ...

    def instead(self, step: StepId, attempt: int) -> Json | UnsetType:
        """The result of a step without effects that does not do its own work. StepError: it fails."""
        ...


#: Gone on with as it is.
AS_IT_IS = How()


class Starts(Protocol):
    """The runtime, as children need it."""

    @property
    def store(self) -> Store: ...
    def stored_plan(self, run_id: RunId) -> Plan: ...
    def start(
        self,
        source: Source,
        plan: Plan,
        inputs: Mapping[str, Any],
        secrets: Mapping[str, str],
        screen: Screen,
        child: tuple[Attempt, Mapping[str, Account], int] | None = None,
    ) -> Run: ...
    def take_up(
        self,
        run_id: RunId,
        screen: Screen,
        secrets_file: str | None = None,
        how: How = ...,
    ) -> Run: ...


@dataclass(frozen=True)
class Children:
    """Makes the runs of the sub-workflows of one run: the `Host` of `engine.subruns`."""

    runtime: Starts
    plan: Plan
    secrets: Mapping[str, str]
    screen: Screen
    #: What the run has of budgets.
    accounts: Mapping[str, Account]
    #: Its own among the runs that share the pool.
    priority: int

    def begin_child(self, attempt: Attempt) -> Run:
        """The new run `attempt.child`. InputError if the step's inputs do not fit."""
        from mplp_cli.loading import resolve_inputs

        found = self.plan.included[attempt.body["file"]]
        inputs = resolve_inputs(found.plan.workflow, attempt.body["inputs"])
        source = Source(found.name, found.text, Path(found.path).parent, found.plan.included_texts())
        child = attempt, self.accounts, self.priority
        return self.runtime.start(source, found.plan, inputs, self.secrets, self.screen, child)

    def take_up_child(self, run_id: RunId, step: StepId) -> Run:
        """A run that is there already. RunBusyError if another process holds it."""
        how = How(child=(step, self.secrets, self.accounts))
        return self.runtime.take_up(run_id, self.screen, how=how)

    def recorded(self, run_id: RunId) -> RunState:
        """A run as its history tells it."""
        return recorded(self.runtime, run_id)


class Keeps(Protocol):
    """What has the histories of runs."""

    @property
    def store(self) -> Store: ...
    def stored_plan(self, run_id: RunId) -> Plan: ...


def recorded(runtime: Keeps, run_id: RunId) -> RunState:
    """A run as its history tells it. RunStateError if this version plans it differently."""
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.revision.telling import replay

    facts = (fact for _, fact in runtime.store.history(run_id))
    return replay(RunState(runtime.stored_plan(run_id)), facts)


def subruns_of(
    runtime: Starts,
    state: RunState,
    given: Given,
    screen: Screen,
    clock: Clock,
    accounts: Mapping[str, Account],
    priority: int,
) -> Subruns | None:
    """What drives the sub-workflows of a run; None if its plan has none."""
    if not state.plan.included:
        return None
    from mplp_cli.engine.subruns import Subruns

    host = Children(runtime, state.plan, given.secrets, screen, accounts, priority)
    return Subruns(state.run_id, host, runtime.store, clock)


def workflow_env(state: RunState, secrets: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The workflow's `env`: values filled in; a name without one is taken from the process, if it is there."""
    from mplp_cli.workflow.fold.scope import RunScope
    from mplp_cli.workflow.language.references import text_of
    from mplp_cli.workflow.language.templates import fill

    scope = RunScope(state, secrets)
    env = {}
    for name, template in state.plan.env.items():
        value = environ.get(name) if template is None else fill(template, scope)
        if value is not None:
            env[name] = text_of(value)
    return env


def secrets_of(
    plan: Plan, environ: Mapping[str, str], secrets_file: str | None, how: How
) -> Mapping[str, str]:
    """What a run that is taken up needs: nothing if it is killed, what `finally` needs if it is cancelled."""
    if how.child:
        return dict(how.child[1])
    if how.killed:
        return {}
    if how.to_end:
        return secrets_to_end(plan, environ, secrets_file)
    return read_secrets(plan.secrets, environ, secrets_file)


def relation_of(child: Attempt | None, rerun: Rerun | None) -> Relation | None:
    """What a new run is made for: a step of another run, or to repeat another run."""
    if child is not None:
        return Relation(kind="child", run=child.run, step=child.step)
    return None if rerun is None else Relation(kind="rerun", run=rerun.of, step=rerun.step)


def to_store(
    source: Source, plan: Plan, started: RunStarted, relation: Relation | None, told: Iterable[Published]
) -> NewRun:
    """What is stored of a new run beside its history; `told` is published."""
    return NewRun(
        id=started.run,
        workflow_id=plan.workflow.id,
        name=plan.workflow.name,
        source=source.text,
        source_name=source.name,
        source_dir=str(source.directory),
        cwd=started.cwd,
        plan=plan.stored(),
        created_at=started.at,
        included=plan.included_texts(),
        turn=started.turn,
        relation=relation,
        cause=started.cause,
        told=list(told),
    )


def root_of(store: Store, run: RunRecord) -> RunRecord:
    """The run that this one belongs to in the end: itself, if it is no sub-workflow (any more)."""
    while run.parent is not None and (above := store.find_runs(run.parent.run)):
        run = above[0]
    return run


def with_children(store: Store, run_id: str) -> list[str]:
    """A run and the runs of its sub-workflows, at any depth."""
    found = [run_id]
    for run in found:
        found += [child.id for child in store.runs(child_of=run)]
    return found


def refuse_child(store: Store, run: RunRecord) -> None:
    """RunStateError for the run of a sub-workflow: its parent takes it on."""
    root = root_of(store, run)
    if run.parent is not None and root.id != run.id:
        raise RunStateError(
            f"run {run.id} is the sub-workflow of step `{run.parent.step}` of run {run.parent.run}",
            hint=f"go on with the run it belongs to: `mplp resume {root.id[:8]}`",
            details={"runId": run.id, "parent": {"runId": run.parent.run, "step": run.parent.step}},
        )


def kill_all(processes: set[Child], subruns: Subruns | None) -> None:
    """End every process of a run and of its children at once."""
    from mplp_cli.engine import processes as ours

    ours.kill_all(processes)
    if subruns is not None:
        subruns.kill()


def one_of(found: list[RunRecord], name: str, fits: Callable[[RunRecord], bool]) -> RunRecord:
    """The one of these that `name` means; UnknownRunError if there is none or more than one."""
    if not found:
        raise UnknownRunError(f"there is no run {name!r}", hint="`mplp runs` lists them")
    exact = [r for r in found if r.id == name.lower()]
    fitting = exact or [r for r in found if fits(r)] or found
    if len(fitting) > 1:
        listed = ", ".join(f"{r.id[:8]} ({r.status})" for r in fitting[:5])
        raise UnknownRunError(
            f"{name!r} means {len(fitting)} runs: {listed}",
            hint="use more of the run's id",
            details={"runs": [r.id for r in fitting]},
        )
    return fitting[0]
