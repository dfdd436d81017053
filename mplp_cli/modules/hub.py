"""The hub: every call of a module's operation and every message between modules goes through it, and is logged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from mplp_cli.errors import ModuleStoppedError, MplpError, OperationError, StepError
from mplp_cli.modules.activation import binding_of, question_for
from mplp_cli.modules.contract import Configuration, Module, Operation, Parameters
from mplp_cli.modules.lifecycle import Settings, blockers, configure, status_of
from mplp_cli.modules.lookup import find_module, find_operation
from mplp_cli.modules.objects import Newer, Objects
from mplp_cli.modules.parameters import convert_parameters
from mplp_cli.modules.records import author_of
from mplp_cli.modules.reservations import Reservations
from mplp_cli.modules.reserved import BY_NAME, ReservedInterface
from mplp_cli.modules.schemas import usable
from mplp_cli.modules.session import Session
from mplp_cli.protocols import (
    Advisers,
    Caller,
    Clock,
    Communication,
    Holdings,
    Ids,
    Outcome,
    ProtocolObject,
    Wiring,
)
from mplp_cli.workflow.agents import Activation, Binding

_MESSAGE_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,199}")


class ModuleHealth(Struct, frozen=True):
    """How a module does. `details`: state, operations, calls, failures, lastError; for `error` also `error`."""

    module: str
    status: Literal["healthy", "unhealthy", "error"]
    details: dict[str, Any]


class Delivery(Struct, frozen=True):
    """A message that was delivered, or refused (`said.error`), and what its target wrote because of it."""

    said: Communication
    writes: list[ProtocolObject] = []

    @property
    def response(self) -> dict[str, Any]:
        """`{success, data, error}`."""
        error = self.said.error
        return {"success": not error, "data": self.said.response, "error": error or None}


class _Tally(Struct):
    calls: int = 0
    completed: int = 0
    last_error: str | None = None


def check_message_type(kind: str) -> None:
    """OperationError unless messages may have that type."""
    if not _MESSAGE_TYPE.fullmatch(kind):
        raise OperationError(
            f"`{kind[:80]}` is no type of message",
            hint="letters, digits, `.`, `-` and `_`, such as `plan.approved` or `get-context`",
        )


def _parameters(data: Any) -> Mapping[str, Any]:
    """What a message carries, for the operation that it calls. OperationError if that is no map."""
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise OperationError("a message that calls an operation carries a map of its parameters")
    return data


class Hub:
    """Calls operations on the newest objects, and delivers messages.

    `load` reads the store's objects; it is first called when an operation looks at one. `newer` tells what other
    processes have made of one since. A call changes
    nothing that another call can see: `apply` does, and belongs to the commit that stores the writes, with
    what `said` gives. Throw the hub away when a commit fails.
    """

    def __init__(  # noqa: PLR0913 - all that it knows is handed in
        self,
        modules: Mapping[str, Module],
        load: Callable[[], Iterable[ProtocolObject]],
        clock: Clock,
        ids: Ids,
        *,
        newer: Newer | None = None,
        wiring: Callable[[], Wiring] = Wiring,
        settings: Settings | None = None,
        activation: Callable[[], Activation] = Activation,
    ) -> None:
        self._modules = modules
        self._objects = Objects(load, newer)
        self._clock = clock
        self._ids = ids
        #: Where the ids of what a call makes come from.
        self.ids_of: Callable[[Caller], Ids] = lambda _caller: ids
        #: What operations may hold of the pool of resources; None: there is no pool.
        self.holdings: Holdings | None = None
        self._wiring = wiring
        #: What `mplp.yaml` has under `modules`.
        self._settings = settings or {}
        #: Who takes over reserved interfaces where they are active.
        self._activation = activation
        self._configurations: dict[str, Configuration] = {}
        self._tallies: dict[str, _Tally] = {}
        self._said: list[Communication] = []

    # ---- calls

    def call(self, module: str, operation: str, parameters: Mapping[str, Any], caller: Caller) -> Outcome:
        """Call an operation with resolved parameters. OperationError, or a kind of it, when it refuses."""
        found = find_operation(self._modules, module, operation)
        ids = self.ids_of(caller)
        session = Session(
            self._objects, caller, self._clock, ids, self._modules[module], self._configuration(module)
        )
        session.connect(self._nested, reservations := Reservations(caller, self.holdings))
        try:
            result = self._carry_out(found, parameters, session, author_of(caller))
        except MplpError:
            reservations.undo()
            raise
        writes = session.writes()
        self._notify(writes)
        return Outcome(msgspec.to_builtins(result), writes)

    async def consult(
        self, module: str, operation: str, parameters: Mapping[str, Any], caller: Caller, advisers: Advisers
    ) -> Mapping[str, Any]:
        """The parameters with what agents have said filled in. It changes nothing; `call` does, with what it gives."""
        found = find_operation(self._modules, module, operation)
        self._check_running(module)
        given = convert_parameters(found, parameters)
        if found.consult is None and not found.reserved:
            return parameters
        ids = self.ids_of(caller)
        session = Session(
            self._objects, caller, self._clock, ids, self._modules[module], self._configuration(module)
        )
        if found.consult is None:
            return await self._ask_in_place(found, given, session, advisers)
        filled = msgspec.to_builtins(await found.consult(given, session, advisers))
        assert isinstance(filled, dict)
        return filled

    def apply(self, writes: Iterable[ProtocolObject]) -> None:
        """Make the writes of a call visible to the calls that follow."""
        self._objects.keep(writes)

    def said(self) -> list[Communication]:
        """What is new in the log since the last look."""
        said, self._said = self._said, []
        return said

    def _nested(self, session: Session, module: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        """A call by an operation, inside its own: they write together, or not at all."""
        found = find_operation(self._modules, module, operation)
        inner = session.nested(self._modules[module], self._configuration(module))
        result = self._carry_out(found, parameters, inner, session.module)
        session.absorb(inner)
        return msgspec.to_builtins(result)

    def _carry_out(
        self, operation: Operation, parameters: Mapping[str, Any], session: Session, source: str
    ) -> Any:
        module, name = operation.module, operation.name
        tally = self._tallies.setdefault(module, _Tally())
        tally.calls += 1
        error = ""
        try:
            if not session.caller.settles:
                self._check_running(module)
            given = convert_parameters(operation, parameters)
            if operation.reserved:
                self._check_answered(operation, given)
            result = operation.handler(given, session)
            tally.completed += 1
        except MplpError as refusal:
            tally.last_error = f"{name}: {refusal.message}"
            error = f"{refusal.type_name}: {refusal.message}"
            raise
        finally:
            self._log("call", source, module, name, run=session.caller.run, error=error)
        return result

    def _check_running(self, name: str) -> None:
        wiring = self._wiring()
        if not wiring.states and not self._settings:
            return
        module = self._modules[name]
        status = status_of(module, wiring, self._settings)
        if status != "running":
            raise ModuleStoppedError(
                f"the module `{name}` is {status}",
                hint=f"`mplp modules restart {name}` makes it work again",
                details={"module": name, "status": status},
            )
        for needed in blockers(module, self._modules, wiring, self._settings):
            raise ModuleStoppedError(
                f"the module `{name}` cannot work: it needs `{needed}`, which does not run",
                hint=f"`mplp modules restart {needed}` makes it work again",
                details={"module": name, "needs": needed},
            )

    def _configuration(self, module: str) -> Configuration:
        known = self._configurations.get(module)
        if known is None:
            known = self._configurations[module] = configure(self._modules[module], self._settings)
        return known

    # ---- messages

    def send(self, source: str, target: str, kind: str, data: Any = None) -> Delivery:
        """Deliver a message from module to module: one that is named like an operation of the target calls it with
        `data`, `ping` asks how it stands, anything else is taken note of.

        What the target refuses is in the delivery. UnknownModuleError, or OperationError for a type that is none.
        """
        find_module(self._modules, source)
        receiver = find_module(self._modules, target)
        check_message_type(kind)
        response, error, writes = None, "", []
        try:
            self._check_running(target)
            if kind == "ping":
                response = {"module": target, "status": "running"}
            elif kind in receiver.operations:
                caller = Caller(run="", workflow=source, step="")
                outcome = self.call(target, kind, _parameters(data), caller)
                response, writes = outcome.result, outcome.writes
        except StepError as refusal:
            error = f"{refusal.type_name}: {refusal.message}"
        said = self._log("message", source, target, kind, data=data, response=response, error=error)
        return Delivery(said, writes)

    def broadcast(self, source: str, kind: str, data: Any = None) -> list[Delivery]:
        """Deliver a message to everybody who has subscribed to it; what one refuses does not stop the others."""
        find_module(self._modules, source)
        deliveries = []
        for target in self._subscribers(source, kind):
            delivery = self.send(source, target, kind, data)
            self.apply(delivery.writes)
            deliveries.append(delivery)
        return deliveries

    def _subscribers(self, publisher: str, kind: str) -> list[str]:
        told = {
            s.subscriber: None
            for s in self._wiring().subscriptions
            if s.publisher == publisher and s.type in (kind, "*") and s.subscriber in self._modules
        }
        return list(told)

    def _notify(self, writes: Sequence[ProtocolObject]) -> None:
        """Tell subscribers what has happened to the objects of modules."""
        if not writes or not self._wiring().subscriptions:
            return
        for item in writes:
            before = self._objects.get(item.kind, item.id)
            known = {event["event_id"] for event in before.body.get("events", ())} if before else set()
            for event in item.body.get("events", ()):
                if event["event_id"] in known:
                    continue
                for target in self._subscribers(item.kind, event["event_type"]):
                    data = {"objectId": item.id, "version": item.version, "event": event}
                    self._log("notice", item.kind, target, event["event_type"], data=data)

    def _log(self, kind: Any, source: str, target: str, name: str, **more: Any) -> Communication:
        said = Communication(
            kind=kind,
            correlation_id=self._ids.uuid(),
            timestamp=self._clock.now(),
            source=source,
            target=target,
            type=name,
            **more,
        )
        self._said.append(said)
        return said

    # ---- reserved interfaces

    async def _ask_in_place(
        self, operation: Operation, given: Parameters, session: Session, advisers: Advisers
    ) -> Mapping[str, Any]:
        """The parameters of a reserved interface with its answer: that of an agent where one has taken it over."""
        parameters: dict[str, Any] = msgspec.to_builtins(given)
        interface, binding = self._taken_over(operation)
        if interface is None or parameters.get("answer") is not None:
            return parameters
        if binding is None:
            return {**parameters, "answer": interface.answer()}
        question = question_for(interface, binding, parameters, session, advisers.candidates())
        return {**parameters, "answer": (await advisers.ask(question)).output}

    def _taken_over(self, operation: Operation) -> tuple[ReservedInterface | None, Binding | None]:
        """The reserved interface of an operation, and who has taken it over; None: nobody, it is inert."""
        interface = BY_NAME.get(f"{operation.module}.{operation.reserved}")
        if interface is None or interface.full_name not in self._wiring().active:
            return interface, None
        return interface, binding_of(interface, self._activation())

    def _check_answered(self, operation: Operation, given: Any) -> None:
        """OperationError if agents have taken the operation over, and none was asked."""
        interface, binding = self._taken_over(operation)
        if interface is not None and binding is not None and given.answer is None:
            raise OperationError(
                f"`{operation.module}/{operation.name}` is answered by agents, and nobody is asked here",
                hint="let a step, or `mplp interfaces call`, call it",
            )

    # ---- health

    def health(self, name: str) -> ModuleHealth:
        """Whether a module runs, whether the schema it writes by can be used, and how its calls went."""
        module = find_module(self._modules, name)
        tally = self._tallies.get(name, _Tally())
        details: dict[str, Any] = {
            "operations": len(module.operations),
            "calls": tally.calls,
            "failures": tally.calls - tally.completed,
            "lastError": tally.last_error,
        }
        try:
            usable(module.kind, module.schema)
            self._check_running(name)
        except ModuleStoppedError as error:
            return ModuleHealth(name, "unhealthy", {**details, "state": error.message})
        except (MplpError, OSError, ValueError) as error:
            return ModuleHealth(name, "error", {**details, "error": str(error)})
        return ModuleHealth(name, "healthy", {**details, "state": "running"})
