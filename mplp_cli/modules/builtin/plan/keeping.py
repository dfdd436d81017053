"""Plans from their making to their deletion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import Annotated, Any

from msgspec import Meta

from mplp_cli.errors import InvalidTransitionError, OperationError
from mplp_cli.modules.builtin.plan.drafting import draft_steps
from mplp_cli.modules.builtin.plan.model import (
    DONE,
    TRANSITIONS,
    OnePlan,
    PlanNow,
    Priority,
    Status,
    check_steps,
    plan_now,
    priority_of,
)
from mplp_cli.modules.builtin.plan.steps import NewStep, step_body
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.records import (
    change_object,
    check_move,
    make_event,
    make_object,
    open_context,
    page_of,
)
from mplp_cli.modules.removing import remove_unused
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import (
    Assignment,
    NewUngoverned,
    ObjectId,
    PageNumber,
    PageSize,
    PlanBody,
    Text,
)
from mplp_cli.workflow.values import moment_ms


class CreatePlan(NewUngoverned, frozen=True, kw_only=True):
    context_id: ObjectId
    assigned_roles: Annotated[
        list[Assignment | Text] | None,
        Meta(description="assignments or names of roles; one step each unless `steps` is given"),
    ] = None
    steps: Annotated[list[NewStep], Meta(min_length=1)] | None = None
    agent: Annotated[Text | None, Meta(description="the agent that thinks of the steps")] = None
    capability: Annotated[Text | None, Meta(description="any agent that offers it thinks of the steps")] = (
        None
    )
    name: Text | None = None
    title: Text | None = None
    objective: Annotated[Text | None, Meta(description="the workflow's description unless given")] = None
    status: Annotated[Status, Meta(description="another than `draft` for one that comes from elsewhere")] = (
        "draft"
    )
    priority: Priority | None = None
    plan_id: ObjectId | None = None


class UpdatePlan(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId
    title: Text | None = None
    objective: Text | None = None
    priority: Priority | None = None


class MovePlan(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId
    reason: str | None = None


class ListPlans(Parameters, frozen=True, kw_only=True):
    context_id: ObjectId | None = None
    status: Status | None = None
    priority: Priority | None = None
    created_after: Annotated[Text | None, Meta(description="RFC 3339")] = None
    page: PageNumber = 1
    limit: PageSize = 100


class DeletedPlan(Result, frozen=True, kw_only=True):
    plan_id: ObjectId
    deleted: bool


class Plans(Result, frozen=True, kw_only=True):
    plans: list[PlanBody]
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
    said = {} if given.priority is None else {"priority": given.priority}
    body = make_object(
        session,
        "plan",
        identifier,
        [make_event(session, "plan", "created", {"steps": len(steps), **said})],
        given=given,
        context_id=given.context_id,
        title=title,
        objective=given.objective or session.caller.description.strip() or title,
        status=given.status,
        steps=steps,
    )
    return plan_now(session.put("plan", body))


def get_plan(given: OnePlan, session: Session) -> PlanNow:
    """Gives the plan."""
    return plan_now(session.get("plan", given.plan_id))


def list_plans(given: ListPlans, session: Session) -> Plans:
    """Gives a page of plans, oldest first."""
    found = session.find("plan", context=given.context_id, status=given.status)
    if given.priority is not None:
        found = [body for body in found if priority_of(body) == given.priority]
    if given.created_after is not None:
        found = _made_after(found, given.created_after)
    page = page_of(found, given.page, given.limit)
    return Plans(plans=page.items, **page.position)


def update_plan(given: UpdatePlan, session: Session) -> PlanNow:
    """OperationError if nothing is to change; a completed or cancelled plan stays as it is."""
    body = session.get("plan", given.plan_id)
    fields = {"title": given.title, "objective": given.objective}
    changed = [name for name, value in fields.items() if value is not None]
    said = {} if given.priority is None else {"priority": given.priority}
    if not changed and not said:
        raise OperationError("`plan/update-plan` is given nothing to change", hint="give `title`, for one")
    if not TRANSITIONS[body["status"]]:
        raise OperationError(
            f"the plan {given.plan_id} is `{body['status']}` and stays as it is",
            details={"kind": "plan", "id": given.plan_id, "status": body["status"]},
        )
    event = make_event(session, "plan", "updated", {"fields": sorted([*changed, *said]), **said})
    return plan_now(session.put("plan", change_object(session, body, event, **fields)))


def delete_plan(given: OnePlan, session: Session) -> DeletedPlan:
    """Not while it is in progress, nor while a trace or an approval refers to it."""
    body = session.get("plan", given.plan_id)
    if body["status"] == "in_progress":
        raise InvalidTransitionError(
            f"the plan {given.plan_id} is `in_progress` and cannot be deleted",
            hint="`plan/cancel-plan` gives it up",
            details={"kind": "plan", "id": given.plan_id, "status": body["status"]},
        )
    traces: Iterator[tuple[str, dict[str, Any]]] = (
        ("trace", trace) for trace in session.find("trace", plan_id=given.plan_id)
    )
    hint = "`plan/cancel-plan` gives it up and keeps it"
    remove_unused(session, "plan", given.plan_id, traces, hint)
    return DeletedPlan(plan_id=given.plan_id, deleted=True)


def _mover(to: Status, verb: str) -> Callable[[MovePlan, Session], PlanNow]:
    def move(given: MovePlan, session: Session) -> PlanNow:
        body = session.get("plan", given.plan_id)
        check_move("plan", given.plan_id, TRANSITIONS, body["status"], to)
        unfinished = [step["step_id"] for step in body["steps"] if step["status"] not in DONE]
        if to == "completed" and unfinished:
            raise OperationError(
                f"the plan {given.plan_id} has {len(unfinished)} steps that are not done",
                hint="`plan/update-step-status` completes or skips a step",
                details={"unfinished": unfinished},
            )
        event = make_event(session, "plan", verb, None if given.reason is None else {"reason": given.reason})
        return plan_now(session.put("plan", change_object(session, body, event, status=to)))

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
    steps = [step_body(step, session) for step in given]
    seen = set()
    for step in steps:
        if step["step_id"] in seen:
            raise OperationError(
                f"two steps have the id {step['step_id']}", details={"stepId": step["step_id"]}
            )
        seen.add(step["step_id"])
    return check_steps(steps)


def _made_after(bodies: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    try:
        after = moment_ms(text)
    except ValueError as error:
        raise OperationError(f"`createdAfter`: {error}") from error
    return [body for body in bodies if _made_ms(body) > after]


def _made_ms(body: dict[str, Any]) -> float:
    try:
        return moment_ms(body["meta"].get("created_at", ""))
    except ValueError:
        return inf  # Not known to be older, such as a leap second: better one too many.


def _move(name: str, summary: str, to: Status, verb: str) -> Operation:
    return Operation(
        name=name, summary=summary, parameters=MovePlan, result=PlanNow, handler=_mover(to, verb)
    )


OPERATIONS = (
    Operation(
        name="create-plan",
        summary="Make a plan",
        parameters=CreatePlan,
        result=PlanNow,
        handler=create_plan,
        any_of=(("assignedRoles", "steps", "agent", "capability"),),
        consult=draft_steps,
        asks=("agent", "capability"),
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
        name="update-plan",
        summary="Change what a plan says about itself",
        parameters=UpdatePlan,
        result=PlanNow,
        handler=update_plan,
    ),
    Operation(
        name="delete-plan",
        summary="Delete a plan that nothing refers to",
        parameters=OnePlan,
        result=DeletedPlan,
        handler=delete_plan,
    ),
    _move("propose-plan", "Offer a plan for approval", "proposed", "proposed"),
    _move("revise-plan", "Take a proposed or failed plan back for changes", "draft", "revised"),
    _move("approve-plan", "Approve a plan", "approved", "approved"),
    _move("start-plan", "Begin to carry a plan out, or try again", "in_progress", "started"),
    _move("complete-plan", "End a plan whose steps are all done", "completed", "completed"),
    _move("fail-plan", "End a plan that did not work", "failed", "failed"),
    _move("cancel-plan", "Give a plan up", "cancelled", "cancelled"),
)
