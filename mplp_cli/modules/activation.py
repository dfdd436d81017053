"""Reserved interfaces and the agents that take them over: who, whether they can, and what they are asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from msgspec import Struct

from mplp_cli.errors import AgentError, OperationError
from mplp_cli.modules.contract import Module
from mplp_cli.modules.lookup import find_module
from mplp_cli.modules.reserved import RESERVED, ReservedInterface
from mplp_cli.modules.session import Session
from mplp_cli.protocols import Candidate, Clock, Question, Switchboard, Switched
from mplp_cli.workflow.agents import Activation, Binding, offers

#: The protocol's own words for "there are no agents".
NO_AGENTS: Final = "L4层不可用"

#: Parameters that are the id of an object -> its kind: the agent gets the object too.
_OBJECTS: Final = {"contextId": "context", "planId": "plan", "extensionId": "extension"}

#: Looks whether an agent could answer; AgentError if not.
Probe = Callable[[str], Awaitable[None]]


class ModuleActivation(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What became of the interfaces of a module. `skipped`: no agent could take over one of them (`reason`);
    `failed`: one that is to take over cannot be reached (`error`), and nothing of the module has changed."""

    module_id: str
    status: Literal["success", "failed", "skipped"]
    activated_interfaces: list[str] | None = None
    deactivated_interfaces: list[str] | None = None
    error: str = ""
    reason: str = ""


class ActivationResult(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What became of it all. `skipped`: there are no agents. `summary` counts modules by status, and interfaces."""

    status: Literal["completed", "skipped"]
    reason: str = ""
    reason_code: str = ""
    module_results: list[ModuleActivation] | None = None
    summary: dict[str, int] | None = None


class InterfaceNow(Struct, frozen=True, kw_only=True, rename="camel"):
    """How an interface stands. `agents`: the ids of those that may answer; `capability`: "" if it is bound to one
    agent. `since` is ms since the epoch."""

    module: str
    interface: str
    operation: str
    status: Literal["active", "inert"]
    bound: bool
    capability: str
    agents: list[str]
    since: int | None
    by: str


def binding_of(interface: ReservedInterface, activation: Activation) -> Binding | None:
    """Who is to take an interface over; None: nobody."""
    stated = activation.bindings.get(interface.full_name)
    if stated is not None or activation.mode == "explicit":
        return stated
    return Binding(capability=interface.capability)


def question_for(
    interface: ReservedInterface,
    binding: Binding,
    given: Mapping[str, Any],
    session: Session,
    candidates: Sequence[Candidate],
) -> Question:
    """What the agent is asked: the parameters (by the protocol's names), with the objects that they name, and with
    what is known of the agents that there are. UnknownObjectError."""
    asked = {name: value for name in interface.parameters if (value := given.get(name)) is not None}
    for name, kind in _OBJECTS.items():
        if name in asked:
            asked[kind] = session.get(kind, asked[name])
    if "availableAgents" in interface.parameters and "availableAgents" not in asked:
        asked["availableAgents"] = [_profile(one) for one in candidates]
    if "agentId" in asked:
        asked["agent"] = next((_profile(one) for one in candidates if one.id == asked["agentId"]), None)
    return Question(
        key="answer",
        agent=binding.agent,
        capability=binding.capability,
        input=asked,
        schema=interface.schema,
    )


def _profile(agent: Candidate) -> dict[str, Any]:
    return {"id": agent.id, "capabilities": list(agent.capabilities)}


@dataclass(frozen=True, kw_only=True)
class Activator:
    """Lets agents take over reserved interfaces, and puts the inert ones back. Durable when it returns."""

    modules: Mapping[str, Module]
    switchboard: Switchboard
    clock: Clock
    activation: Activation
    candidates: Sequence[Candidate]
    #: Who does it.
    by: str

    def interfaces(self) -> list[InterfaceNow]:
        """All of them."""
        on = self.switchboard.wiring().active
        return [self._now(interface, on.get(interface.full_name)) for interface in RESERVED]

    async def activate(self, modules: Sequence[str], probe: Probe) -> ActivationResult:
        """The interfaces of these modules, of all if none is named. UnknownModuleError if one is not there,
        OperationError if one has none."""
        names = self._with_interfaces(modules)
        if all(agent.status == "unreachable" for agent in self.candidates):
            return ActivationResult(status="skipped", reason=NO_AGENTS, reason_code="l4-unavailable")
        known: dict[str, AgentError | None] = {}

        async def look(agent: str) -> AgentError | None:
            if agent not in known:
                known[agent] = await _reached(agent, probe)
            return known[agent]

        return _completed([await self._activate(name, look) for name in names])

    def deactivate(self, modules: Sequence[str]) -> ActivationResult:
        """Make the interfaces of these modules, or of all, inert again."""
        results = []
        for name in self._with_interfaces(modules):
            on = self.switchboard.wiring().active
            gone = [one for one in RESERVED if one.module == name and one.full_name in on]
            self.switchboard.deactivate([one.full_name for one in gone])
            names = [one.name for one in gone]
            results.append(ModuleActivation(module_id=name, status="success", deactivated_interfaces=names))
        return _completed(results)

    async def _activate(
        self, module: str, look: Callable[[str], Awaitable[AgentError | None]]
    ) -> ModuleActivation:
        taken, wanted = [], []
        for interface in (one for one in RESERVED if one.module == module):
            binding = binding_of(interface, self.activation)
            if binding is None:
                continue
            asked = self._asked(binding)
            if not asked and interface.full_name not in self.activation.bindings:
                wanted.append(f"`{binding.capability}`")
                continue
            refusals = [refused for agent in asked if (refused := await look(agent)) is not None]
            if len(refusals) == len(asked):
                said = refusals[0].message if refusals else f"no agent offers `{binding.capability}`"
                error = f"{interface.name}: {said}"
                return ModuleActivation(module_id=module, status="failed", error=error)
            taken.append(interface)
        if not taken:
            reason = f"no agent offers {' or '.join(wanted)}" if wanted else "nothing is bound"
            return ModuleActivation(module_id=module, status="skipped", reason=reason)
        self.switchboard.activate([one.full_name for one in taken], Switched(self.clock.now(), self.by))
        names = [one.name for one in taken]
        return ModuleActivation(module_id=module, status="success", activated_interfaces=names)

    def _asked(self, binding: Binding) -> list[str]:
        """The ids of those that may answer."""
        if binding.agent:
            return [binding.agent]
        return [one.id for one in self.candidates if offers(one.capabilities, binding.capability.split())]

    def _now(self, interface: ReservedInterface, on: Switched | None) -> InterfaceNow:
        binding = binding_of(interface, self.activation)
        known = {one.id for one in self.candidates}
        return InterfaceNow(
            module=interface.module,
            interface=interface.name,
            operation=interface.operation,
            status="inert" if on is None or binding is None else "active",
            bound=binding is not None,
            capability="" if binding is None else binding.capability,
            agents=[] if binding is None else [one for one in self._asked(binding) if one in known],
            since=None if on is None else on.at,
            by="" if on is None else on.by,
        )

    def _with_interfaces(self, modules: Sequence[str]) -> list[str]:
        having = list(dict.fromkeys(one.module for one in RESERVED))
        for name in modules:
            if find_module(self.modules, name).name not in having:
                raise OperationError(
                    f"the module `{name}` has no reserved interfaces", hint=f"these have: {', '.join(having)}"
                )
        return list(dict.fromkeys(modules)) or having


async def _reached(agent: str, probe: Probe) -> AgentError | None:
    try:
        await probe(agent)
    except AgentError as error:
        return error
    return None


def _completed(results: Iterable[ModuleActivation]) -> ActivationResult:
    made = list(results)
    summary = {
        status: sum(one.status == status for one in made) for status in ("success", "failed", "skipped")
    }
    changed = [one.activated_interfaces or one.deactivated_interfaces or [] for one in made]
    return ActivationResult(
        status="completed",
        module_results=made,
        summary={"modules": len(made), **summary, "interfaces": sum(map(len, changed))},
    )
