"""The composition root: the only module that knows every concrete class.

A command makes one `Runtime`, asks it to load a workflow, and gets a `Drive` to run: a new run
(`start`) or one that a store has (`take_up`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mplp_cli.assembly import (
    assemble,
    end_survivors,
    in_best_order,
    incoming_of,
    listened_of,
    make_hub,
    traces_of,
)
from mplp_cli.clock import SystemClock
from mplp_cli.errors import RunStateError
from mplp_cli.ids import RandomIds
from mplp_cli.observe.tally import Tally
from mplp_cli.plugins import ConditionHandlers
from mplp_cli.protocols import Attempt, Clock, RunRecord, Store
from mplp_cli.resources.adjustments import slots_of
from mplp_cli.roster import Roster, project_settings
from mplp_cli.running import (
    AS_IT_IS,
    Given,
    How,
    Run,
    Screen,
    StandIns,
    one_of,
    refuse_child,
    relation_of,
    secrets_of,
    to_store,
    workflow_env,
)
from mplp_cli.settings import Settings, load_settings
from mplp_cli.sources import Source

__all__ = ["Run", "Runtime", "Screen"]

if TYPE_CHECKING:
    from mplp_cli.agents.budget import Account
    from mplp_cli.agents.recording.tape import Tape
    from mplp_cli.agents.registry import Registry
    from mplp_cli.ids import SeededIds
    from mplp_cli.loading import Loaded
    from mplp_cli.modules.plugged import Modules
    from mplp_cli.protocols.scaling import Adjustments
    from mplp_cli.workflow.plan import Plan
    from mplp_cli.workflow.published import Cause
    from mplp_cli.workflow.resources import Pool
    from mplp_cli.workflow.revision.reruns import Repeated


class Runtime:
    """The concrete parts that a command works with, each made on first use."""

    def __init__(
        self,
        *,
        start: Path | None = None,
        state_dir: str | None = None,
        ephemeral: bool = False,
        uses_cache: bool = True,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.cwd = start or Path.cwd()
        self.environ = dict(os.environ if environ is None else environ)
        self.explicit_state_dir = state_dir
        self.ephemeral = ephemeral
        self.clock: Clock = SystemClock()
        self.ids = RandomIds()
        self.conditions = ConditionHandlers()
        self.uses_cache = uses_cache  #: whether steps take results from the cache
        self.tape: Tape | None = None  #: records what agents answer, or answers for them
        self.seeded: SeededIds | None = None  #: gives ids that are the same every time
        self.tally = Tally()  #: what the process counts
        self.stand_ins: StandIns | None = None  #: do the work of steps in a test
        self.trace_file: str | None = None  #: where spans of its runs go, whatever else asks for them
        self.priority = 0  #: of the runs that it starts, where they share the pool with others
        #: Types of events that somebody else wants of its runs.
        self.listens: Collection[str] = ()
        self._scratch: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store and drop what an ephemeral run has left."""
        if "store" in vars(self):
            self.store.close()
        if self._scratch is not None:
            self._scratch.cleanup()

    # ---- the store

    @cached_property
    def state_dir(self) -> Path:
        """Where the state is; made if it is not there."""
        from mplp_cli.store.layout import find_state_dir

        found = find_state_dir(self.cwd, self.explicit_state_dir, self.environ, create=True)
        assert found is not None
        return found

    def existing_state_dir(self) -> Path | None:
        """Where the state is, None if nothing was ever stored."""
        from mplp_cli.store.layout import find_state_dir

        return find_state_dir(self.cwd, self.explicit_state_dir, self.environ, create=False)

    @cached_property
    def store(self) -> Store:
        """The store of runs."""
        if self.ephemeral:
            from mplp_cli.store.memory import MemoryStore

            return MemoryStore(self.clock)
        from mplp_cli.store.sqlite import SqliteStore

        return SqliteStore(self.state_dir, self.clock)

    def find_run(self, name: str, *, fits: Callable[[RunRecord], bool] = lambda run: True) -> RunRecord:
        """The one run that `name` means: an id, its prefix, or a workflow id; of several the one that fits."""
        found = [] if self.existing_state_dir() is None else self.store.find_runs(name)
        return one_of(found, name, fits)

    # ---- loading

    def load(self, source: Source) -> Loaded:
        """The workflow, its plan and every problem found."""
        from mplp_cli.loading import load_workflow
        from mplp_cli.loading.including import on_disk, stored
        from mplp_cli.modules.catalogue import call_asks_agents, check_operation, signature_of
        from mplp_cli.roster import beside

        return load_workflow(
            source.text,
            source.name,
            check_operation=check_operation,
            asks_agents=call_asks_agents,
            conditions=self.conditions,
            directory=str(source.directory),
            read=on_disk if source.included is None else stored(source.included),
            # A definition that was stored with a run has been judged by the version that began it.
            signatures=signature_of if source.included is None else None,
            beside=lambda: beside(self, str(source.directory), stored=source.included is not None),
            pool=(lambda: self.pool) if source.included is None else None,
        )

    # ---- runs

    def start(  # noqa: PLR0913 - all that a run can begin with
        self,
        source: Source,
        plan: Plan,
        inputs: Mapping[str, Any],
        secrets: Mapping[str, str],
        screen: Screen,
        child: tuple[Attempt, Mapping[str, Account], int] | None = None,
        repeated: Repeated | None = None,
        *,
        cause: Cause | None = None,
        run_id: str | None = None,
    ) -> Run:
        """Store a new run, ready to drive. `inputs` are resolved; `child`: it is the run of that step, whose run has
        those budgets and that priority. `run_id`: the id it is to have, a UUID in small letters; RunExistsError if a
        run has it already."""
        from mplp_cli.engine.announcing import announced
        from mplp_cli.workflow.fold.admission import turn_of
        from mplp_cli.workflow.fold.history import RunStarted
        from mplp_cli.workflow.fold.scope import RunScope
        from mplp_cli.workflow.fold.state import RunState
        from mplp_cli.workflow.revision.telling import replay

        attempt, shared, priority = child or (None, {}, self.priority)
        run_id, now = attempt.child if attempt else run_id or self.ids.uuid(), self.clock.now()
        cwd, rerun = (str(self.cwd), None) if repeated is None else (repeated.cwd, repeated.rerun)
        cwd = attempt.cwd if attempt else cwd
        slots = slots_of(plan, adjustments_of(self))
        plan = in_best_order(self, plan, slots)
        state = RunState(plan)
        state.run_id, state.inputs, state.cwd = run_id, dict(inputs), cwd
        env = workflow_env(state, secrets, self.environ)
        state.env = {name: value for name, value in env.items() if name not in plan.secret_env}
        given = Given(secrets, env, str(source.directory), _denies_private(plan, self.cwd), shared)
        turn = None if self.ephemeral else turn_of(plan, RunScope(state, {}))
        workflow, under = plan.workflow.id, incoming_of(self, attempt, cause)
        started = RunStarted(
            now, run_id, workflow, dict(inputs), state.env, cwd, slots, turn, rerun, priority, cause, under
        )
        first = [started, *(repeated.kept if repeated is not None else ())]
        told = list(announced(run_id, workflow, None, first, listened_of(self, plan)))
        new = to_store(source, plan, started, relation_of(attempt, rerun), told)
        if attempt:
            screen = screen.inside(attempt.step, state.plan, state)
        journal = self.store.create_run(new, first)
        self.tally.published(told)
        if rerun is None or rerun.mode == "all":
            return assemble(self, state, journal, given, screen, started)
        run = assemble(self, replay(state, first), journal, given, screen, None)
        run.first, run.tell = first, run.drive.world.subscribers
        return run

    def take_up(
        self, run_id: str, screen: Screen, secrets_file: str | None = None, how: How = AS_IT_IS
    ) -> Run:
        """Own a paused, interrupted, waiting or failed run and get it ready to drive on.

        RunBusyError if a process holds it. RunStateError for the run of a sub-workflow, unless its parent takes
        it up or it is to be ended.
        """
        from mplp_cli.store.locks import process_name
        from mplp_cli.workflow.fold.history import RunStarted, StepCompleted
        from mplp_cli.workflow.fold.resume import Onward
        from mplp_cli.workflow.fold.state import RunState
        from mplp_cli.workflow.revision.telling import replay

        [record] = self.store.find_runs(run_id)
        if how.choose is None:  # else that says what may be chosen
            refuse_final(run_id, record.status)
        if how.child is None and not how.to_end:
            refuse_child(self.store, record)
        journal = self.store.own_run(run_id, process_name(), take_over=how.take_over)
        try:
            choose = how.choose
            onward = choose(journal) if choose else Onward(self.stored_plan(run_id), list(journal.read()))
            plan = onward.plan
            secrets = secrets_of(plan, self.environ, secrets_file, how)
            end_survivors(run_id)
            # One that was stored and not begun (its process was lost, or left it to another) begins.
            first = onward.facts[0] if len(onward.facts) == 1 else None
            started = first if isinstance(first, RunStarted) else None
            ended = {fact.step for fact in onward.facts if isinstance(fact, StepCompleted)}
            plan = in_best_order(self, plan, slots_of(plan, adjustments_of(self)), ended)
            state = RunState(plan)
            if started is None:
                replay(state, onward.facts)
            else:
                state.run_id, state.inputs, state.cwd = run_id, started.inputs, started.cwd
            refuse_final(run_id, state.status)
            lacks = how.to_end or not secrets.keys() >= set(plan.secrets)
            env = (
                {} if how.killed or (lacks and not plan.final) else workflow_env(state, secrets, self.environ)
            )
            source_dir = self.store.definition(run_id).source_dir
            shared = how.child[2] if how.child else {}
            given = Given(secrets, env, source_dir, _denies_private(plan, self.cwd), shared)
            if how.child:
                screen = screen.inside(how.child[0], state.plan, state)
            run = assemble(self, state, journal, given, screen, started or onward.begin, how)
            run.recorded = len(onward.facts) if started is None else 0
        except BaseException:
            journal.close()
            raise
        return run

    def stored_source(self, run_id: str) -> Source:
        """The definition that was stored with a run."""
        definition = self.store.definition(run_id)
        return Source(
            definition.source_name, definition.source, Path(definition.source_dir), definition.included
        )

    def stored_plan(self, run_id: str) -> Plan:
        """The plan of a stored run, made again from its definition; RunStateError if it comes out differently."""
        plan = self.same_plan(run_id)
        if plan is None:
            raise RunStateError(
                "this version of mplp plans the stored definition differently than the one that began the run",
                hint="`mplp resume` says in what; finish it with the version that began it, or start it anew",
                details={"runId": run_id},
            )
        return plan

    def same_plan(self, run_id: str) -> Plan | None:
        """The plan of a stored run as it was when the run began; None if this version plans it differently."""
        from mplp_cli.workflow.plan import digest_of

        plan = self.load(self.stored_source(run_id)).plan
        stored = self.store.definition(run_id).plan
        return plan if plan is not None and digest_of(plan.stored()) == digest_of(stored) else None

    @cached_property
    def hub(self) -> Any:
        """The modules, with what the store holds."""
        return make_hub(self)

    @cached_property
    def modules(self) -> Modules:
        """The modules by name, those of installed packages too."""
        from mplp_cli.modules.catalogue import all_modules

        return all_modules()

    @cached_property
    def roster(self) -> Roster:
        """The agents that the project's files define."""
        from mplp_cli.roster import project_roster

        return project_roster(self.settings, self.cwd, self.environ, self.existing_state_dir)

    @cached_property
    def registry(self) -> Registry:
        """The agents of the project's files, and the registered ones."""
        from mplp_cli.roster import make_registry

        return make_registry(
            self.roster,
            lambda make: self.state_dir if make else self.existing_state_dir(),
            self.clock,
            self.ids,
        )

    @cached_property
    def settings(self) -> Settings:
        """What the project's `mplp.yaml` says."""
        return project_settings(self.cwd)

    #: Where spans of its runs go; None: nobody wants any.
    traces = cached_property(traces_of)

    @cached_property
    def pool(self) -> Pool:
        """What steps can hold; a kind is looked for when it is asked for."""
        from mplp_cli.resources.pool import make_pool

        return make_pool(self.settings, self.existing_state_dir() or self.cwd, adjustments_of(self))

    def log_dir(self, run_id: str) -> Path:
        """Where a run keeps what its steps print; of an ephemeral run, as long as this lives."""
        from mplp_cli.store.layout import log_dir

        if not self.ephemeral:
            return log_dir(self.state_dir, run_id)
        if self._scratch is None:
            from tempfile import TemporaryDirectory

            self._scratch = TemporaryDirectory(prefix="mplp-")
        return Path(self._scratch.name) / run_id


def pause_undriven(runtime: Runtime, run_id: str, by: str, reason: str) -> str:
    """Pause a run that nobody drives; the status it has then. RunBusyError if it is held."""
    from mplp_cli.engine.requests import pause_stored

    plan = runtime.stored_plan(run_id)
    journal = runtime.store.own_run(run_id, by="mplp")
    try:
        end_survivors(run_id)
        return pause_stored(journal, plan, by, reason, runtime.clock.now())
    finally:
        journal.close()


def adjustments_of(runtime: Runtime) -> Adjustments:
    """What commands have adjusted where the state is; nothing for what is ephemeral."""
    from mplp_cli.store.adjusting import read_adjustments

    return read_adjustments(None if runtime.ephemeral else runtime.existing_state_dir())


def refuse_final(run_id: str, status: str) -> None:
    """RunStateError for the status of a run that is never taken up again."""
    if status in ("completed", "cancelled"):
        raise RunStateError(
            f"the run is {status}; that is final",
            hint="`mplp rerun` starts a new one of it",
            details={"runId": run_id, "status": status},
        )


def _denies_private(plan: Plan, directory: Path) -> bool:
    """Whether the project there denies private addresses; nobody asks for a plan without requests."""
    return (
        any(step.kind in ("http", "agent") for step in plan.steps) and load_settings(directory).deny_private
    )
