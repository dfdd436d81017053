"""Printing a screen or a note, and asking the store that may not be there yet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mplp_cli.cli.options import TextOrJson
    from mplp_cli.protocols import RunRecord, Store
    from mplp_cli.render.ink import Line
    from mplp_cli.render.theme import Theme
    from mplp_cli.runtime import Runtime


def show(draw: Callable[[Theme, int], Iterable[Line]], *, no_color: bool = False) -> None:
    """Print what `draw` makes of the theme and the width of stdout."""
    from mplp_cli.render.console import screen_width
    from mplp_cli.render.ink import write
    from mplp_cli.render.theme import make_theme

    theme = make_theme(sys.stdout, no_color=no_color)
    write(sys.stdout, draw(theme, screen_width(sys.stdout)), theme)


def note(text: str) -> None:
    """A word to the reader on stderr; stdout stays for answers."""
    from mplp_cli.render.theme import safe

    sys.stderr.write(f"{safe(text)}\n")


def tell_status(record: RunRecord, status: str, output: TextOrJson, more: str = "") -> None:
    """Print what became of a run that something was asked of."""
    from mplp_cli.cli.options import TextOrJson
    from mplp_cli.render.view import short_id

    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"runId": record.id, "workflowId": record.workflow_id, "status": status})
    else:
        sys.stdout.write(f"run {short_id(record.id)} is {status}{more}\n")


def stored(runtime: Runtime) -> Store | None:
    """The store, or None if nothing was ever stored here: a question does not make one."""
    return None if runtime.existing_state_dir() is None else runtime.store
