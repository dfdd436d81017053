"""Module `plan`: what is to be done in a context, cut into steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from mplp_cli.errors import InvalidTransitionError, OperationError, UnknownObjectError
from mplp_cli.modules.contract import Operation, Parameters, Result, make_module
from mplp_cli.modules.records import (
    Transitions,
    change_object,
    check_move,
    make_event,
    make_object,
    open_context,
    page_of,
)
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import Assignment, ObjectId, PageNumber, PageSize, Text

Status = Literal["draft", "proposed", "approved", "in_progress", "completed", "cancelled", "failed"]
StepStatus = Literal["pending", "in_progress", "completed", "blocked", "skipped", "failed"]

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
_STEP_VERBS = {
    "pending": "step.reset",
    "in_progress": "step.started",
    "completed": "step.completed",
    "blocked": "step.blocked",
    "skipped": "step.skipped",
    "failed": "step.failed",
}
_DONE = {"completed", "skipped"}


class NewStep(Parameters, frozen=True, kw_only=True):
    description: Text
    agent_role: Text | None = None
    dependencies: Annotated[
        list[ObjectId], Meta(description="ids of steps of this plan that come before")
    ] = field(default_factory=list)
    order_index: Annotated[int, Meta(ge=0)] | None = None
    step_id: ObjectId | None = None


class CreatePlan(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId
    assigned_roles: Annotated[
        list[Assignment | Text] | None,
        Meta(description="assignments or names of roles; one step each unless `steps` is given"),
    ] = None
    steps: Annotated[list[NewStep], Meta(min_length=1)] | None = None
    name: Text | None = None
    title: Text | None = None
    objective: Annotated[Text | None, Meta(description="the workflow's description unless given")] = None
    plan_id: ObjectId | None = None


class OnePlan(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId


class MovePlan(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId
    reason: str | None = None


class ListPlans(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId | None = None
    status: Status | None = None
    page: PageNumber = 1
    limit: PageSize = 100


class UpdateStepStatus(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId
    step_id: ObjectId
    status: StepStatus
    reason: str | None = None


class PlanNow(Result, frozen=True, kw_only=True):
    plan_id: ObjectId
    context_id: ObjectId
    status: Status
    steps: list[dict[str, Any]]
    plan: dict[str, Any]


class Plans(Result, frozen=True, kw_only=True):
    plans: list[dict[str, Any]]
    total: int
    page: int
    limit: int
    total_pages: int
    has_next: bool
    has_previous: bool


def create_plan(given: CreatePlan, session: Session) -> PlanNow:
    """Without `steps`, one step for each of `assignedRoles`, in order."""
    context = open_context(session, given.context_id)
    identifier = session.new_id("plan", given.plan_id)
    title = given.title or given.name or f"Plan for {context['title']}"
    steps = _steps(given, context["title"], session)
    body = make_object(
        session,
        "plan",
        identifier,
        [make_event(session, "plan", "created", {"steps": len(steps)})],
        context_id=given.context_id,
        title=title,
        objective=given.objective or session.caller.description.strip() or title,
        status="draft",
        steps=steps,
    )
    return _now(session.put("plan", body))


def get_plan(given: OnePlan, session: Session) -> PlanNow:
    """Gives the plan."""
    return _now(session.get("plan", given.plan_id))


def list_plans(given: ListPlans, session: Session) -> Plans:
    """Gives a page of plans, oldest first."""
    page = page_of(
        session.find("plan", context=given.context_id, status=given.status), given.page, given.limit
    )
    return Plans(plans=page.items, **page.position)


def update_step_status(given: UpdateStepStatus, session: Session) -> PlanNow:
    """A step changes while its plan is in progress, and starts when what it depends on is done."""
    body = session.get("plan", given.plan_id)
    steps = {step["step_id"]: step for step in body["steps"]}
    step = steps.get(given.step_id)
    if step is None:
        raise UnknownObjectError(
            f"the plan {given.plan_id} has no step {given.step_id}",
            details={"kind": "plan step", "id": given.step_id},
        )
    if body["status"] != "in_progress":
        raise InvalidTransitionError(
            f"the plan {given.plan_id} is `{body['status']}`; its steps change while it is `in_progress`",
            hint="`plan/start-plan` starts it",
            details={"kind": "plan", "id": given.plan_id, "status": body["status"]},
        )
    check_move("plan step", given.step_id, STEP_TRANSITIONS, step["status"], given.status)
    waits = [d for d in step.get("dependencies", ()) if steps[d]["status"] not in _DONE]
    if given.status == "in_progress" and waits:
        raise OperationError(
            f"the step {given.step_id} cannot start before {', '.join(waits)}", details={"waitsFor": waits}
        )
    data = {"stepId": given.step_id, **({} if given.reason is None else {"reason": given.reason})}
    event = make_event(session, "plan", _STEP_VERBS[given.status], data)
    changed = [{**s, "status": given.status} if s is step else s for s in body["steps"]]
    return _now(session.put("plan", change_object(session, body, event, steps=changed)))


def _mover(to: Status, verb: str) -> Callable[[MovePlan, Session], PlanNow]:
    def move(given: MovePlan, session: Session) -> PlanNow:
        body = session.get("plan", given.plan_id)
        check_move("plan", given.plan_id, TRANSITIONS, body["status"], to)
        unfinished = [step["step_id"] for step in body["steps"] if step["status"] not in _DONE]
        if to == "completed" and unfinished:
            raise OperationError(
                f"the plan {given.plan_id} has {len(unfinished)} steps that are not done",
                hint="`plan/update-step-status` completes or skips a step",
                details={"unfinished": unfinished},
            )
        event = make_event(session, "plan", verb, None if given.reason is None else {"reason": given.reason})
        return _now(session.put("plan", change_object(session, body, event, status=to)))

    return move


def _steps(given: CreatePlan, context_title: str, session: Session) -> list[dict[str, Any]]:
    if given.steps is not None:
        return _given_steps(given.steps, session)
    if not given.assigned_roles:
        raise OperationError(
            "a plan needs at least one step", hint="give `steps`, or `assignedRoles` with a role in it"
        )
    roles = [role if isinstance(role, str) else role.role for role in given.assigned_roles]
    return [
        {
            "step_id": session.uuid(),
            "description": f"{role}: {context_title}",
            "status": "pending",
            "agent_role": role,
            "order_index": index,
        }
        for index, role in enumerate(roles)
    ]


def _given_steps(given: list[NewStep], session: Session) -> list[dict[str, Any]]:
    steps: dict[str, dict[str, Any]] = {}
    for index, step in enumerate(given):
        identifier = step.step_id or session.uuid()
        if identifier in steps:
            raise OperationError(f"two steps have the id {identifier}", details={"stepId": identifier})
        steps[identifier] = {
            "step_id": identifier,
            "description": step.description,
            "status": "pending",
            "dependencies": list(step.dependencies),
            "order_index": index if step.order_index is None else step.order_index,
        }
        if step.agent_role is not None:
            steps[identifier]["agent_role"] = step.agent_role
    _check_dependencies({identifier: step["dependencies"] for identifier, step in steps.items()})
    return list(steps.values())


def _check_dependencies(needs: dict[str, list[str]]) -> None:
    """OperationError for a dependency on no step of the plan, and for a circle."""
    for identifier, dependencies in needs.items():
        for dependency in dependencies:
            if dependency not in needs:
                raise OperationError(
                    f"the step {identifier} depends on {dependency}, which is no step of the plan",
                    details={"stepId": identifier, "dependency": dependency},
                )
    waits = {identifier: set(dependencies) for identifier, dependencies in needs.items()}
    behind: dict[str, list[str]] = {identifier: [] for identifier in needs}
    for identifier, before in waits.items():
        for dependency in before:
            behind[dependency].append(identifier)
    ready = [identifier for identifier, before in waits.items() if not before]
    while ready:
        done = ready.pop()
        del waits[done]
        for identifier in behind[done]:
            waits[identifier].discard(done)
            if not waits[identifier]:
                ready.append(identifier)
    if waits:
        circle = sorted(waits)
        raise OperationError(
            f"steps of the plan wait for one another: {', '.join(circle)}", details={"circle": circle}
        )


def _now(body: dict[str, Any]) -> PlanNow:
    return PlanNow(
        plan_id=body["plan_id"],
        context_id=body["context_id"],
        status=body["status"],
        steps=body["steps"],
        plan=body,
    )


def _move(name: str, summary: str, to: Status, verb: str) -> Operation:
    return Operation(
        name=name, summary=summary, parameters=MovePlan, result=PlanNow, handler=_mover(to, verb)
    )


MODULE = make_module(
    "plan",
    "What is to be done, step by step",
    Operation(
        name="create-plan",
        summary="Make a plan",
        parameters=CreatePlan,
        result=PlanNow,
        handler=create_plan,
        any_of=(("assignedRoles", "steps"),),
    ),
    Operation(name="get-plan", summary="Read a plan", parameters=OnePlan, result=PlanNow, handler=get_plan),
    Operation(
        name="list-plans",
        summary="List plans, oldest first",
        parameters=ListPlans,
        result=Plans,
        handler=list_plans,
    ),
    Operation(
        name="update-step-status",
        summary="Say how far a step of a plan is",
        parameters=UpdateStepStatus,
        result=PlanNow,
        handler=update_step_status,
    ),
    _move("propose-plan", "Offer a plan for approval", "proposed", "proposed"),
    _move("revise-plan", "Take a proposed or failed plan back for changes", "draft", "revised"),
    _move("approve-plan", "Approve a plan", "approved", "approved"),
    _move("start-plan", "Begin to carry a plan out, or try again", "in_progress", "started"),
    _move("complete-plan", "End a plan whose steps are all done", "completed", "completed"),
    _move("fail-plan", "End a plan that did not work", "failed", "failed"),
    _move("cancel-plan", "Give a plan up", "cancelled", "cancelled"),
    transitions=TRANSITIONS,
)
