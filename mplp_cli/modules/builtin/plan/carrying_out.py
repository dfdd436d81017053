"""Whether a plan can be carried out, and in which order.

Nobody in this module works: `execute-plan` begins a plan, takes what agents have made of its steps, and says which
can go on. `update-step-status` says how far they are.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from mplp_cli.errors import InvalidTransitionError, OperationError
from mplp_cli.modules.builtin.plan.delegating import delegate_steps
from mplp_cli.modules.builtin.plan.model import (
    DONE,
    OnePlan,
    PlanFault,
    Status,
    check_steps,
    faults_of,
    needs_of,
    progress_of,
)
from mplp_cli.modules.builtin.plan.steps import moved
from mplp_cli.modules.contract import Operation, Parameters, Result
from mplp_cli.modules.ordering import longest_first, waves
from mplp_cli.modules.records import change_object, make_event
from mplp_cli.modules.session import Session
from mplp_cli.modules.shapes import Assignment, ObjectId, PlanBody, Text

Strategy = Literal["balanced", "time_optimal", "resource_optimal", "cost_optimal", "quality_optimal"]

#: Strategies -> what steps would have to say for them.
_UNKNOWABLE = {
    "resource_optimal": "which resources they need",
    "cost_optimal": "what they cost",
    "quality_optimal": "how well they can be done",
}
_EXECUTABLE = ("approved", "in_progress", "failed")


class Outcome(Parameters, frozen=True, kw_only=True):
    """What came of a step that somebody has done."""

    step_id: ObjectId
    status: Literal["completed", "failed"] = "completed"
    output: Any = None
    agent_id: Text | None = None
    error: str | None = None


class ExecutePlan(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId
    strategy: Annotated[
        Strategy,
        Meta(
            description="only the order within a wave: `balanced` by order_index, `time_optimal` the longest "
            "chains first; the others need what steps do not say and are refused"
        ),
    ] = "balanced"
    dry_run: Annotated[bool, Meta(description="say what would be, begin nothing")] = False
    validate_dependencies: Annotated[
        bool, Meta(description="refuse a plan with faults; else `stuck` has the steps that cannot go on")
    ] = True
    assignments: Annotated[
        list[Assignment] | None,
        Meta(description="who does the steps: what `role/assign-roles` gives; agents among them are asked"),
    ] = None
    on_failure: Annotated[
        Literal["fail", "record"],
        Meta(
            description="when an agent fails: the call fails after the other steps, or the plan's step has failed"
        ),
    ] = "fail"
    outcomes: Annotated[
        list[Outcome],
        Meta(description="what came of steps, in the order in which they ended; agents give theirs"),
    ] = field(default_factory=list)


class OptimizePlan(Parameters, frozen=True, kw_only=True):
    plan_id: ObjectId
    targets: list[str] | None = None
    constraints: dict[str, Any] | None = None


class Validity(Result, frozen=True, kw_only=True):
    plan_id: ObjectId
    valid: bool
    errors: list[PlanFault]


class Execution(Result, frozen=True, kw_only=True):
    """`waves`: steps that are not done, in lists of those that can go on together. `ready`: what can start now.
    `outputs`: what the steps have given that were done by this call, by their ids."""

    plan_id: ObjectId
    status: Status
    dry_run: bool
    strategy: Strategy
    waves: list[list[ObjectId]]
    ready: list[ObjectId]
    stuck: list[ObjectId]
    progress: int
    steps: list[dict[str, Any]]
    outputs: dict[str, Any]
    plan: PlanBody


class Reserved(Result, frozen=True, kw_only=True):
    status: Literal["reserved"]


def validate_plan(given: OnePlan, session: Session) -> Validity:
    """Finds dependencies on no step, steps that wait for one another, and a plan without steps."""
    faults = faults_of(session.get("plan", given.plan_id)["steps"])
    return Validity(plan_id=given.plan_id, valid=not faults, errors=faults)


def execute_plan(given: ExecutePlan, session: Session) -> Execution:
    """Begins an approved plan, or a failed one again; of one in progress it says what is left."""
    body = session.get("plan", given.plan_id)
    if given.strategy in _UNKNOWABLE:
        raise OperationError(
            f"the strategy `{given.strategy}` needs to know of the steps {_UNKNOWABLE[given.strategy]},"
            " which a plan does not say",
            hint="`balanced` and `time_optimal` need no more than the plan has",
            details={"strategy": given.strategy},
        )
    check_executable(body)
    if given.validate_dependencies:
        check_steps(body["steps"])
    if body["status"] != "in_progress" and not given.dry_run:
        event = make_event(session, "plan", "started", {"strategy": given.strategy})
        body = session.put("plan", change_object(session, body, event, status="in_progress"))
    if not given.dry_run:
        body = _done(given.outcomes, body, session)
    steps = body["steps"]
    needs = needs_of(steps)
    found, stuck = waves(needs)
    if given.strategy == "time_optimal":
        found = longest_first(needs, found)
    startable = {step["step_id"] for step in steps if step["status"] in {"pending", "failed"}}
    return Execution(
        plan_id=given.plan_id,
        status=body["status"],
        dry_run=given.dry_run,
        strategy=given.strategy,
        waves=found,
        ready=[step for step in (found[0] if found else ()) if step in startable],
        stuck=stuck,
        progress=progress_of(body),
        steps=steps,
        outputs={one.step_id: one.output for one in given.outcomes if one.status == "completed"},
        plan=body,
    )


def _done(outcomes: list[Outcome], body: dict[str, Any], session: Session) -> dict[str, Any]:
    """The plan after its steps were done: each begins and ends, and the plan ends with the last of them."""
    for one in outcomes:
        who = {} if one.agent_id is None else {"agentId": one.agent_id}
        why = {} if one.error is None else {"reason": one.error}
        body = moved(session, body, one.step_id, "in_progress", who)
        body = moved(session, body, one.step_id, one.status, {**who, **why})
    if outcomes and all(step["status"] in DONE for step in body["steps"]):
        event = make_event(session, "plan", "completed")
        body = session.put("plan", change_object(session, body, event, status="completed"))
    return body


def optimize_plan(given: OptimizePlan, session: Session) -> Reserved:
    """Nothing: that is for agents."""
    session.get("plan", given.plan_id)
    return Reserved(status="reserved")


def check_executable(body: dict[str, Any]) -> None:
    """InvalidTransitionError unless the plan is in a status from which it is carried out."""
    status = body["status"]
    if status in _EXECUTABLE:
        return
    raise InvalidTransitionError(
        f"the plan {body['plan_id']} is `{status}` and cannot be carried out",
        hint="`plan/approve-plan` approves it" if status in {"draft", "proposed"} else f"`{status}` is final",
        details={
            "kind": "plan",
            "id": body["plan_id"],
            "from": status,
            "to": "in_progress",
            "allowed": list(_EXECUTABLE),
        },
    )


OPERATIONS = (
    Operation(
        name="validate-plan",
        summary="Find what makes a plan impossible to carry out",
        parameters=OnePlan,
        result=Validity,
        handler=validate_plan,
    ),
    Operation(
        name="execute-plan",
        summary="Begin a plan and say which steps can go on, wave by wave; agents do those of their roles",
        parameters=ExecutePlan,
        result=Execution,
        handler=execute_plan,
        consult=delegate_steps,
        asks=("assignments",),
    ),
    Operation(
        name="optimize-plan",
        summary="Reserved for agents; without them it answers that nothing was done",
        parameters=OptimizePlan,
        result=Reserved,
        handler=optimize_plan,
    ),
)
