"""Module operations, and how they ask agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from mplp_cli.protocols.records import (
    Communication,
    ModuleState,
    ProtocolObject,
    Subscription,
    Switched,
    Wiring,
)
from mplp_cli.workflow.resources import Allocation, Demand
from mplp_cli.workflow.values import Json, RunId, StepId


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls an operation: the run, its workflow and the step."""

    run: RunId
    workflow: str
    step: StepId
    #: The workflow's description; the objective of a plan that states none.
    description: str = ""
    #: It brings a question to its end that was asked before, which no stopped module keeps it from.
    settles: bool = False


class Outcome(Struct, frozen=True):
    """What a call gave: its result (JSON, nearly always a map) and the objects to be stored with it."""

    result: Any
    writes: list[ProtocolObject]


class Question(Struct, frozen=True, kw_only=True):
    """What a module operation asks an agent. `key` names it among the questions of one call, and stays the same
    when the call is made again: what was answered is not asked twice.

    `agent` is an id; empty: any that offers `capability`. `schema` is the JSON Schema that the answer is to fit.
    """

    key: str
    agent: str = ""
    capability: str = ""
    input: Json = None
    prompt: str | None = None
    schema: dict[str, Any] | None = None


class Advice(Struct, frozen=True):
    """What an agent has said: who, the answer as JSON (text for one that answers in prose), and when (ms since the
    epoch, 0 if nobody has looked)."""

    agent: str
    output: Json
    at: int = 0


class Candidate(Struct, frozen=True, kw_only=True):
    """An agent that may be asked. `status`: active, degraded, unreachable; empty if nobody knows."""

    id: str
    capabilities: Sequence[str] = ()
    tags: Sequence[str] = ()
    status: str = ""


class Advisers(Protocol):
    """The agents that a call of an operation may ask."""

    def candidates(self) -> Sequence[Candidate]:
        """Those that are known, in the order of their definition."""
        ...

    def has_asked(self, key: str) -> bool:
        """Whether a question of that key was answered when the same call was made before."""
        ...

    async def ask(self, question: Question) -> Advice:
        """The answer, which fits the schema. AgentError."""
        ...


class Holdings(Protocol):
    """What operations hold of the pool of resources, beyond their own end."""

    def allocate(self, demand: Demand, caller: Caller, number: int) -> Allocation:
        """Hold something for the run of the caller, until it is released or the run ends. It is number `number` of
        the call; the same call gets the same. InsufficientResourcesError, or OperationError for a rate."""
        ...

    def release(self, allocation: str, caller: Caller) -> Allocation:
        """What was held, and is not any more; the same call may do it again. AllocationNotFoundError."""
        ...


class Operations(Protocol):
    """The hub, as the engine sees it. Local operations have no effect but their writes: the engine calls them
    inside its turn, applies the writes, and stores them in the commit that records the result."""

    def call(self, module: str, operation: str, parameters: Mapping[str, Any], caller: Caller) -> Outcome:
        """OperationError, or a kind of it, when the operation refuses."""
        ...

    async def consult(
        self, module: str, operation: str, parameters: Mapping[str, Any], caller: Caller, advisers: Advisers
    ) -> Mapping[str, Any]:
        """The parameters of an operation that asks agents, with what they have said filled in. It writes nothing."""
        ...

    def apply(self, writes: Sequence[ProtocolObject]) -> None:
        """Make the writes of a call visible to the calls that follow."""
        ...

    def said(self) -> list[Communication]:
        """What is new in the hub's log since the last look, to be stored with the next commit."""
        ...


class Switchboard(Protocol):
    """What the hub of every process on this state shares: the states of modules, subscriptions, and the log."""

    def wiring(self) -> Wiring:
        """As it is now, also when another process changed it. Microseconds when nobody did."""
        ...

    def set_state(self, module: str, state: ModuleState) -> None:
        """Durable when it returns."""
        ...

    def subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Each is kept once."""
        ...

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Those that are there go."""
        ...

    def activate(self, interfaces: Sequence[str], switched: Switched) -> None:
        """Durable when it returns; one that is active already stays as it is."""
        ...

    def deactivate(self, interfaces: Sequence[str]) -> None:
        """Durable when it returns."""
        ...

    def log(self, limit: int, module: str | None = None) -> list[Communication]:
        """The last `limit` lines, oldest of them first; only those from or to a module."""
        ...
