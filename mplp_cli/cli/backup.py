"""`mplp backup`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime


def main(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The copy to write; in a directory it is state.db.")
    ],
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite an older copy.")] = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Write a copy of the store, also while runs go on.

    The copy is one moment of the store, verified before it gets its name, and readable by you alone. As
    DIR/state.db it is a state directory of its own, with the agents that were registered: `mplp runs
    --state-dir DIR` reads it. The output of steps is not in it.

    Exit codes: 0 written, 2 the file exists or nothing is stored here, 74 it cannot be written.

    Examples:

      mplp backup runs.db

      mplp backup /mnt/backup/ --force
    """
    from mplp_cli.cli.keeping import size_text
    from mplp_cli.runtime import Runtime

    target = Path(file).absolute()
    if file.endswith("/") or target.is_dir():
        target /= "state.db"
    written = _write(Runtime(state_dir=state_dir), target, force=force)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"file": str(target), **written})
    else:
        from mplp_cli.render.theme import safe

        runs = f"{written['runs']:,} run{'' if written['runs'] == 1 else 's'}"
        sys.stdout.write(safe(f"{target}: {runs}, {size_text(written['size'])}") + "\n")


def _write(runtime: Runtime, target: Path, *, force: bool) -> dict[str, Any]:
    from mplp_cli.cli.keeping import opened
    from mplp_cli.errors import UsageError
    from mplp_cli.store.backup import back_up
    from mplp_cli.store.layout import database_path

    with opened(runtime) as found:
        if found is None:
            raise UsageError("nothing is stored here", hint="`--state-dir` names another state directory")
        written = back_up(found[1], target, force=force)
    if target == database_path(target.parent):
        written["agents"] = _keep_agents(runtime, target.parent)
    return written


def _keep_agents(runtime: Runtime, directory: Path) -> int:
    """Write what is registered beside the copy; how many agents that are."""
    from mplp_cli.store.registrations import RegistrationFile

    kept = RegistrationFile(lambda make: runtime.existing_state_dir()).read()
    copy = RegistrationFile(lambda make: directory)
    if kept.registered or copy.read().registered:
        copy.change(lambda before: kept)
    return len(kept.registered)
