"""Another definition for a stored run: reading it, and showing what it changes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mplp_cli.cli.options import RunOutput

if TYPE_CHECKING:
    from mplp_cli.again import Changed
    from mplp_cli.runtime import Runtime
    from mplp_cli.sources import Source
    from mplp_cli.workflow.plan import Plan


def read_definition(
    runtime: Runtime, file: str | None, output: RunOutput, *, no_color: bool
) -> tuple[Source, Plan] | None:
    """The definition in a file; None without one. An invalid one ends the command, as for `mplp run`."""
    if file is None:
        return None
    from mplp_cli.cli.run import checked
    from mplp_cli.sources import read_source

    source = read_source(file, sys.stdin.buffer)
    return source, checked(runtime, source, output, no_color=no_color)[1]


def show_changes(changed: Changed, output: RunOutput, *, no_color: bool) -> None:
    """What has changed, on stderr. Programs find it in the history, or in the error."""
    from mplp_cli.cli.options import MACHINE
    from mplp_cli.render.console import screen_width
    from mplp_cli.render.drifted import drift_screen
    from mplp_cli.render.ink import write
    from mplp_cli.render.theme import make_theme

    if output in MACHINE:
        return
    theme = make_theme(sys.stderr, no_color=no_color)
    width = screen_width(sys.stderr)
    lines = drift_screen(changed.changes, changed.values, theme, width, planned=changed.planned)
    write(sys.stderr, lines, theme)
