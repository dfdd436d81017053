"""`mplp doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson


def main(
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended safely, after a backup.")
    ] = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Find out what is wrong with the state directory, and mend it.

    A store that cannot be opened is explained. In one that can be, every page is checked, every history is
    read, and the lists of runs and questions are compared with the histories; interrupted runs, processes of
    runs that nobody drives, and files of unknown runs are found.

    With --repair the lists are made anew from the histories, leftovers are deleted and lost processes ended.
    Histories are never changed.

    Exit codes: 0 healthy, or mended, 1 problems found, 74 the store cannot be used.

    Examples:

      mplp doctor

      mplp doctor --repair --output json
    """
    from mplp_cli.cli.diagnosis import diagnose
    from mplp_cli.cli.showing import show
    from mplp_cli.errors import Exit
    from mplp_cli.render.diagnosed import diagnosed_document, diagnosed_screen
    from mplp_cli.runtime import Runtime

    found = diagnose(Runtime(state_dir=state_dir), repair=repair)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(diagnosed_document(found))
    else:
        show(lambda theme, width: diagnosed_screen(found, theme, width), no_color=no_color)
    raise typer.Exit(Exit.STORE if found.error is not None else Exit.OK if found.healthy else Exit.NO)
