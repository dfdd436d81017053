"""The reserved interfaces: two for each module of the protocol, inert until agents take them over.

An inert one answers that nothing was done: `{status: reserved, <what>: pending}`, or an empty list. An active one
gives what an agent has answered (`activation`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, defstruct

from mplp_cli.modules.answers import ANSWERS
from mplp_cli.modules.contract import Operation, Parameters
from mplp_cli.modules.session import Session


class ReservedInterface(Struct, frozen=True):
    """One of them. `name` is the protocol's, in camelCase. `capability`: what an agent offers that may take it over.
    `pending`: what its inert answer says is not done; "" if it gives a list."""

    module: str
    name: str
    capability: str
    parameters: tuple[str, ...]
    pending: str = ""

    @property
    def operation(self) -> str:
        """The name in a workflow: `enhance-context-with-ai`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", self.name).lower()

    @property
    def full_name(self) -> str:
        """The name in settings: `context.enhanceContextWithAI`."""
        return f"{self.module}.{self.name}"

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema that an agent's answer is to fit."""
        return ANSWERS[self.full_name]

    def answer(self) -> Any:
        """What the inert interface answers."""
        return {"status": "reserved", self.pending: "pending"} if self.pending else []


RESERVED: Final = (
    ReservedInterface(
        "context", "enhanceContextWithAI", "context.enhance", ("contextId", "aiCapabilities"), "enhancement"
    ),
    ReservedInterface("context", "suggestContextActions", "context.suggest", ("contextId", "agentProfile")),
    ReservedInterface(
        "plan", "optimizePlanWithAI", "plan.optimize", ("planId", "constraints"), "optimization"
    ),
    ReservedInterface("plan", "generatePlanSuggestions", "plan.create", ("goal", "availableAgents")),
    ReservedInterface("role", "recommendRoles", "role.recommend", ("agentProfile", "context")),
    ReservedInterface("role", "assessAgentCapabilities", "role.assess", ("agentId", "task"), "assessment"),
    ReservedInterface(
        "confirm", "facilitateConsensus", "confirm.consensus", ("participants", "decision"), "consensus"
    ),
    ReservedInterface("confirm", "recommendApprovers", "confirm.recommend", ("request", "context")),
    ReservedInterface("trace", "detectAnomalies", "trace.anomalies", ("traceData", "patterns")),
    ReservedInterface("trace", "suggestOptimizations", "trace.optimize", ("performanceData",)),
    ReservedInterface("extension", "recommendExtensions", "extension.recommend", ("requirements", "context")),
    ReservedInterface(
        "extension",
        "configureExtension",
        "extension.configure",
        ("extensionId", "environment"),
        "configuration",
    ),
    ReservedInterface(
        "dialog", "facilitateConversation", "dialog.moderate", ("participants", "topic"), "facilitation"
    ),
    ReservedInterface(
        "dialog", "processNaturalLanguage", "dialog.understand", ("message", "context"), "processing"
    ),
    ReservedInterface("collab", "formOptimalTeam", "collab.team", ("task", "availableAgents"), "team"),
    ReservedInterface(
        "collab", "optimizeCollaboration", "collab.optimize", ("team", "performance"), "optimization"
    ),
    ReservedInterface(
        "network", "optimizeNetworkTopology", "network.optimize", ("topology", "performance"), "optimization"
    ),
    ReservedInterface(
        "network", "predictNetworkLoad", "network.predict", ("historicalData", "forecast"), "prediction"
    ),
    ReservedInterface(
        "core", "optimizeSystemPerformance", "core.optimize", ("metrics", "constraints"), "optimization"
    ),
    ReservedInterface(
        "core", "predictSystemBehavior", "core.predict", ("historicalData", "scenario"), "prediction"
    ),
)


def reserved_operations(module: str) -> list[Operation]:
    """The reserved interfaces of a module as operations."""
    return [_operation(interface) for interface in RESERVED if interface.module == module]


#: Every reserved interface by its full name.
BY_NAME: Final = {interface.full_name: interface for interface in RESERVED}

_ANSWER = Annotated[Any, Meta(description="what it answers, if that is known: then no agent is asked")]


def _operation(interface: ReservedInterface) -> Operation:
    def answer(given: Any, _session: Session) -> Any:
        return interface.answer() if given.answer is None else given.answer

    fields: list[tuple[str, Any, Any]] = [(_snake(name), Any, None) for name in interface.parameters]
    parameters: Any = defstruct(
        interface.name[0].upper() + interface.name[1:],
        [*fields, ("answer", _ANSWER, None)],
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
        result=dict[str, Any] if interface.pending else list[Any],
        handler=answer,
        reserved=interface.name,
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
