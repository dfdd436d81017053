"""The one way to make a console of rich."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING

from mplp_cli.render.theme import make_theme

if TYPE_CHECKING:
    from rich.console import Console


#: The width of screens in a pipe or a file.
PIPE_WIDTH = 100


def screen_width(stream: IO[str], environ: Mapping[str, str] = os.environ) -> int:
    """Columns of the terminal that `stream` is; COLUMNS overrules it; a pipe has 100."""
    try:
        return max(int(environ.get("COLUMNS", "")), 20)
    except ValueError:
        pass
    try:
        return max(os.get_terminal_size(stream.fileno()).columns, 20)
    except (OSError, ValueError):
        return PIPE_WIDTH


def make_console(
    *,
    stderr: bool = False,
    no_color: bool = False,
    width: int | None = None,
    stream: IO[str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Console:
    """A console that takes all text as text: no markup, no highlighting, no emoji codes."""
    from rich.console import Console

    stream = stream or (sys.stderr if stderr else sys.stdout)
    theme = make_theme(stream, environ, no_color=no_color)
    return Console(
        file=stream,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=False,
        width=width,
        color_system=("auto" if stream.isatty() else "standard") if theme.color else None,
        force_terminal=stream.isatty(),
        safe_box=True,
        _environ=dict(environ),
    )
