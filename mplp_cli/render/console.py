"""The one way to make a console of rich."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING

from mplp_cli.render.theme import theme_for

if TYPE_CHECKING:
    from rich.console import Console


def make_console(
    *,
    stderr: bool = False,
    no_color: bool = False,
    width: int | None = None,
    stream: IO[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Console:
    """A console that takes all text as text: no markup, no highlighting, no emoji codes."""
    from rich.console import Console

    environ = os.environ if environ is None else environ
    stream = stream or (sys.stderr if stderr else sys.stdout)
    theme = theme_for(stream, environ, no_color=no_color)
    return Console(
        file=stream,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=False,
        width=width,
        # Piped text is cut at no one's terminal width.
        color_system=("auto" if stream.isatty() else "standard") if theme.color else None,
        force_terminal=stream.isatty(),
        safe_box=True,
        _environ=dict(environ),
    )
