"""A person's answer to what a run asks: what `approve` and `reject` share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.fold.answers import Given


class Answer(NamedTuple):
    """What was said on the command line. Without `by` it is the user; an empty `digest` is whatever is asked now."""

    decision: Literal["approved", "rejected"]
    reason: str
    by: str | None
    digest: str
    inputs: Sequence[str] | None = None
    inputs_file: str | None = None


def answer(run: str, step: str | None, said: Answer, *, state_dir: str | None, as_json: bool) -> None:
    """Record the answer and say how the run goes on.

    RunStateError if nothing is asked, or no longer, or of somebody else; InputError if the inputs do not fit.
    Both come before anything is stored.
    """
    from mplp_cli.cli.showing import note
    from mplp_cli.render.theme import safe
    from mplp_cli.render.view import short_id
    from mplp_cli.requesting import user_name
    from mplp_cli.running import root_of
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run, fits=asking(runtime))
    chosen = step or _only_step(runtime, record)
    by = said.by or user_name()
    bound = _checked(runtime, record, chosen, said, by)
    now = runtime.clock.now()
    given = runtime.store.decide(record.id, chosen, said.decision, by, said.reason, now, bound)
    if as_json:
        from mplp_cli.render.machine import write_document
        from mplp_cli.render.stored import approval_object

        write_document(approval_object(given))
    else:
        sys.stdout.write(safe(f"{said.decision} {chosen} of run {short_id(record.id)}") + "\n")
    root = root_of(runtime.store, record)
    [after] = runtime.store.find_runs(root.id)
    # A run that waits or is paused was left before the answer was stored, even if its process is still there.
    if not after.owned or (root.id == record.id and after.status in ("waiting", "paused")):
        note(f"next: mplp resume {short_id(root.id)}")


def _checked(runtime: Runtime, record: RunRecord, step: str, said: Answer, by: str) -> Given:
    """The answer, checked against what is asked now, and bound to it."""
    from mplp_cli.cli.giving import given_inputs
    from mplp_cli.loading.inputs import resolved
    from mplp_cli.workflow.fold.answers import Given, check_answerer

    pending = runtime.store.approvals(run_id=record.id)
    asked = next((one for one in pending if one.step == step), None)
    if asked is None or said.digest not in ("", asked.digest):
        return Given(said.digest)  # the store says what is wrong with it
    check_answerer(asked.approvers, by)
    if said.decision == "rejected":
        return Given(asked.digest)
    given = given_inputs(asked.form, said.inputs, said.inputs_file)
    return Given(asked.digest, resolved(asked.form, given, "this question takes none"))


def asking(runtime: Runtime) -> Callable[[RunRecord], bool]:
    """Whether a run asks something."""
    from mplp_cli.cli.showing import stored

    store = stored(runtime)
    runs = {asked.run for asked in store.approvals()} if store is not None else set()
    return lambda run: run.id in runs


def _only_step(runtime: Runtime, record: RunRecord) -> str:
    from mplp_cli.cli.family import with_children
    from mplp_cli.errors import RunStateError, UsageError
    from mplp_cli.render.view import short_id

    steps = sorted(asked.step for asked in runtime.store.approvals(run_id=record.id))
    if not steps:
        below = [
            one for one in with_children(runtime.store, record.id) if runtime.store.approvals(run_id=one)
        ]
        if below:
            raise RunStateError(
                f"run {short_id(record.id)} asks nothing itself; its sub-workflow {short_id(below[0])} does",
                hint=f"name that run: {short_id(below[0])}",
                details={"runId": record.id, "asking": below},
            )
        left = record.status in ("waiting", "paused")
        raise RunStateError(
            f"run {short_id(record.id)} asks nothing now; it is {record.status}",
            hint=f"go on with `mplp resume {short_id(record.id)}`"
            if left
            else "`mplp approvals` lists what is asked",
            details={"runId": record.id, "status": record.status},
        )
    if len(steps) > 1:
        raise UsageError(
            f"{len(steps)} steps of run {short_id(record.id)} ask something: {', '.join(steps)}",
            hint="name the step",
            details={"runId": record.id, "steps": steps},
        )
    return steps[0]
