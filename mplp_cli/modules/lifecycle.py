"""The life of modules: created, initialised, started, stopped. Every process on a state shares it.

    created -> initialized -> running <-> stopped          error: it could not be initialised

A module that nobody has touched runs, unless `modules.NAME.autostart` is false: then it is only created.
A module whose needs do not run stays as it is, but cannot work: it is blocked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from mplp_cli.errors import (
    InvalidTransitionError,
    ModuleStoppedError,
    MplpError,
    OperationError,
    UnknownModuleError,
    UsageError,
)
from mplp_cli.modules.contract import Configuration, Module
from mplp_cli.modules.lookup import find_module
from mplp_cli.modules.schemas import usable
from mplp_cli.protocols import Clock, ModuleState, Switchboard, Wiring

Status = Literal["created", "initialized", "running", "stopped", "error"]
Settings = Mapping[str, Mapping[str, Any]]


class ModuleStatus(Struct, frozen=True, kw_only=True, rename="camel"):
    """How a module stands. `since` is ms since the epoch, None if nobody ever touched it."""

    module: str
    status: str
    since: int | None = None
    by: str = ""
    needs: list[str] = []
    #: Modules that it needs and that do not run.
    blocked_by: list[str] = []


def configure(module: Module, settings: Settings) -> Configuration:
    """What `mplp.yaml` says for a module. UsageError if it does not fit."""
    try:
        return msgspec.convert(settings.get(module.name, {}), module.configuration)
    except msgspec.ValidationError as error:
        keys = ", ".join(f"`{f.encode_name}`" for f in msgspec.structs.fields(module.configuration))
        raise UsageError(
            f"`modules.{module.name}` in mplp.yaml does not fit: {error}", hint=f"it takes {keys}"
        ) from error


def status_of(module: Module, wiring: Wiring, settings: Settings) -> str:
    """The status of a module, whether it could work or not."""
    state = wiring.states.get(module.name)
    if state is not None:
        return state.status
    return "running" if configure(module, settings).autostart else "created"


def blockers(
    module: Module, modules: Mapping[str, Module], wiring: Wiring, settings: Settings
) -> Iterable[str]:
    """The modules that it needs, directly or not, and that do not run."""
    for name in module.needs:
        needed = modules.get(name)
        if needed is None or status_of(needed, wiring, settings) != "running":
            yield name
        else:
            yield from blockers(needed, modules, wiring, settings)


class Lifecycle:
    """Moves modules from state to state. Every move is durable when it returns."""

    def __init__(
        self,
        modules: Mapping[str, Module],
        switchboard: Switchboard,
        clock: Clock,
        settings: Settings,
        by: str,
    ) -> None:
        self._modules = modules
        self._switchboard = switchboard
        self._clock = clock
        self._settings = settings
        #: Who moves them.
        self._by = by

    def status(self, name: str) -> ModuleStatus:
        """UnknownModuleError if there is none of that name."""
        module, wiring = find_module(self._modules, name), self._switchboard.wiring()
        state = wiring.states.get(name)
        return ModuleStatus(
            module=name,
            status=status_of(module, wiring, self._settings),
            since=state.at if state else None,
            by=state.by if state else "",
            needs=list(module.needs),
            blocked_by=list(dict.fromkeys(blockers(module, self._modules, wiring, self._settings))),
        )

    def initialize(self, name: str) -> ModuleStatus:
        """Make a created module ready. OperationError if its configuration or its schema cannot be used."""
        module = self._in(name, "created", "error")
        try:
            configure(module, self._settings)
            usable(module.kind, module.schema)
        except (MplpError, OSError, ValueError) as error:
            self._move(name, "error")
            raise OperationError(
                f"the module `{name}` cannot be initialised: {error}", details={"module": name}
            ) from error
        return self._move(name, "initialized")

    def start(self, name: str) -> ModuleStatus:
        """Start an initialised or stopped module. UnknownModuleError if it was not initialised; ModuleStoppedError
        if a module that it needs does not run."""
        now = self.status(name)
        if now.status in ("created", "error"):
            raise UnknownModuleError(
                f"the module `{name}` is not initialised",
                hint=f"`mplp modules initialize {name}` comes first",
                details={"module": name, "status": now.status},
            )
        self._in(name, "initialized", "stopped")
        if now.blocked_by:
            needed = now.blocked_by[0]
            raise ModuleStoppedError(
                f"the module `{name}` needs `{needed}`, which does not run",
                hint=f"`mplp modules start {needed}` comes first",
                details={"module": name, "needs": now.blocked_by},
            )
        return self._move(name, "running")

    def stop(self, name: str) -> ModuleStatus:
        """Stop a running module: its operations are refused until it is started again; its objects stay."""
        self._in(name, "running")
        return self._move(name, "stopped")

    def restart(self, name: str) -> ModuleStatus:
        """Stop a module if it runs, initialise it if it is not, and start it."""
        now = self.status(name).status
        if now == "running":
            self.stop(name)
        elif now in ("created", "error"):
            self.initialize(name)
        return self.start(name)

    def _in(self, name: str, *allowed: Status) -> Module:
        """The module, if it is in one of these states."""
        now = self.status(name).status
        if now not in allowed:
            raise InvalidTransitionError(
                f"the module `{name}` is {now}",
                hint=f"`mplp modules status {name}` says more",
                details={"module": name, "status": now, "allowed": list(allowed)},
            )
        return self._modules[name]

    def _move(self, name: str, status: Status) -> ModuleStatus:
        self._switchboard.set_state(name, ModuleState(status, self._clock.now(), self._by))
        return self.status(name)


#: What moves a module, by the name of the command.
VERBS: dict[str, Callable[[Lifecycle, str], ModuleStatus]] = {
    "initialize": Lifecycle.initialize,
    "start": Lifecycle.start,
    "stop": Lifecycle.stop,
    "restart": Lifecycle.restart,
}
