"""Names to modules and operations, with a hint for a name that is nearly right."""

from __future__ import annotations

from collections.abc import Mapping

from mplp_cli.errors import UnknownModuleError, UnknownOperationError
from mplp_cli.modules.contract import Module, Operation
from mplp_cli.workflow.suggest import did_you_mean


def find_module(modules: Mapping[str, Module], name: str) -> Module:
    """UnknownModuleError if there is none of that name."""
    module = modules.get(name)
    if module is not None:
        return module
    known = ", ".join(modules)
    message = f"there is no module `{name}`"
    hint = did_you_mean(name, modules) or f"there are: {known}"
    raise UnknownModuleError(message, hint=hint, details={"module": name, "known": list(modules)})


def find_operation(modules: Mapping[str, Module], module_name: str, name: str) -> Operation:
    """UnknownModuleError or UnknownOperationError if there is none of that name."""
    module = find_module(modules, module_name)
    operation = module.operations.get(name) or _reserved(module, name)
    if operation is not None:
        return operation
    hint = did_you_mean(name, module.operations)
    elsewhere = [other.name for other in modules.values() if name in other.operations]
    if elsewhere:
        hint = f"module `{elsewhere[0]}` has it"
    raise UnknownOperationError(
        f"module `{module_name}` has no operation `{name}`",
        hint=hint or f"it has: {', '.join(module.operations)}",
        details={"module": module_name, "operation": name, "known": list(module.operations)},
    )


def _reserved(module: Module, name: str) -> Operation | None:
    """A reserved interface by the protocol's own name."""
    return next((o for o in module.operations.values() if o.reserved and o.reserved == name), None)
