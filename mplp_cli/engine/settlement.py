"""The end of a phase as a fact: outputs, then `finally`, then the end of the run."""

from __future__ import annotations

from typing import Any

from mplp_cli.errors import Failure, StepError
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.pausing import is_called_off, is_resting
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import CANCELLED, COMPLETED, FAILED
from mplp_cli.workflow.fold.verdict import final_failure, verdict, warnings
from mplp_cli.workflow.language.templates import fill, is_template

Outputs = dict[str, Any] | None


def parting_of(state: RunState, at: int) -> h.RunPaused | h.RunWaiting | None:
    """What leaves the run to nobody: a pause that has come to its rest, or questions that only people can answer.

    A question whose deadline has come is none: its alarm rings next.
    """
    if is_resting(state):
        return h.RunPaused(at)
    if state.stuck and all(state.due.get(i, at + 1) > at for i in state.approvals):
        return h.RunWaiting(at)
    return None


def settlement(scope: RunScope, at: int) -> h.Event:
    """What follows when all steps of a phase have ended. A killed run does not run `finally`."""
    state = scope.state
    if state.finalizing is not None:
        status, error, outputs = state.finalizing.status, state.finalizing.error, state.finalizing.outputs
        failure = final_failure(state)
        if failure is not None and status == COMPLETED:
            status, error = FAILED, failure
        elif is_called_off(state) and status == COMPLETED:
            status = CANCELLED
        return _end(scope, at, status, error, outputs, _notes(_outputs(scope)[1]))
    status, error = verdict(state)
    outputs, unresolved = _outputs(scope)
    # A rerun of one step may have left out what an output is made of.
    only = state.rerun is not None and state.rerun.mode == "only"
    if unresolved and status == COMPLETED and not only:
        status, error = FAILED, unresolved.pop(0)
    if state.plan.final and not state.killed:
        return h.RunFinalizing(at, status, outputs, error)
    return _end(scope, at, status, error, outputs, _notes(unresolved))


def _notes(unresolved: list[Failure]) -> list[str]:
    return [f"an output could not be resolved: {failure.message}" for failure in unresolved]


def _end(
    scope: RunScope, at: int, status: str, error: Failure | None, outputs: Outputs, notes: list[str]
) -> h.Event:
    state = scope.state
    if status == CANCELLED:
        stopping = state.stopping
        return h.RunCancelled(
            at, stopping.by if stopping else "", stopping.message if stopping else "", outputs
        )
    found = [*warnings(state), *notes]
    if status == FAILED:
        assert error is not None
        return h.RunFailed(at, error, outputs, found)
    return h.RunCompleted(at, outputs, found)


def _outputs(scope: RunScope) -> tuple[Outputs, list[Failure]]:
    """The run's outputs (None if it declares none); one that cannot be resolved is null."""
    template = scope.state.plan.outputs
    declared = template.fixed if is_template(template) else template
    if not declared:
        return None, []
    outputs: dict[str, Any] = dict(declared)
    unresolved = []
    for name, value in template.moving if is_template(template) else ():
        try:
            outputs[name] = fill(value, scope)
        except StepError as error:
            failure = error.failure()
            outputs[name] = None
            unresolved.append(
                Failure(type=failure.type, message=f"output `{name}`: {failure.message}", retryable=False)
            )
    return outputs, unresolved
