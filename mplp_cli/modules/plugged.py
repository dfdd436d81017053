"""Modules that installed packages bring along: the entry-point group `mplp.modules`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from mplp_cli.errors import MplpError, OperationError, UnknownModuleError
from mplp_cli.modules.contract import Configuration, Module, Operation, Parameters
from mplp_cli.modules.session import Session
from mplp_cli.plugins import EntryPoint, Points, installed
from mplp_cli.protocols import Advisers

GROUP: Final = "mplp.modules"
#: The entry points of the group, of every package on the path.
INSTALLED: Final = partial(installed, GROUP)

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*")
#: Characters of what a plug-in says of its own failure.
_SAID: Final = 300


class Modules(Mapping[str, Module]):
    """Modules by name: the built-in ones, then those of installed packages.

    The packages are looked up when a name is not built in, or when all are listed; of those only the ones that
    are asked for are imported. One that cannot be used is left out of the list; asking for it raises
    UnknownModuleError, which says why.
    """

    def __init__(
        self,
        builtin: Mapping[str, Module],
        complete: Callable[[Module], Module],
        points: Callable[[], Iterable[EntryPoint]] = INSTALLED,
    ) -> None:
        self._builtin = builtin
        self._complete = complete
        self._points = Points(points)
        #: What became of those that were asked for: the module, or why it cannot be used.
        self._known: dict[str, Module | str] = {}

    def __getitem__(self, name: str) -> Module:
        module = self._builtin.get(name)
        if module is not None:
            return module
        found = self._plugged(name)
        if isinstance(found, str):
            raise UnknownModuleError(
                f"the module `{name}` of {self.package_of(name)} cannot be used: {found}",
                hint="mend the package, or uninstall it; `mplp health` lists what is broken",
                details={"module": name, "package": self.package_of(name), "reason": found},
            )
        return found

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self[name] is not None
        except (KeyError, UnknownModuleError):
            return False

    def __iter__(self) -> Iterator[str]:
        yield from self._builtin
        broken = self.broken()
        yield from (name for name in self._points.by_name if name not in broken)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def names(self) -> list[str]:
        """All names, also of those that cannot be used. Nothing is imported for it."""
        return [*self._builtin, *(name for name in self._points.by_name if name not in self._builtin)]

    def broken(self) -> dict[str, str]:
        """Name -> why it cannot be used, of the modules of packages. Imports them all."""
        found = {name: self._plugged(name) for name in self._points.by_name}
        return {name: why for name, why in found.items() if isinstance(why, str)}

    def package_of(self, name: str) -> str:
        """The package that brings a module along, with its version; "" for one that is built in."""
        return "" if name in self._builtin else self._points.package_of(name)

    def _plugged(self, name: str) -> Module | str:
        """KeyError if no package has a module of that name."""
        if name not in self._known:
            points = self._points.by_name[name]
            self._known[name] = self._loaded(name, points)
        return self._known[name]

    def _loaded(self, name: str, points: list[EntryPoint]) -> Module | str:
        if name in self._builtin:
            return "the name belongs to a module of the protocol"
        if not _NAME.fullmatch(name):
            return "a name has lower-case letters, digits, `-` and `_`, and begins with a letter"
        if len(points) > 1:
            return "two packages have a module of that name"
        try:
            given = points[0].load()
            module = given if isinstance(given, Module) or not callable(given) else given()
            _check(name, module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a package raises is its own
            return _said(error)
        return self._complete(replace(module, operations=_guarded(module)))


def _said(error: BaseException) -> str:
    if isinstance(error, _UnfitError):
        return str(error)
    return f"{type(error).__name__}: {error}"[:_SAID]


# ---- what a module must be ----------------------------------------------------------------------


class _UnfitError(ValueError):
    """What an entry point leads to is no module that can be used."""


def _check(name: str, module: Any) -> None:
    """_UnfitError unless the module can be called, described and written by. Other errors mean the same."""
    if not isinstance(module, Module):
        raise _UnfitError(f"its entry point leads to {type(module).__name__}, and not to a Module")
    if module.name != name or module.kind != name:
        other = module.name if module.name != name else module.kind
        raise _UnfitError(f"it calls itself `{other}`, and its entry point `{name}`")
    if not issubclass(module.configuration, Configuration):
        raise _UnfitError("its configuration is no Configuration")
    if module.schema is not None:
        _check_schema(module.schema)
    for called, operation in module.operations.items():
        _check_operation(called, operation)


def _check_schema(schema: Any) -> None:
    from jsonschema_rs import Draft202012Validator, ReferencingError, ValidationError

    if not isinstance(schema, dict):
        raise _UnfitError("the schema of its objects is no map")
    try:
        Draft202012Validator(schema, validate_formats=True, offline=True)
    except (ValueError, TypeError, ValidationError, ReferencingError) as error:
        raise _UnfitError(f"the schema of its objects is none: {error}"[:_SAID]) from error


def _check_operation(called: str, operation: Any) -> None:
    if not isinstance(operation, Operation) or operation.name != called:
        raise _UnfitError(f"its operation `{called}` is no Operation of that name")
    if not _NAME.fullmatch(called):
        raise _UnfitError(f"`{called}` is no name for an operation: write it in kebab-case")
    taken: Any = operation.parameters
    if not (isinstance(taken, type) and issubclass(taken, Parameters)):
        raise _UnfitError(f"the parameters of `{called}` are no kind of Parameters")
    try:
        msgspec.json.schema(operation.parameters)
        msgspec.json.schema(operation.result)
    except TypeError as error:
        raise _UnfitError(f"the parameters or the result of `{called}` are not JSON: {error}") from error
    known = {field.encode_name for field in msgspec.structs.fields(operation.parameters)}
    for wanted in (*(name for group in operation.any_of for name in group), *operation.asks):
        if wanted not in known:
            raise _UnfitError(f"`{called}` names a parameter `{wanted}` that it does not have")


# ---- calls --------------------------------------------------------------------------------------


def _guarded(module: Module) -> dict[str, Operation]:
    """The operations, so that what they raise or give is something that everybody can handle."""
    return {
        name: replace(
            operation,
            module=module.name,
            handler=_guard(module.name, operation),
            consult=_guard_consult(module.name, operation),
        )
        for name, operation in module.operations.items()
    }


def _guard(module: str, operation: Operation) -> Callable[[Any, Session], Any]:
    called = f"{module}/{operation.name}"

    def handler(given: Any, session: Session) -> Any:
        try:
            result = msgspec.to_builtins(operation.handler(given, session))
            _check_events(module, session)
        except MplpError:
            raise
        except (Exception, SystemExit) as error:
            raise OperationError(
                f"`{called}` failed: {_said(error)}", details={"exception": type(error).__name__}
            ) from error
        try:
            msgspec.convert(result, operation.result)
        except msgspec.ValidationError as error:
            raise OperationError(f"`{called}` gave something else than it states: {error}") from error
        return result

    return handler


def _guard_consult(
    module: str, operation: Operation
) -> Callable[[Any, Session, Advisers], Awaitable[Any]] | None:
    if operation.consult is None:
        return None
    ask = operation.consult

    async def consult(given: Any, session: Session, advisers: Advisers) -> Any:
        try:
            filled = await ask(given, session, advisers)
        except MplpError:
            raise
        except (Exception, SystemExit) as error:
            raise OperationError(
                f"`{module}/{operation.name}` failed: {_said(error)}",
                details={"exception": type(error).__name__},
            ) from error
        if not isinstance(filled, operation.parameters):
            raise OperationError(f"`{module}/{operation.name}` did not give its parameters back")
        return filled

    return consult


def _check_events(kind: str, session: Session) -> None:
    """OperationError if objects of that kind hold events that nobody could be told of."""
    for item in session.writes():
        events = item.body.get("events", []) if item.kind == kind else []
        if not isinstance(events, list) or not all(map(_is_event, events)):
            raise OperationError(
                f"the {kind} {item.id} holds events that are none",
                hint="`make_event` of `mplp_cli.modules.records` makes one",
            )


def _is_event(event: Any) -> bool:
    return isinstance(event, dict) and all(isinstance(event.get(k), str) for k in ("event_id", "event_type"))
