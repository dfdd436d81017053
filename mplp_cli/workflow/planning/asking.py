"""Whether anybody is there whom an agent step can ask."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from mplp_cli.errors import Problem
from mplp_cli.workflow import model
from mplp_cli.workflow.agents import NO_AGENTS, offers
from mplp_cli.workflow.bodies import wanted_of
from mplp_cli.workflow.suggest import did_you_mean

#: What the agents offer by id, None where nobody knows, or None if nobody is to ask. Called when a step needs it.
Offered = Callable[[], Mapping[str, Collection[str] | None] | None]


def check_agent(step: model.AgentStep, ask: Offered | None) -> list[Problem]:
    """What is wrong with whom the step asks, with paths inside the step."""
    agents = None if ask is None else ask()
    if agents is None:
        return []
    if step.agent is not None and step.agent not in agents:
        listed = f"the agents are: {', '.join(sorted(agents))}" if agents else NO_AGENTS
        near = did_you_mean(step.agent, agents)
        hint = f"{near} {listed}" if near else listed
        said = f"no agent is called `{step.agent}`"
        return [Problem(code="agent-unknown", message=said, path=("agent",), hint=hint)]
    wanted = wanted_of(step)
    if not wanted or any(offered is None or offers(offered, wanted) for offered in agents.values()):
        return []
    every = sorted({one for offered in agents.values() for one in offered or ()})
    listed = f"they offer: {', '.join(every)}" if every else "none of the agents offers anything"
    said = f"no agent offers {' and '.join(f'`{one}`' for one in wanted)}"
    hint = listed if agents else NO_AGENTS
    return [Problem(code="agent-capability", message=said, path=("capability",), hint=hint)]
