"""What a plan and its steps may be, and what every operation on them says."""

from __future__ import annotations

from typing import Any, Literal

from mplp_cli.errors import OperationError, UnknownObjectError
from mplp_cli.modules.contract import Parameters, Result
from mplp_cli.modules.ordering import circle, dangling
from mplp_cli.modules.records import Transitions
from mplp_cli.modules.shapes import ObjectId, PlanBody

Status = Literal["draft", "proposed", "approved", "in_progress", "completed", "cancelled", "failed"]
StepStatus = Literal["pending", "in_progress", "completed", "blocked", "skipped", "failed"]
Priority = Literal["low", "medium", "high", "critical"]

TRANSITIONS: Transitions = {
    "draft": ("proposed", "approved", "cancelled"),
    "proposed": ("approved", "draft", "cancelled"),
    "approved": ("in_progress", "cancelled"),
    "in_progress": ("completed", "failed", "cancelled"),
    "failed": ("draft", "in_progress", "cancelled"),
    "completed": (),
    "cancelled": (),
}
STEP_TRANSITIONS: Transitions = {
    "pending": ("in_progress", "blocked", "skipped"),
    "blocked": ("pending", "in_progress", "skipped", "failed"),
    "in_progress": ("completed", "failed", "blocked"),
    "failed": ("pending", "in_progress", "skipped"),
    "completed": (),
    "skipped": (),
}
#: Statuses of a step that the steps behind it wait for.
DONE = frozenset({"completed", "skipped"})


class OnePlan(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId


class PlanNow(Result, frozen=True, kw_only=True):
    """`progress`: completed steps in percent. `priority`: what was said last, null if nothing was."""

    plan_id: ObjectId
    context_id: ObjectId
    status: Status
    priority: Priority | None
    progress: int
    steps: list[dict[str, Any]]
    plan: PlanBody


class PlanFault(Result, frozen=True, kw_only=True):
    """Why a plan cannot be carried out."""

    code: Literal["no-steps", "unknown-dependency", "circle"]
    message: str
    step_ids: list[ObjectId]


def plan_now(body: dict[str, Any]) -> PlanNow:
    """The plan as a result shows it."""
    return PlanNow(
        plan_id=body["plan_id"],
        context_id=body["context_id"],
        status=body["status"],
        priority=priority_of(body),
        progress=progress_of(body),
        steps=body["steps"],
        plan=body,
    )


def priority_of(body: dict[str, Any]) -> Any:
    """The plan itself has no field for it: what its events said last."""
    said = (event.get("data") or {} for event in reversed(body.get("events", ())))
    return next((data["priority"] for data in said if "priority" in data), None)


def progress_of(body: dict[str, Any]) -> int:
    """Completed steps of all, in percent, halves rounded up."""
    steps = body["steps"]
    completed = sum(step["status"] == "completed" for step in steps)
    return (200 * completed + len(steps)) // (2 * len(steps)) if steps else 0


def step_of(body: dict[str, Any], step_id: str) -> dict[str, Any]:
    """UnknownObjectError if the plan has no such step."""
    for step in body["steps"]:
        if step["step_id"] == step_id:
            found: dict[str, Any] = step
            return found
    raise UnknownObjectError(
        f"the plan {body['plan_id']} has no step {step_id}", details={"kind": "plan step", "id": step_id}
    )


def faults_of(steps: list[dict[str, Any]]) -> list[PlanFault]:
    """What is wrong with the steps of a plan as a whole."""
    if not steps:
        return [PlanFault(code="no-steps", message="a plan needs at least one step", step_ids=[])]
    needs = {step["step_id"]: step.get("dependencies", ()) for step in steps}
    faults = [
        PlanFault(
            code="unknown-dependency",
            message=f"the step {step} depends on {other}, which is no step of the plan",
            step_ids=[step, other],
        )
        for step, other in dangling(needs)
    ]
    around = circle(needs)
    if around:
        said = f"steps of the plan wait for one another: {', '.join(around)}"
        faults.append(PlanFault(code="circle", message=said, step_ids=around))
    return faults


def check_steps(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps, if they can be done; else OperationError."""
    faults = faults_of(steps)
    if not faults:
        return steps
    raise OperationError(
        "; ".join(fault.message for fault in faults),
        details={"errors": [{"code": f.code, "stepIds": f.step_ids} for f in faults]},
    )


def needs_of(steps: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Per step that is not done what it still waits for, in the order that the plan states."""
    done = {step["step_id"] for step in steps if step["status"] in DONE}
    # Those without an index come after those with one, as they stand.
    ordered = sorted(steps, key=lambda step: (step.get("order_index") is None, step.get("order_index", 0)))
    return {
        step["step_id"]: [other for other in step.get("dependencies", ()) if other not in done]
        for step in ordered
        if step["step_id"] not in done
    }
