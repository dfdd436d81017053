"""What an operation is. One definition gives validation, JSON Schema, help texts and static checks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from mplp_cli.modules.session import Session
    from mplp_cli.protocols import Advisers


class Parameters(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What an operation is given. camelCase in files; snake_case is accepted as another spelling."""


class Result(Struct, frozen=True, kw_only=True, rename="camel"):
    """What an operation gives back, in camelCase; whole objects in it keep the protocol's snake_case."""


class Operation(Struct, frozen=True, kw_only=True):
    """One operation of a module.

    `handler` is synchronous, fast and has no effect besides the objects that it puts into the session;
    it raises OperationError (or one of its kinds) to refuse. `result` is the type of what it returns,
    nearly always a kind of Result.
    """

    name: str
    summary: str
    parameters: type[Parameters]
    result: Any
    handler: Callable[[Any, Session], Any]
    module: str = ""
    #: Groups of parameters (camelCase); of each group at least one must be given.
    any_of: tuple[tuple[str, ...], ...] = ()
    #: Asks agents first: takes the parameters, gives them back with what agents have said filled in, for `handler`.
    #: It may read objects, and changes none. The same call asks the same questions under the same keys.
    consult: Callable[[Any, Session, Advisers], Awaitable[Any]] | None = None
    #: The parameters (camelCase) any of which makes it ask; empty: it always asks.
    asks: tuple[str, ...] = ()
    #: The protocol's own name (camelCase) of a reserved interface, "" for an operation that works by itself.
    reserved: str = ""


class Configuration(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What a module takes from its map under `modules` in `mplp.yaml`; keys in kebab-case."""

    #: Whether the module runs without having been initialised and started.
    autostart: bool = True


class Module(Struct, frozen=True, kw_only=True):
    """A module of the protocol, or of a plug-in. `kind` is the kind of object that it owns."""

    name: str
    summary: str
    kind: str
    operations: dict[str, Operation]
    #: Modules without which this one cannot work.
    needs: tuple[str, ...] = ()
    configuration: type[Configuration] = Configuration
    #: The JSON Schema of a plug-in's objects; those of the protocol are bundled.
    schema: dict[str, Any] | None = None
    #: Status -> those that may follow it, if its objects have one.
    transitions: Mapping[str, tuple[str, ...]] = {}


def make_module(
    name: str,
    summary: str,
    *operations: Operation,
    needs: tuple[str, ...] = (),
    configuration: type[Configuration] = Configuration,
    schema: dict[str, Any] | None = None,
    transitions: Mapping[str, tuple[str, ...]] | None = None,
) -> Module:
    """The module of that name, with its operations under their names."""
    from msgspec.structs import replace

    return Module(
        name=name,
        summary=summary,
        kind=name,
        operations={operation.name: replace(operation, module=name) for operation in operations},
        needs=needs,
        configuration=configuration,
        schema=schema,
        transitions=transitions or {},
    )
