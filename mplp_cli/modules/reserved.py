"""The reserved interfaces: two for each module of the protocol, inert until an agent layer takes them over.

An inert one answers that nothing was done: `{status: reserved, <what>: pending}`, or an empty list. The hub's
`activate` puts an implementation in its place.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import Struct, defstruct

from mplp_cli.modules.contract import Operation, Parameters
from mplp_cli.modules.session import Session


class ReservedInterface(Struct, frozen=True):
    """One of them. `name` is the protocol's, in camelCase. `pending`: what its inert answer says is not done;
    "" if it gives a list."""

    module: str
    name: str
    parameters: tuple[str, ...]
    pending: str = ""

    @property
    def operation(self) -> str:
        """The name in a workflow: `enhance-context-with-ai`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", self.name).lower()

    def answer(self) -> Any:
        """What the inert interface answers."""
        return {"status": "reserved", self.pending: "pending"} if self.pending else []


RESERVED: Final = (
    ReservedInterface("context", "enhanceContextWithAI", ("contextId", "aiCapabilities"), "enhancement"),
    ReservedInterface("context", "suggestContextActions", ("contextId", "agentProfile")),
    ReservedInterface("plan", "optimizePlanWithAI", ("planId", "constraints"), "optimization"),
    ReservedInterface("plan", "generatePlanSuggestions", ("goal", "availableAgents")),
    ReservedInterface("role", "recommendRoles", ("agentProfile", "context")),
    ReservedInterface("role", "assessAgentCapabilities", ("agentId", "task"), "assessment"),
    ReservedInterface("confirm", "facilitateConsensus", ("participants", "decision"), "consensus"),
    ReservedInterface("confirm", "recommendApprovers", ("request", "context")),
    ReservedInterface("trace", "detectAnomalies", ("traceData", "patterns")),
    ReservedInterface("trace", "suggestOptimizations", ("performanceData",)),
    ReservedInterface("extension", "recommendExtensions", ("requirements", "context")),
    ReservedInterface("extension", "configureExtension", ("extensionId", "environment"), "configuration"),
    ReservedInterface("dialog", "facilitateConversation", ("participants", "topic"), "facilitation"),
    ReservedInterface("dialog", "processNaturalLanguage", ("message", "context"), "processing"),
    ReservedInterface("collab", "formOptimalTeam", ("task", "availableAgents"), "team"),
    ReservedInterface("collab", "optimizeCollaboration", ("team", "performance"), "optimization"),
    ReservedInterface("network", "optimizeNetworkTopology", ("topology", "performance"), "optimization"),
    ReservedInterface("network", "predictNetworkLoad", ("historicalData", "forecast"), "prediction"),
    ReservedInterface("core", "optimizeSystemPerformance", ("metrics", "constraints"), "optimization"),
    ReservedInterface("core", "predictSystemBehavior", ("historicalData", "scenario"), "prediction"),
)


def reserved_operations(module: str) -> list[Operation]:
    """The reserved interfaces of a module as operations."""
    return [_operation(interface) for interface in RESERVED if interface.module == module]


def _operation(interface: ReservedInterface) -> Operation:
    def inert(_given: Any, _session: Session) -> Any:
        return interface.answer()

    fields: list[tuple[str, Any, Any]] = [(_snake(name), Any, None) for name in interface.parameters]
    parameters: Any = defstruct(
        interface.name[0].upper() + interface.name[1:],
        fields,
        bases=(Parameters,),
        module=__name__,
        frozen=True,
        kw_only=True,
    )
    done = f"the {interface.pending} is pending" if interface.pending else "there is nothing"
    return Operation(
        name=interface.operation,
        summary=f"Reserved for agents (`{interface.name}`); without them it answers that {done}",
        parameters=parameters,
        result=dict[str, str] if interface.pending else list[Any],
        handler=inert,
        reserved=interface.name,
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
