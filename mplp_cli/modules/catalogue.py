"""The modules that there are, and what `mplp validate` can say about a call without making it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from mplp_cli.errors import Problem, UnknownModuleError, UnknownOperationError
from mplp_cli.modules.builtin import (
    collab,
    confirm,
    context,
    core,
    dialog,
    extension,
    network,
    plan,
    role,
    trace,
)
from mplp_cli.modules.contract import Module, Operation
from mplp_cli.modules.lookup import find_operation
from mplp_cli.modules.parameters import asks_agents, static_issues
from mplp_cli.modules.plugged import Modules
from mplp_cli.modules.schemas import object_schema
from mplp_cli.workflow.shapes.schemas import Signature

#: What an object must be able to hold so that its governance can be set.
_GOVERNED = {"meta", "governance", "events"}


@cache
def all_modules() -> Modules:
    """The modules of this version and those of installed packages, by name; the packages are not looked up yet."""
    return Modules(builtin_modules(), _governed)


@cache
def builtin_modules() -> dict[str, Module]:
    """The modules of this version by name."""
    files = (context, plan, role, confirm, trace, extension, dialog, collab, network, core)
    return {file.MODULE.name: _complete(file.MODULE) for file in files}


def _complete(module: Module) -> Module:
    """A module of the protocol with the operations that all of them have."""
    from mplp_cli.modules.governing import set_governance
    from mplp_cli.modules.reserved import reserved_operations

    return _with(module, [*set_governance(module.kind), *reserved_operations(module.name)])


def _governed(module: Module) -> Module:
    """A module of a package; its objects can be governed if they have room for that."""
    from mplp_cli.modules.governing import set_governance

    can = (module.schema or {}).get("properties", {}).keys() >= _GOVERNED
    return _with(module, set_governance(module.kind)) if can else module


def _with(module: Module, more: Iterable[Operation]) -> Module:
    from msgspec.structs import replace

    named = {operation.name: replace(operation, module=module.name) for operation in more}
    return replace(module, operations={**module.operations, **named})


def check_operation(module: str, operation: str, parameters: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a call whatever its references turn out to be.

    Paths start at the step: `("module",)`, `("parameters", "name")`; that of a missing parameter ends
    at a key that is not there. Codes: op-unknown-module, op-unknown-operation, op-unknown-parameter,
    op-missing-parameter, op-repeated-parameter, op-wrong-type.
    """
    try:
        found = find_operation(all_modules(), module, operation)
    except UnknownModuleError as error:
        return [Problem(code="op-unknown-module", message=error.message, path=("module",), hint=error.hint)]
    except UnknownOperationError as error:
        return [
            Problem(code="op-unknown-operation", message=error.message, path=("operation",), hint=error.hint)
        ]
    return [
        Problem(
            code=issue.code,
            message=issue.message,
            path=("parameters", *issue.path),
            hint=issue.hint,
            on=issue.on,
        )
        for issue in static_issues(found, parameters)
    ]


def call_asks_agents(module: str, operation: str, parameters: Mapping[str, Any]) -> bool:
    """Whether a call asks agents before it does its work; no, if there is no such operation."""
    try:
        return asks_agents(find_operation(all_modules(), module, operation), parameters)
    except (UnknownModuleError, UnknownOperationError):
        return False


@cache
def signature_of(module: str, operation: str) -> Signature | None:
    """What an operation takes and gives, for the checks of references; None if there is no such operation."""
    from msgspec.json import schema

    try:
        found = find_operation(all_modules(), module, operation)
    except (UnknownModuleError, UnknownOperationError):
        return None
    return Signature(schema(found.parameters), schema(found.result), object_schema)


def describe_operation(operation: Operation) -> dict[str, Any]:
    """The operation for docs and machine readers: names, summary, JSON Schemas of parameters and result.

    `reserved` is the protocol's own name of a reserved interface, else null.
    """
    from msgspec.json import schema

    return {
        "module": operation.module,
        "operation": operation.name,
        "summary": operation.summary,
        "parameters": schema(operation.parameters),
        "result": schema(operation.result),
        "anyOf": [list(group) for group in operation.any_of],
        "reserved": operation.reserved or None,
    }
