"""The steps of a plan: added, changed and taken away before the work, and how far each is during it."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from mplp_cli.errors import DuplicateObjectError, InvalidTransitionError, OperationError
from mplp_cli.modules.builtin.plan.model import (
    DONE,
    STEP_TRANSITIONS,
    PlanNow,
    StepStatus,
    check_steps,
    plan_now,
    step_of,
)
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.records import change_object, check_move, make_event
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import ObjectId, PlanBody, Text

_VERBS = {
    "pending": "step.reset",
    "in_progress": "step.started",
    "completed": "step.completed",
    "blocked": "step.blocked",
    "skipped": "step.skipped",
    "failed": "step.failed",
}
#: Statuses of a plan in which nobody works on its steps.
_AT_REST = {"draft", "proposed", "approved", "failed"}

Dependencies = Annotated[
    list[ObjectId] | None, Meta(description="ids of steps of this plan that come before")
]
OrderIndex = Annotated[int, Meta(ge=0)]


class NewStep(Parameters, frozen=True, kw_only=True):
    description: Text
    status: StepStatus = "pending"
    agent_role: Text | None = None
    dependencies: Dependencies = None
    order_index: OrderIndex | None = None
    step_id: ObjectId | None = None


class StepChanges(Parameters, frozen=True, kw_only=True):
    description: Text | None = None
    agent_role: Text | None = None
    dependencies: Dependencies = None
    order_index: OrderIndex | None = None


class AddStep(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId
    step: NewStep


class UpdateStep(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId
    step_id: ObjectId
    changes: StepChanges


class RemoveStep(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId
    step_id: ObjectId


class UpdateStepStatus(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId
    step_id: ObjectId
    status: StepStatus
    reason: str | None = None


class StepNow(Result, frozen=True, kw_only=True):
    plan_id: ObjectId
    step_id: ObjectId
    step: dict[str, Any]
    progress: int
    plan: PlanBody


def step_body(given: NewStep, session: Session) -> dict[str, Any]:
    """A step as a plan holds it: what is given, an id and a status."""
    step: dict[str, Any] = {
        "step_id": given.step_id or session.uuid(),
        "description": given.description,
        "status": given.status,
    }
    return {**step, **_given(given)}


def _given(given: NewStep | StepChanges) -> dict[str, Any]:
    fields = {
        "description": given.description,
        "dependencies": given.dependencies,
        "agent_role": given.agent_role,
        "order_index": given.order_index,
    }
    return {name: value for name, value in fields.items() if value is not None}


def add_step(given: AddStep, session: Session) -> StepNow:
    """Adds a step behind the others."""
    body = _at_rest(session, given.plan_id)
    step = step_body(given.step, session)
    identifier = step["step_id"]
    if any(other["step_id"] == identifier for other in body["steps"]):
        raise DuplicateObjectError(
            f"the plan {given.plan_id} has a step {identifier} already",
            hint="leave the id out and one is made",
            details={"kind": "plan step", "id": identifier},
        )
    return _put(session, body, [*body["steps"], step], step, "step.added", {})


def update_step(given: UpdateStep, session: Session) -> StepNow:
    """Changes what is given of a step that is not done."""
    body = _at_rest(session, given.plan_id)
    step = _undone(body, given.step_id)
    changes = _given(given.changes)
    if not changes:
        raise OperationError("`plan/update-step` is given nothing to change", hint="`changes` is empty")
    changed = {**step, **changes}
    steps = [changed if other is step else other for other in body["steps"]]
    return _put(session, body, steps, changed, "step.updated", {"fields": sorted(changes)})


def remove_step(given: RemoveStep, session: Session) -> StepNow:
    """Takes a step away that is not done, that no other waits for, and that is not the only one."""
    body = _at_rest(session, given.plan_id)
    step = _undone(body, given.step_id)
    left = [other for other in body["steps"] if other is not step]
    if not left:
        raise OperationError(
            f"the step {given.step_id} is the only one, and a plan needs at least one step",
            hint="`plan/delete-plan` deletes the plan",
        )
    waiting = [other["step_id"] for other in left if given.step_id in other.get("dependencies", ())]
    if waiting:
        raise OperationError(
            f"the step {given.step_id} cannot be removed: {', '.join(waiting)} would wait for nothing",
            hint="`plan/update-step` changes what they depend on",
            details={"waiting": waiting},
        )
    return _put(session, body, left, step, "step.removed", {})


def update_step_status(given: UpdateStepStatus, session: Session) -> PlanNow:
    """A step changes while its plan is in progress, and starts when what it depends on is done."""
    body = session.get("plan", given.plan_id)
    said = {} if given.reason is None else {"reason": given.reason}
    return plan_now(moved(session, body, given.step_id, given.status, said))


def moved(
    session: Session, body: dict[str, Any], step_id: str, status: StepStatus, said: dict[str, Any]
) -> dict[str, Any]:
    """A plan in progress whose step has another status; `said` is what its event holds."""
    step = step_of(body, step_id)
    if body["status"] != "in_progress":
        raise InvalidTransitionError(
            f"the plan {body['plan_id']} is `{body['status']}`; its steps change while it is `in_progress`",
            hint="`plan/start-plan` starts it",
            details={"kind": "plan", "id": body["plan_id"], "status": body["status"]},
        )
    check_move("plan step", step_id, STEP_TRANSITIONS, step["status"], status)
    done = {other["step_id"] for other in body["steps"] if other["status"] in DONE}
    waits = [other for other in step.get("dependencies", ()) if other not in done]
    if status == "in_progress" and waits:
        raise OperationError(
            f"the step {step_id} cannot start before {', '.join(waits)}", details={"waitsFor": waits}
        )
    event = make_event(session, "plan", _VERBS[status], {"stepId": step_id, **said})
    changed = [{**s, "status": status} if s is step else s for s in body["steps"]]
    return session.put("plan", change_object(session, body, event, steps=changed))


def _at_rest(session: Session, plan_id: str) -> dict[str, Any]:
    body = session.get("plan", plan_id)
    if body["status"] in _AT_REST:
        return body
    raise InvalidTransitionError(
        f"the plan {plan_id} is `{body['status']}`; its steps stay as they are",
        hint="`plan/fail-plan` ends the attempt" if body["status"] == "in_progress" else None,
        details={"kind": "plan", "id": plan_id, "status": body["status"]},
    )


def _undone(body: dict[str, Any], step_id: str) -> dict[str, Any]:
    step = step_of(body, step_id)
    if step["status"] in DONE:
        raise OperationError(
            f"the step {step_id} is `{step['status']}` and stays as it is",
            details={"kind": "plan step", "id": step_id, "status": step["status"]},
        )
    return step


def _put(
    session: Session,
    body: dict[str, Any],
    steps: list[dict[str, Any]],
    about: dict[str, Any],
    verb: str,
    data: dict[str, Any],
) -> StepNow:
    event = make_event(session, "plan", verb, {"stepId": about["step_id"], **data})
    changed = change_object(session, body, event, steps=check_steps(steps))
    now = plan_now(session.put("plan", changed))
    return StepNow(
        plan_id=now.plan_id, step_id=about["step_id"], step=about, progress=now.progress, plan=now.plan
    )


OPERATIONS = (
    Operation(
        name="add-step",
        summary="Add a step to a plan that nobody works on",
        parameters=AddStep,
        result=StepNow,
        handler=add_step,
    ),
    Operation(
        name="update-step",
        summary="Change a step of a plan that nobody works on",
        parameters=UpdateStep,
        result=StepNow,
        handler=update_step,
    ),
    Operation(
        name="remove-step",
        summary="Take a step away from a plan that nobody works on",
        parameters=RemoveStep,
        result=StepNow,
        handler=remove_step,
    ),
    Operation(
        name="update-step-status",
        summary="Say how far a step of a plan is",
        parameters=UpdateStepStatus,
        result=PlanNow,
        handler=update_step_status,
    ),
)
