"""The hub: every call of a module's operation goes through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from mplp_cli.errors import MplpError, UsageError
from mplp_cli.modules.contract import Configuration, Module
from mplp_cli.modules.lookup import find_operation
from mplp_cli.modules.objects import Objects
from mplp_cli.modules.parameters import convert_parameters
from mplp_cli.modules.session import Session
from mplp_cli.protocols import Caller, Clock, Ids, Outcome, ProtocolObject


class ModuleHealth(Struct, frozen=True):
    """How a module does. `details`: operations, calls, failures, lastError; for `error` also `error`."""

    module: str
    status: Literal["healthy", "error"]
    details: dict[str, Any]


class _Tally(Struct):
    calls: int = 0
    completed: int = 0
    last_error: str | None = None


class Hub:
    """Calls operations on the newest objects.

    `load` reads the store's objects; it is first called when an operation looks at one. A call changes
    nothing that another call can see: `apply` does, and belongs to the commit that stores the writes.
    Throw the hub away when a commit fails.
    """

    def __init__(
        self,
        modules: Mapping[str, Module],
        load: Callable[[], Iterable[ProtocolObject]],
        clock: Clock,
        ids: Ids,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._modules = modules
        self._objects = Objects(load)
        self._clock = clock
        self._ids = ids
        #: What `mplp.yaml` has under `modules`.
        self._settings = settings or {}
        self._configurations: dict[str, Configuration] = {}
        self._tallies: dict[str, _Tally] = {}

    def call(self, module: str, operation: str, parameters: Mapping[str, Any], caller: Caller) -> Outcome:
        """Call an operation with resolved parameters. OperationError, or a kind of it, when it refuses."""
        found = find_operation(self._modules, module, operation)
        tally = self._tallies.setdefault(module, _Tally())
        tally.calls += 1
        try:
            session = Session(
                self._objects, caller, self._clock, self._ids, self._modules[module], self._configured(module)
            )
            result = found.handler(convert_parameters(found, parameters), session)
        except MplpError as error:
            tally.last_error = f"{operation}: {error.message}"
            raise
        tally.completed += 1
        return Outcome(msgspec.to_builtins(result), session.writes())

    def apply(self, writes: Iterable[ProtocolObject]) -> None:
        """Make the writes of a call visible to the calls that follow."""
        self._objects.keep(writes)

    def _configured(self, module: str) -> Configuration:
        """What `mplp.yaml` says for a module. UsageError if it does not fit."""
        known = self._configurations.get(module)
        if known is None:
            wanted = self._modules[module].configuration
            try:
                known = msgspec.convert(self._settings.get(module, {}), wanted)
            except msgspec.ValidationError as error:
                raise UsageError(f"`modules.{module}` in mplp.yaml does not fit: {error}") from error
            self._configurations[module] = known
        return known

    def health(self) -> list[ModuleHealth]:
        """Per module: whether the schema it writes by can be used, and how its calls went."""
        return [self._health(name, module) for name, module in self._modules.items()]

    def _health(self, name: str, module: Module) -> ModuleHealth:
        from mplp_cli.modules.schemas import validator

        tally = self._tallies.get(name, _Tally())
        details: dict[str, Any] = {
            "operations": len(module.operations),
            "calls": tally.calls,
            "failures": tally.calls - tally.completed,
            "lastError": tally.last_error,
        }
        try:
            validator(module.kind)
        except (OSError, ValueError) as error:
            return ModuleHealth(name, "error", {**details, "error": str(error)})
        return ModuleHealth(name, "healthy", details)
