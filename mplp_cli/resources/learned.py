"""What earlier runs of a workflow say of its steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mplp_cli.protocols import Store
from mplp_cli.workflow.estimates import LOOKED_AT, Estimate, estimates
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.values import RunId, StepId


def estimates_of(
    store: Store,
    workflow_id: str,
    wanted: Collection[StepId] | None = None,
    *,
    but: RunId = "",
) -> Mapping[StepId, Estimate]:
    """What to expect of the steps of a workflow, by their ids in the file; nothing of those never seen to complete.

    `wanted` are the steps that matter (see `working_steps`): it is quicker with them. `but` is a run that does not
    count.
    """
    profiles = store.profiles(workflow_id, LOOKED_AT)
    return estimates((one for one in profiles if one.run != but), wanted)


def working_steps(plan: Plan) -> list[StepId]:
    """The steps of a plan that do work outside: the others take no time."""
    return [step.id for step in plan.steps if step.effect]
