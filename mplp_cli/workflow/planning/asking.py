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
    return _named(step.agent, ask, ("agent",)) or _offering(wanted_of(step), ask, ("capability",))


def check_call(
    step: model.ModuleOperationStep, check: CheckOperation | None, ask: Offered | None
) -> list[Problem]:
    """What is wrong with the call of an operation, whatever its references turn out to be, and with whom it asks."""
    found = check(step.module, step.operation, step.parameters) if check else []
    for agent, at in _agents_in(step.parameters):
        found += _named(agent, ask, ("parameters", *at))
    for capability, at in _capabilities_in(step.parameters):
        found += _offering(capability.split(), ask, ("parameters", *at))
    return found


def _agents_in(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """The agents that parameters name, and where: to be asked, to choose, or those of participants and advisers."""
    for key in ("agent", "moderator"):
        if (agent := _literal(parameters.get(key))) is not None:
            yield agent, (key,)
    chooser = _literal(parameters.get("select")) or ""
    if chooser.startswith("agent:"):
        yield chooser.removeprefix("agent:"), ("select",)
    for at, who in _listed(parameters, "participants", "advisers"):
        for key in ("agent",) if at[0] == "advisers" else ("agentId", "agent_id"):
            if (agent := _literal(who.get(key))) is not None:
                yield agent, (*at, key)


def _capabilities_in(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """The capabilities that parameters want, and where."""
    for at, who in ((), parameters), *_listed(parameters, "advisers"):
        if (wanted := _literal(who.get("capability"))) is not None:
            yield wanted, (*at, "capability")


def _listed(parameters: Mapping[str, Any], *names: str) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The mappings in lists of these names, and where."""
    for name in names:
        listed = parameters.get(name)
        for n, who in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(who, dict):
                yield (name, n), who


def _literal(value: Any) -> str | None:
    return value if isinstance(value, str) and "${" not in value and "$<" not in value else None


def _named(agent: str | None, ask: Offered | None, at: Path) -> list[Problem]:
    agents = None if ask is None or agent is None else ask()
    if agents is None or agent is None or agent in agents:
        return []
    listed = f"the agents are: {', '.join(sorted(agents))}" if agents else NO_AGENTS
    near = did_you_mean(agent, agents)
    hint = f"{near} {listed}" if near else listed
    return [Problem(code="agent-unknown", message=f"no agent is called `{agent}`", path=at, hint=hint)]


def _offering(wanted: Sequence[str], ask: Offered | None, at: Path) -> list[Problem]:
    agents = None if ask is None or not wanted else ask()
    if agents is None or any(offered is None or offers(offered, wanted) for offered in agents.values()):
        return []
    every = sorted({one for offered in agents.values() for one in offered or ()})
    listed = f"they offer: {', '.join(every)}" if every else "none of the agents offers anything"
    said = f"no agent offers {' and '.join(f'`{one}`' for one in wanted)}"
    hint = listed if agents else NO_AGENTS
    return [Problem(code="agent-capability", message=said, path=at, hint=hint)]
