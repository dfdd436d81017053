"""Runs of the list, how they are related, and what they ask: documents for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mplp_cli.clock import rfc3339

if TYPE_CHECKING:
    from mplp_cli.protocols import ApprovalRecord, RunRecord, Standing


def run_object(run: RunRecord, standing: Standing | None = None) -> dict[str, Any]:
    """One run of the list."""
    from mplp_cli.render.tables import status_of

    made: dict[str, Any] = {
        "runId": run.id,
        "workflowId": run.workflow_id,
        "name": run.name,
        "status": status_of(run),
        "createdAt": rfc3339(run.created_at),
        "endedAt": rfc3339(run.ended_at) if run.ended_at else None,
        "rerunOf": run.relation.run if run.relation and run.relation.kind == "rerun" else None,
    }
    if run.parent is not None:
        made["parent"] = parent_object(run)
    made |= cause_object(run)
    if standing is None:
        return made
    return {**made, "concurrency": {"key": standing.key, "position": standing.position}}


def parent_object(run: RunRecord) -> dict[str, Any] | None:
    """The run and the step that a sub-workflow runs for."""
    return None if run.parent is None else {"runId": run.parent.run, "step": run.parent.step}


def cause_object(run: RunRecord) -> dict[str, Any]:
    """`{cause: {by, event}}` of a run that nobody started by hand."""
    return {} if run.cause is None else {"cause": {"by": run.cause.by, "event": run.cause.event or None}}


def children_objects(children: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """The runs of sub-workflows."""
    from mplp_cli.render.tables import status_of

    return [
        {
            "runId": child.id,
            "step": child.parent.step if child.parent is not None else "",
            "workflowId": child.workflow_id,
            "status": status_of(child),
        }
        for child in children
    ]


def approval_object(asked: ApprovalRecord) -> dict[str, Any]:
    """A question and its answer."""
    made: dict[str, Any] = {
        "id": asked.id,
        "runId": asked.run,
        "workflowId": asked.workflow_id,
        "step": asked.step,
        "attempt": asked.attempt,
        "message": asked.message,
        "approvers": asked.approvers,
        "inputs": asked.form,
        "digest": asked.digest,
        "askedAt": rfc3339(asked.asked_at),
        "state": asked.state,
    }
    if asked.decided_at:
        made |= {"by": asked.by, "reason": asked.reason, "decidedAt": rfc3339(asked.decided_at)}
        made["given"] = asked.inputs
    return made
