"""What an operation is. One definition gives validation, JSON Schema, help texts and static checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from mplp_cli.modules.session import Session


class Parameters(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What an operation is given. camelCase in files; snake_case is accepted as another spelling."""


class Result(Struct, frozen=True, kw_only=True, rename="camel"):
    """What an operation gives back, in camelCase; whole objects in it keep the protocol's snake_case."""


class Operation(Struct, frozen=True, kw_only=True):
    """One operation of a module.

    `handler` is synchronous, fast and has no effect besides the objects that it puts into the session;
    it raises OperationError (or one of its kinds) to refuse.
    """

    name: str
    summary: str
    parameters: type[Parameters]
    result: type[Result]
    handler: Callable[[Any, Session], Result]
    module: str = ""
    #: Groups of parameters (camelCase); of each group at least one must be given.
    any_of: tuple[tuple[str, ...], ...] = ()


class Module(Struct, frozen=True, kw_only=True):
    """A module of the protocol. `kind` is the kind of object that it owns."""

    name: str
    summary: str
    kind: str
    operations: dict[str, Operation]


def make_module(name: str, summary: str, *operations: Operation) -> Module:
    """The module of that name, with its operations under their names."""
    from msgspec.structs import replace

    named = {operation.name: replace(operation, module=name) for operation in operations}
    return Module(name=name, summary=summary, kind=name, operations=named)
