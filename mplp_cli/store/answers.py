"""What every store says no to, in the same words."""

from __future__ import annotations

from typing import Final

from mplp_cli.clock import rfc3339
from mplp_cli.errors import RunExistsError, RunStateError, StoreError, UnknownRunError
from mplp_cli.protocols import ApprovalRecord, Control
from mplp_cli.workflow.values import RunId, StepId

#: A decision and the request that carries it to the run's owner.
VERBS: Final = {"approved": "approve", "rejected": "reject"}


def unknown_run(run_id: RunId) -> UnknownRunError:
    """No run has that id."""
    return UnknownRunError(f"there is no run {run_id!r}", hint="`mplp runs` lists them.")


def run_exists(run_id: RunId) -> RunExistsError:
    """An id is used once."""
    return RunExistsError(f"run {run_id} exists already", details={"runId": run_id})


def run_has_ended(run_id: RunId, status: str) -> RunStateError:
    """Nobody is left who could act upon a request."""
    return RunStateError(f"run {run_id} is {status} already", details={"runId": run_id, "status": status})


def already_answered(run_id: RunId, step: StepId, earlier: ApprovalRecord | None) -> RunStateError:
    """Nothing is asked, or somebody was first: says who, what and when."""
    details = {"runId": run_id, "stepId": step}
    if earlier is None:
        hint = "`mplp approvals` lists what is asked."
        return RunStateError(f"step {step!r} of run {run_id} asks nothing", hint=hint, details=details)
    details |= {"state": earlier.state, "by": earlier.by, "reason": earlier.reason}
    when = f"at {rfc3339(earlier.decided_at)}"
    if earlier.state == "withdrawn":
        said = f"what step {step!r} of run {run_id} asked was withdrawn {when}"
    else:
        who = f" by {earlier.by}" if earlier.by else ""
        why = f": {earlier.reason}" if earlier.reason else ""
        said = f"step {step!r} of run {run_id} was {earlier.state}{who} already, {when}{why}"
    return RunStateError(said, details=details)


def another_question(run_id: RunId, asked: ApprovalRecord) -> RunStateError:
    """The answer was meant for something else: another run or step, an earlier attempt, other words."""
    return RunStateError(
        f"step {asked.step!r} of run {run_id} asks something else than what this answer was given to",
        hint="`mplp approvals` shows what is asked now.",
        details={"runId": run_id, "stepId": asked.step, "digest": asked.digest},
    )


def answer_request(verb: str, given: ApprovalRecord) -> Control:
    """An answer on its way to the run's owner."""
    data = {"digest": given.digest, "inputs": given.inputs, "at": given.decided_at}
    return Control(seq=0, verb=verb, step=given.step, by=given.by, reason=given.reason, data=data)


def object_conflict() -> StoreError:
    """Another owner was first with the same version of an object."""
    return StoreError(
        "another run changed the same object at the same time; nothing was written",
        hint="Resume the run: it reads the object again.",
        details={"cause": "conflict"},
    )
