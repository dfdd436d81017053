"""The steps of a plan, done by the agents that have their roles: each as soon as those before it are done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from mplp_cli.errors import AgentError
from mplp_cli.modules.builtin.plan.model import needs_of
from mplp_cli.modules.consulting import is_for_people
from mplp_cli.modules.ordering import waves
from mplp_cli.protocols import Advisers, Question

if TYPE_CHECKING:
    from mplp_cli.modules.builtin.plan.carrying_out import ExecutePlan, Outcome
    from mplp_cli.modules.session import Session

Step = dict[str, Any]


async def delegate_steps(given: ExecutePlan, session: Session, advisers: Advisers) -> ExecutePlan:
    """Ask the agents for the steps of their roles. AgentError if one of them fails, unless that is to be recorded.

    A step that nobody has, and what waits for it, is left as it is.
    """
    from asyncio import TaskGroup

    from mplp_cli.modules.builtin.plan.carrying_out import check_executable

    body = session.get("plan", given.plan_id)
    check_executable(body)
    if given.dry_run:
        return given
    work = _Work(given, body, advisers)
    found, _ = waves(needs_of(body["steps"]))
    for wave in found:  # a wave waits for the one before: its steps may read what that has given
        async with TaskGroup() as tasks:
            for step in wave:
                if work.may_begin(step):
                    tasks.create_task(work.do(step))
        if open_ones := [error for error in work.failed if is_for_people(error)]:
            raise open_ones[0]
    if work.failed and given.on_failure == "fail":
        raise work.failed[0]
    return replace(given, outcomes=[*given.outcomes, *work.outcomes])


class _Work:
    def __init__(self, given: ExecutePlan, body: dict[str, Any], advisers: Advisers) -> None:
        self.outcomes: list[Outcome] = []
        self.failed: list[AgentError] = []
        self._objective = body["objective"]
        self._steps: dict[str, Step] = {step["step_id"]: step for step in body["steps"]}
        self._needs = needs_of(body["steps"])
        self._agents = {one.role: one.agent_id for one in given.assignments or () if one.agent_id}
        self._known = {one.step_id for one in given.outcomes}
        self._outputs: dict[str, Any] = {
            one.step_id: one.output for one in given.outcomes if one.status == "completed"
        }
        self._advisers = advisers

    def may_begin(self, step: str) -> bool:
        """Whether somebody does the step, and all that it waits for is done."""
        about = self._steps[step]
        return (
            about["status"] in {"pending", "failed"}
            and about.get("agent_role") in self._agents
            and step not in self._known
            and all(other in self._outputs for other in self._needs[step])
        )

    async def do(self, step: str) -> None:
        """Ask for one step, and note what came of it."""
        from mplp_cli.modules.builtin.plan.carrying_out import Outcome

        agent = str(self._agents[self._steps[step]["agent_role"]])
        try:
            advice = await self._advisers.ask(self._question(step, agent))
        except AgentError as error:
            self.failed.append(error)
            self.outcomes.append(Outcome(step_id=step, status="failed", agent_id=agent, error=error.message))
            return
        self._outputs[step] = advice.output
        self.outcomes.append(Outcome(step_id=step, output=advice.output, agent_id=advice.agent))

    def _question(self, step: str, agent: str) -> Question:
        about = self._steps[step]
        before = [self._steps[other] for other in about.get("dependencies", ())]
        return Question(
            key=f"step-{step}",
            agent=agent,
            input={
                "objective": self._objective,
                "step": {"stepId": step, "description": about["description"], "role": about["agent_role"]},
                "before": [
                    {"description": one["description"], "output": self._outputs.get(one["step_id"])}
                    for one in before
                ],
            },
            prompt=about["description"],
        )
