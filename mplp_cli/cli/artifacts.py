"""`mplp artifacts`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    step: Annotated[
        str | None,
        typer.Argument(metavar="[STEP]", help="Only this step [default: all].", show_default=False),
    ] = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List the files that the steps of a run have left.

    A step keeps the files that its `artifacts` name, also if it failed. They stay as long as the run does.

    Examples:

      mplp artifacts 3f2a

      mplp artifacts my-workflow build --output json
    """
    from mplp_cli.cli.logs import check_step
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.tables import files_table
    from mplp_cli.render.view import short_id
    from mplp_cli.runtime import Runtime
    from mplp_cli.store.layout import artifact_dir

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run)
    if step is not None:
        check_step(runtime, record, step)
    folder = artifact_dir(runtime.state_dir, record.id).absolute()
    files = [one for one in kept_files(folder) if step in (None, one["step"])]
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"runId": record.id, "directory": str(folder), "artifacts": files})
    elif files:
        show(lambda theme, width: files_table(files, str(folder), theme, width), no_color=no_color)
    else:
        note(
            f"{f'{step} has left no file' if step else 'no step has left a file'} in run {short_id(record.id)}"
        )


def kept_files(folder: Path) -> list[dict[str, Any]]:
    """`{step, file, path, size}` of every file in a run's directory of artifacts, by step and name."""
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        # What begins with a dot there is a copy that was never finished.
        if path.is_file() and not path.is_symlink() and not inside.parts[0].startswith("."):
            file = "/".join(inside.parts[1:])
            found.append(
                {"step": inside.parts[0], "file": file, "path": str(path), "size": path.stat().st_size}
            )
    return found
