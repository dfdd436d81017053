"""A plan whose steps an agent thinks of. The agent supplies words and an order; the plan is ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct, ValidationError, convert
from msgspec.structs import replace

from mplp_cli.errors import OperationError
from mplp_cli.modules.builtin.plan.model import check_steps
from mplp_cli.modules.builtin.plan.steps import NewStep, step_body
from mplp_cli.modules.consulting import unusable
from mplp_cli.modules.records import open_context
from mplp_cli.protocols import Advice, Advisers, Question

if TYPE_CHECKING:
    from mplp_cli.modules.builtin.plan.keeping import CreatePlan
    from mplp_cli.modules.session import Session

#: What the agent is to answer.
_SCHEMA = {
    "type": "object",
    "required": ["steps"],
    "properties": {
        "steps": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["description"],
                "properties": {
                    "description": {"type": "string", "minLength": 1},
                    "agentRole": {"type": ["string", "null"]},
                    "dependsOn": {
                        "type": "array",
                        "items": {"type": "integer", "minimum": 0},
                        "description": "places of steps in this list, from 0, that come before",
                    },
                },
            },
        }
    },
}


class _Draft(Struct, frozen=True, rename="camel"):
    description: Annotated[str, Meta(min_length=1)]
    agent_role: str | None = None
    depends_on: list[Annotated[int, Meta(ge=0)]] = []


async def draft_steps(given: CreatePlan, session: Session, advisers: Advisers) -> CreatePlan:
    """Ask the agent for the steps, and make them steps of a plan. AgentError if they cannot be that."""
    context = open_context(session, given.context_id)
    roles = [role if isinstance(role, str) else role.role for role in given.assigned_roles or ()]
    objective = given.objective or session.caller.description.strip() or given.title or context["title"]
    question = Question(
        key="steps",
        agent=given.agent or "",
        capability=given.capability or "",
        input={"objective": objective, "context": {"title": context["title"]}, "roles": roles},
        prompt=_prompt(objective, roles),
        schema=_SCHEMA,
    )
    advice = await advisers.ask(question)
    return replace(given, steps=_steps(question, advice, roles, session))


def _prompt(objective: str, roles: list[str]) -> str:
    said = f"Plan the steps that reach this objective: {objective}"
    if roles:
        said += f"\nEach step is done by one of these roles (agentRole): {', '.join(roles)}"
    return said


def _steps(question: Question, advice: Advice, roles: list[str], session: Session) -> list[NewStep]:
    try:
        drafts = convert(advice.output["steps"], list[_Draft])
    except (ValidationError, KeyError, TypeError) as error:
        raise unusable(question, advice, str(error)) from error
    ids = [session.uuid() for _ in drafts]
    for i, draft in enumerate(drafts):
        if roles and draft.agent_role is not None and draft.agent_role not in roles:
            known = ", ".join(roles)
            raise unusable(question, advice, f"step {i} is for the role `{draft.agent_role}`, not of {known}")
        if beyond := [d for d in draft.depends_on if d >= len(drafts)]:
            raise unusable(question, advice, f"step {i} depends on step {beyond[0]} of {len(drafts)}")
    steps = [
        NewStep(
            description=draft.description,
            agent_role=draft.agent_role,
            dependencies=[ids[d] for d in draft.depends_on] or None,
            order_index=i,
            step_id=ids[i],
        )
        for i, draft in enumerate(drafts)
    ]
    try:
        check_steps([step_body(step, session) for step in steps])
    except OperationError as error:
        raise unusable(question, advice, error.message) from error
    return steps
