"""Whether anybody is there whom an agent step, or a module operation, can ask."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from mplp_cli.errors import Path, Problem
from mplp_cli.workflow import model
from mplp_cli.workflow.agents import NO_AGENTS, offers
from mplp_cli.workflow.bodies import wanted_of
from mplp_cli.workflow.suggest import did_you_mean

#: What is wrong with a module operation, with paths inside the step.
CheckOperation = Callable[[str, str, dict[str, Any]], list[Problem]]
#: What the agents offer by id, None where nobody knows, or None if nobody is to ask. Called when a step needs it.
Offered = Callable[[], Mapping[str, Collection[str] | None] | None]


def check_agent(step: model.AgentStep, ask: Offered | None) -> list[Problem]:
    """What is wrong with whom the step asks, with paths inside the step."""
    return _check(step.agent, wanted_of(step), ask, ())


def check_call(
    step: model.ModuleOperationStep, check: CheckOperation | None, ask: Offered | None
) -> list[Problem]:
    """What is wrong with the call of an operation, whatever its references turn out to be, and with whom it asks."""
    found = check(step.module, step.operation, step.parameters) if check else []
    for agent, capability, at in _named(step.parameters):
        found += _check(agent, capability.split() if capability else [], ask, at)
    return found


def _named(parameters: Mapping[str, Any]) -> Iterator[tuple[str | None, str | None, Path]]:
    """(agent, capability, where) of those whom an operation is to ask, as far as its parameters say."""
    at: Path = ("parameters",)
    yield _literal(parameters.get("agent")), _literal(parameters.get("capability")), at
    chooser = _literal(parameters.get("select")) or ""
    if chooser.startswith("agent:"):
        yield chooser.removeprefix("agent:"), None, (*at, "select")
    advisers = parameters.get("advisers")
    for n, one in enumerate(advisers if isinstance(advisers, list) else ()):
        if isinstance(one, dict):
            yield _literal(one.get("agent")), _literal(one.get("capability")), (*at, "advisers", n)


def _literal(value: Any) -> str | None:
    return value if isinstance(value, str) and "${" not in value and "$<" not in value else None


def _check(agent: str | None, wanted: Sequence[str], ask: Offered | None, at: Path) -> list[Problem]:
    agents = None if ask is None else ask()
    if agents is None:
        return []
    if agent is not None and agent not in agents:
        listed = f"the agents are: {', '.join(sorted(agents))}" if agents else NO_AGENTS
        near = did_you_mean(agent, agents)
        hint = f"{near} {listed}" if near else listed
        said = f"no agent is called `{agent}`"
        return [
            Problem(
                code="agent-unknown",
                message=said,
                path=at if at[-1:] == ("select",) else (*at, "agent"),
                hint=hint,
            )
        ]
    if not wanted or any(offered is None or offers(offered, wanted) for offered in agents.values()):
        return []
    every = sorted({one for offered in agents.values() for one in offered or ()})
    listed = f"they offer: {', '.join(every)}" if every else "none of the agents offers anything"
    said = f"no agent offers {' and '.join(f'`{one}`' for one in wanted)}"
    hint = listed if agents else NO_AGENTS
    return [Problem(code="agent-capability", message=said, path=(*at, "capability"), hint=hint)]
