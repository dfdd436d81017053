"""`mplp modules show` and `mplp modules status`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

Name = Annotated[str, typer.Argument(metavar="MODULE", help="Such as context or plan.", show_default=False)]


def show(
    name: Name, output: Output = TextOrJson.text, state_dir: StateDir = None, no_color: NoColor = False
) -> None:
    """Show one module: how it stands, what it needs, its configuration, its operations, and who listens to it.

    Example:

      mplp modules show plan
    """
    from msgspec import to_builtins

    from mplp_cli.cli.modules import lifecycle_of
    from mplp_cli.cli.showing import show, stored
    from mplp_cli.modules.lifecycle import configure
    from mplp_cli.modules.lookup import find_module
    from mplp_cli.render.hub import module_screen
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    module, status = find_module(runtime.modules, name), lifecycle_of(runtime).status(name)
    store = stored(runtime)
    subscriptions = [] if store is None else store.switchboard.wiring().subscriptions
    document = {
        **to_builtins(status),
        "summary": module.summary,
        "configuration": to_builtins(configure(module, runtime.settings.modules)),
        "operations": [o.name for o in module.operations.values() if not o.reserved],
        "reserved": {o.reserved: o.name for o in module.operations.values() if o.reserved},
        "subscribers": [to_builtins(s) for s in subscriptions if s.publisher == name],
        "subscribedTo": [to_builtins(s) for s in subscriptions if s.subscriber == name],
    }
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(document)
    else:
        show(lambda _theme, width: module_screen(document, width), no_color=no_color)


def status(name: Name, output: Output = TextOrJson.text, state_dir: StateDir = None) -> None:
    """Print how a module stands: created, initialized, running, stopped or error.

    Exit code 1: it cannot work, because it does not run or a module that it needs does not.
    """
    from msgspec import to_builtins

    from mplp_cli.cli.modules import lifecycle_of
    from mplp_cli.runtime import Runtime

    found = lifecycle_of(Runtime(state_dir=state_dir)).status(name)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(to_builtins(found))
    else:
        blocked = f" (blocked: {', '.join(found.blocked_by)} does not run)" if found.blocked_by else ""
        sys.stdout.write(f"{name} is {found.status}{blocked}\n")
    raise typer.Exit(0 if found.status == "running" and not found.blocked_by else 1)
