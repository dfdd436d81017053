"""`mplp modules initialize | start | stop | restart`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime

Names = Annotated[
    list[str], typer.Argument(metavar="MODULE...", help="Such as context or plan.", show_default=False)
]


def initialize(names: Names, output: Output = TextOrJson.text, state_dir: StateDir = None) -> None:
    """Make modules ready that do not start by themselves (`modules.NAME.autostart: false` in mplp.yaml)."""
    _move("initialize", names, output, state_dir)


def start(names: Names, output: Output = TextOrJson.text, state_dir: StateDir = None) -> None:
    """Start modules that are initialised or stopped. Where there are agents, they take over the reserved interfaces
    of these modules, as with `mplp interfaces activate`.
    """
    _move("start", names, output, state_dir)


def stop(names: Names, output: Output = TextOrJson.text, state_dir: StateDir = None) -> None:
    """Stop modules: their operations are refused, also to runs that go on now, until they are started again.

    What a person answers to a question that a run has asked before is recorded all the same.
    """
    _move("stop", names, output, state_dir)


def restart(names: Names, output: Output = TextOrJson.text, state_dir: StateDir = None) -> None:
    """Bring modules back to work, whatever state they are in. What is said of `start` goes for it, too."""
    _move("restart", names, output, state_dir)


def _move(verb: str, names: list[str], output: TextOrJson, state_dir: str | None) -> None:
    from msgspec import to_builtins

    from mplp_cli.cli.modules import lifecycle_of
    from mplp_cli.modules.lifecycle import VERBS
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    assert runtime.store is not None  # a change makes the state, if there is none
    lifecycle = lifecycle_of(runtime)
    for name in names:
        lifecycle.status(name)  # all are known, or nothing is done
    for name in names:
        moved = VERBS[verb](lifecycle, name)
        if output is TextOrJson.json:
            from mplp_cli.render.machine import write_document

            write_document(to_builtins(moved))
        else:
            sys.stdout.write(f"{name} is {moved.status}\n")
    if verb in ("start", "restart"):
        _take_over(runtime, names, output)


def _take_over(runtime: Runtime, names: list[str], output: TextOrJson) -> None:
    """Let agents take over the reserved interfaces of modules that have started; what fails there is told."""
    from mplp_cli.cli.activating import activate_now
    from mplp_cli.cli.interfaces import activator_of
    from mplp_cli.cli.showing import note
    from mplp_cli.modules.reserved import RESERVED

    having = [name for name in names if any(one.module == name for one in RESERVED)]
    if not having or not runtime.registry.entries():
        return
    result = activate_now(runtime, activator_of(runtime, output), having)
    for one in result.module_results or ():
        if one.error:
            note(f"{one.module_id}: its interfaces stay as they were: {one.error}")
        elif one.activated_interfaces and output is TextOrJson.text:
            note(f"{one.module_id}: agents answer {', '.join(one.activated_interfaces)}")
