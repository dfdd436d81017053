"""A stored run once more: taken on with another definition, one step of it tried again, or repeated as a new run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from mplp_cli.errors import RunStateError, UsageError
from mplp_cli.protocols import Definition
from mplp_cli.running import How
from mplp_cli.runtime import refuse_final
from mplp_cli.sources import read_secrets
from mplp_cli.workflow.fold.resume import Onward
from mplp_cli.workflow.revision.drift import DefinitionDriftError
from mplp_cli.workflow.revision.reruns import Repeated

if TYPE_CHECKING:
    from mplp_cli.protocols import Journal, RunRecord
    from mplp_cli.runtime import Run, Runtime, Screen
    from mplp_cli.sources import Source
    from mplp_cli.workflow.fold.history import DefinitionChange, Event, Rerun, RunResumed
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.model import Workflow
    from mplp_cli.workflow.plan import Plan
    from mplp_cli.workflow.revision.outline import Contrast, Outline

_SHORT = 8


class Changed(Struct, frozen=True, kw_only=True):
    """What another definition, or another version of mplp, changes for a run."""

    changes: list[DefinitionChange]
    values: list[Contrast]
    #: The same definition; this version plans it differently.
    planned: bool = False

    @property
    def conflicts(self) -> list[DefinitionChange]:
        """The changes that come too late."""
        return [change for change in self.changes if change.conflict]


def past(runtime: Runtime, run_id: str, facts: list[Event]) -> tuple[RunState, Plan | None]:
    """How a run stands; and its plan, None if this version plans its definition differently."""
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.plan import plan_from_stored
    from mplp_cli.workflow.revision.telling import as_told, replay

    plan = runtime.same_plan(run_id)
    if plan is not None:
        return replay(RunState(plan), facts), plan
    [record] = runtime.store.find_runs(run_id)
    stored = runtime.store.definition(run_id).plan
    return as_told(RunState(plan_from_stored(stored, record.workflow_id, record.name)), facts), None


# ---- another definition --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Revised:
    """What a run is to go on with."""

    #: None: the definition that is stored with it.
    definition: tuple[Source, Plan] | None = None
    #: Whether it may change what is done already.
    accept: bool = False
    #: Is told what has changed, if anything has.
    tell: Callable[[Changed], None] = lambda changed: None


def go_on(
    runtime: Runtime,
    run_id: str,
    screen: Screen,
    secrets_file: str | None = None,
    *,
    revised: Revised | None = None,
    take_over: bool = False,
) -> Run:
    """Take a run up, with another definition if one is given.

    DefinitionDriftError if some of what has changed comes too late and is not accepted.
    """
    revised = revised or Revised()

    def choose(journal: Journal) -> Onward:
        facts = list(journal.read())
        old, same = past(runtime, run_id, facts)
        refuse_final(run_id, old.status)
        if revised.definition is None and same is not None:
            return Onward(same, facts)
        source, plan = revised.definition or _replanned(runtime, run_id)
        changed = compare(runtime, run_id, old, plan, facts, planned=revised.definition is None)
        if not changed.changes and same is not None:
            return Onward(same, facts)
        revised.tell(changed)
        if not revised.accept and (changed.conflicts or revised.definition is None):
            raise _refused(run_id, changed)
        fact = _redefined(runtime, old, plan, changed)
        new = Definition(
            source=source.text,
            source_name=source.name,
            source_dir=str(source.directory),
            cwd=old.cwd,
            plan=plan.stored(),
            included=plan.included_texts(),
        )
        journal.redefine(fact, new)
        return Onward(plan, [*facts, fact])

    return runtime.take_up(run_id, screen, secrets_file, How(choose=choose, take_over=take_over))


def _replanned(runtime: Runtime, run_id: str) -> tuple[Source, Plan]:
    source = runtime.stored_source(run_id)
    loaded = runtime.load(source)
    if loaded.plan is None:
        first = next(p for p in loaded.problems if p.severity == "error")
        raise RunStateError(
            f"this version of mplp refuses the definition that is stored with the run: {first.message}",
            hint="finish it with the version that began it, or give a mended one: --definition FILE",
            details={"runId": run_id},
        )
    return source, loaded.plan


def compare(
    runtime: Runtime, run_id: str, old: RunState, plan: Plan, facts: list[Event], *, planned: bool = False
) -> Changed:
    """What the plan changes for a run that stands as `old`."""
    from mplp_cli.workflow.revision.drift import claimed, judged
    from mplp_cli.workflow.revision.outline import contrasts

    if old.plan.workflow.id != plan.workflow.id:
        raise RunStateError(
            f"run {run_id[:_SHORT]} is of workflow {old.plan.workflow.id!r}, the file is {plan.workflow.id!r}",
            hint="a run goes on with a definition of its own workflow only",
            details={"runId": run_id},
        )
    before, after = _outlines(runtime, run_id, old, plan)
    changes, values = contrasts(before, after)
    return Changed(changes=judged(changes, old, after, claimed(facts)), values=values, planned=planned)


def _outlines(runtime: Runtime, run_id: str, old: RunState, plan: Plan) -> tuple[Outline, Outline]:
    from mplp_cli.workflow.revision.outline import outline

    workflow = (
        old.plan.workflow if old.plan.workflow.steps else runtime.load(runtime.stored_source(run_id)).workflow
    )
    return outline(old.plan, workflow), outline(plan, plan.workflow)


def _refused(run_id: str, changed: Changed) -> DefinitionDriftError:
    short = run_id[:_SHORT]
    if changed.conflicts:
        listed = ", ".join(f"`{c.step}` ({c.conflict})" for c in changed.conflicts[:3])
        more = len(changed.conflicts) - 3
        said = f"run {short} cannot go on so: too late for {listed}{f' and {more} more' if more > 0 else ''}"
    else:
        said = (
            f"this version of mplp plans the definition of run {short} differently than the one that began it"
        )
    return DefinitionDriftError(
        said,
        changed.changes,
        hint="--accept-changes goes on all the same: what has completed keeps its result;"
        " `mplp rerun` begins a new run",
        details={"runId": run_id},
    )


def _redefined(runtime: Runtime, old: RunState, plan: Plan, changed: Changed) -> Any:
    from mplp_cli.loading import resolve_inputs
    from mplp_cli.workflow.fold.history import RunRedefined

    workflow = plan.workflow
    given = {name: value for name, value in old.inputs.items() if name in workflow.inputs}
    return RunRedefined(
        runtime.clock.now(),
        "mplp",
        changed.changes,
        resolve_inputs(workflow, given),
        plan.workflow.max_parallel or old.all_slots,
        [change.step for change in changed.changes if change.change == "removed"],
    )


# ---- one step again ------------------------------------------------------------------------------


def retry(
    runtime: Runtime,
    run_id: str,
    step: str,
    screen: Screen,
    secrets_file: str | None = None,
    tell: Callable[[str, list[str]], None] = lambda step, standing: None,
) -> Run:
    """A failed run goes on: with all that did not end well, or with `step` and what waits on it.

    `tell` is told which step is tried again and which failures stand.
    """
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.revision.telling import replay

    def choose(journal: Journal) -> Onward:
        plan, facts = runtime.stored_plan(run_id), list(journal.read())
        state = replay(RunState(plan), facts)
        refuse_unless_failed(run_id, state.status, interrupted=state.status == "running")
        if not step:
            return Onward(plan, facts)
        begin = _tried(runtime, state, state.plan.number[step], tell)
        return Onward(plan, facts, begin)

    return runtime.take_up(run_id, screen, secrets_file, How(choose=choose))


def refuse_unless_failed(run_id: str, status: str, *, interrupted: bool) -> None:
    """RunStateError that says what to use instead."""
    if status == "failed":
        return
    short = run_id[:_SHORT]
    instead = {
        "completed": f"`mplp rerun {short}` runs it again as a new run",
        "cancelled": f"`mplp rerun {short} --failed` runs what did not complete as a new run",
        "waiting": f"answer it with `mplp approve {short}`; `mplp resume {short}` goes on",
        "paused": f"`mplp resume {short}` goes on",
    }
    going = f"`mplp resume {short}` goes on" if interrupted else f"`mplp status {short}` shows how it stands"
    word = "interrupted" if interrupted else status
    raise RunStateError(
        f"run {short} is {word}; only a failed run is retried",
        hint=instead.get(status, going),
        details={"runId": run_id, "status": word},
    )


def _tried(
    runtime: Runtime, state: RunState, named: int, tell: Callable[[str, list[str]], None]
) -> RunResumed:
    from mplp_cli.workflow.fold.history import RunResumed
    from mplp_cli.workflow.fold.onward import obstacle, retried, standing, tried_again

    plan, short = state.plan, state.run_id[:_SHORT]
    i = retried(state, named)
    step, status = plan.steps[i].id, state.step_status[i]
    where = "" if i == named else f" (`{plan.steps[named].id}` stands in it)"
    if status in ("completed", "skipped"):
        raise RunStateError(
            f"`{step}` {'completed' if status == 'completed' else 'was skipped'} in run {short}{where}"
            " and does not run there again",
            hint=f"a new run can: mplp rerun {short} --from {plan.steps[named].id}",
            details={"runId": state.run_id, "step": step, "status": status},
        )
    chosen = tried_again(state, i)
    stands = {d: s for d, s in enumerate(state.step_status) if d not in chosen}
    if (missing := obstacle(plan, i, stands)) >= 0:
        raise RunStateError(
            f"`{step}` cannot run: `{plan.steps[missing].id}` before it is {state.step_status[missing]}",
            hint=f"mplp retry {short} {plan.steps[missing].id} tries that and what waits on it",
            details={"runId": state.run_id, "step": plan.steps[missing].id},
        )
    tell(step, [plan.steps[d].id for d in standing(state, chosen)])
    return RunResumed(runtime.clock.now(), "mplp", step)


# ---- a new run -----------------------------------------------------------------------------------


def is_at_work(record: RunRecord) -> bool:
    """Whether a run has neither ended nor stopped to wait."""
    return record.status in ("pending", "running")


def refuse_at_work(record: RunRecord) -> None:
    """RunStateError for a run that is not run again yet."""
    if not is_at_work(record):
        return
    from mplp_cli.render.tables import status_of

    status, short = status_of(record), record.id[:_SHORT]
    raise RunStateError(
        f"run {short} is {status}; only a run that has ended, or waits, is run again",
        hint=f"go on with it: mplp resume {short}"
        if status == "interrupted"
        else f"end it first: mplp cancel {short}",
        details={"runId": record.id, "status": status},
    )


def chosen(run_id: str, from_step: str | None, only: str | None, *, failed: bool) -> Rerun:
    """The rerun that is asked for. UsageError if it is more than one."""
    from mplp_cli.workflow.fold.history import Rerun

    asked = [Rerun(run_id, "from", from_step)] if from_step is not None else []
    asked += [Rerun(run_id, "failed")] if failed else []
    asked += [Rerun(run_id, "only", only)] if only is not None else []
    if len(asked) > 1:
        raise UsageError("`from`, `failed` and `only` exclude each other", hint="give one of them")
    return asked[0] if asked else Rerun(run_id)


def rerun(
    runtime: Runtime,
    run_id: str,
    how: Rerun,
    screen: Screen,
    secrets_file: str | None = None,
    *,
    definition: tuple[Source, Plan] | None = None,
    inputs: Callable[[Workflow], Mapping[str, Any]] = lambda workflow: {},
) -> Run:
    """A new run of an ended or parked one. `inputs` gives some besides, or instead of, those it had."""
    from mplp_cli.loading import resolve_inputs
    from mplp_cli.workflow.revision.reruns import kept

    facts = [fact for _, fact in runtime.store.history(run_id)]
    old, same = past(runtime, run_id, facts)
    if definition is None:
        source = runtime.stored_source(run_id)
        plan = same or _replanned(runtime, run_id)[1]
    else:
        source, plan = definition
    changed = {c.step for c in compare(runtime, run_id, old, plan, facts).changes if c.step}
    if how.mode in ("from", "only") and how.step not in plan.number:
        raise UsageError(f"there is no step {how.step!r}", hint=_similar(how.step, plan))
    given = {name: value for name, value in old.inputs.items() if name in plan.workflow.inputs}
    resolved = resolve_inputs(plan.workflow, {**given, **inputs(plan.workflow)})
    repeated = Repeated(how, old.cwd, kept(plan, old, how, runtime.clock.now(), changed))
    secrets = read_secrets(plan.secrets, runtime.environ, secrets_file)
    return runtime.start(source, plan, resolved, secrets, screen, repeated=repeated)


def _similar(step: str, plan: Plan) -> str:
    from mplp_cli.workflow.suggest import did_you_mean

    return did_you_mean(step, list(plan.number)) or "`mplp plan` lists the steps of a file"
