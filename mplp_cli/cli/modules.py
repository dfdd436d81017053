"""`mplp modules`, and `mplp modules list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.modules.lifecycle import Lifecycle
    from mplp_cli.runtime import Runtime


def main(
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List the modules, those of packages too, and how they stand.

    Every process on one state shares them: `mplp modules stop plan` is felt by a run that goes on now.

    Examples:

      mplp modules

      mplp modules describe plan.create-plan

      mplp modules stop network
    """
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.hub import modules_table
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    lifecycle = lifecycle_of(runtime)
    modules = [(module, lifecycle.status(name)) for name, module in runtime.modules.items()]
    if output is TextOrJson.json:
        from msgspec import to_builtins

        from mplp_cli.render.machine import write_document

        listed = [
            {
                **to_builtins(status),
                "summary": module.summary,
                "operations": len(module.operations),
                "package": runtime.modules.package_of(module.name) or None,
            }
            for module, status in modules
        ]
        write_document({"modules": listed, "broken": runtime.modules.broken()})
        return
    show(lambda theme, width: modules_table(modules, theme, width), no_color=no_color)
    for name, why in runtime.modules.broken().items():
        note(f"the module {name} of {runtime.modules.package_of(name)} cannot be used: {why}")


def lifecycle_of(runtime: Runtime) -> Lifecycle:
    """How the modules stand here; a question makes no store."""
    from mplp_cli.cli.showing import stored
    from mplp_cli.modules.lifecycle import Lifecycle
    from mplp_cli.requesting import user_name
    from mplp_cli.store.switchboard import MemorySwitchboard

    store = stored(runtime)
    switchboard = MemorySwitchboard() if store is None else store.switchboard
    return Lifecycle(runtime.modules, switchboard, runtime.clock, runtime.settings.modules, user_name())
