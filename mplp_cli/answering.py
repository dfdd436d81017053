"""What runs ask a person, and the answer, wherever that is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import Struct, structs

from mplp_cli.errors import RunStateError, UsageError
from mplp_cli.render.stored import approval_object, parent_object
from mplp_cli.requesting import user_name
from mplp_cli.running import with_children
from mplp_cli.workflow.fold.answers import Given, check_answerer

if TYPE_CHECKING:
    from mplp_cli.protocols import ApprovalRecord, RunRecord, Store
    from mplp_cli.runtime import Runtime

#: Gives the inputs of an answer for the form of a question (name -> JSON Schema).
Fill: TypeAlias = Callable[[dict[str, dict[str, Any]]], Mapping[str, Any]]


class Answer(Struct, frozen=True):
    """What somebody says to a question; an empty `digest` is meant for whatever is asked now."""

    decision: Literal["approved", "rejected"]
    by: str = ""
    reason: str = ""
    digest: str = ""


def give(store: Store, now: int, asked: ApprovalRecord, said: Answer, fill: Fill) -> ApprovalRecord:
    """Store an answer, bound to its question.

    RunStateError if that is not asked any more, or somebody else is asked; InputError if the inputs do not fit. Both
    come before anything is stored.
    """
    given = Given(said.digest or asked.digest)
    if asked.state == "pending" and said.digest in ("", asked.digest):  # else the store says what is wrong
        check_answerer(asked.approvers, said.by)
        if said.decision == "approved":
            from mplp_cli.loading.inputs import resolved

            given = Given(asked.digest, resolved(asked.form, fill(asked.form), "this question takes none"))
    return store.decide(asked.run, asked.step, said.decision, said.by, said.reason, now, given)


def answer(
    runtime: Runtime, run: str, step: str | None, said: Answer, fill: Fill
) -> tuple[RunRecord, ApprovalRecord]:
    """Answer what a step of a run asks; without `step`, the one question of the run. The run, and the answer.
    Without a name it is the user of this process who answers.

    UnknownRunError, UsageError if there are several questions, and what `give` raises.
    """
    said = said if said.by else structs.replace(said, by=user_name())
    record = runtime.find_run(run, fits=_asking(runtime))
    chosen, now = step or _only_step(runtime.store, record), runtime.clock.now()
    pending = runtime.store.approvals(run_id=record.id)
    asked = next((one for one in pending if one.step == chosen), None)
    if asked is not None:
        return record, give(runtime.store, now, asked, said, fill)
    unasked = Given(said.digest)  # the store says what is wrong with it
    return record, runtime.store.decide(record.id, chosen, said.decision, said.by, said.reason, now, unasked)


def questions(runtime: Runtime, run: str | None, *, everything: bool) -> list[ApprovalRecord]:
    """What a run and its sub-workflows ask, or all runs; with `everything` what is answered or withdrawn, too."""
    run_id = None if run is None else runtime.find_run(run, fits=_asking(runtime)).id
    if runtime.existing_state_dir() is None:  # a question does not make one
        return []
    store, state = runtime.store, None if everything else "pending"
    if run_id is None:
        return store.approvals(state=state)
    return [
        asked for one in with_children(store, run_id) for asked in store.approvals(run_id=one, state=state)
    ]


def question_object(store: Store, asked: ApprovalRecord) -> dict[str, Any]:
    """A question and its answer, with the `parent` of its run if that is of a sub-workflow."""
    parent = next((parent_object(run) for run in store.find_runs(asked.run)), None)
    return {**approval_object(asked), **({"parent": parent} if parent else {})}


def _asking(runtime: Runtime) -> Callable[[RunRecord], bool]:
    is_there = runtime.existing_state_dir() is not None
    runs = {asked.run for asked in runtime.store.approvals()} if is_there else set()
    return lambda run: run.id in runs


def _only_step(store: Store, record: RunRecord) -> str:
    steps, short = sorted(asked.step for asked in store.approvals(run_id=record.id)), record.id[:8]
    if not steps:
        below = [one for one in with_children(store, record.id) if store.approvals(run_id=one)]
        if below:
            raise RunStateError(
                f"run {short} asks nothing itself; its sub-workflow {below[0][:8]} does",
                hint=f"name that run: {below[0][:8]}",
                details={"runId": record.id, "asking": below},
            )
        left = record.status in ("waiting", "paused")
        raise RunStateError(
            f"run {short} asks nothing now; it is {record.status}",
            hint=f"go on with `mplp resume {short}`" if left else "`mplp approvals` lists what is asked",
            details={"runId": record.id, "status": record.status},
        )
    if len(steps) > 1:
        raise UsageError(
            f"{len(steps)} steps of run {short} ask something: {', '.join(steps)}",
            hint="name the step",
            details={"runId": record.id, "steps": steps},
        )
    return steps[0]
