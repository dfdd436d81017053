"""What another definition changes for a run, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mplp_cli.render.compared import short_value
from mplp_cli.render.grid import wrapped
from mplp_cli.render.ink import Line
from mplp_cli.render.theme import Theme
from mplp_cli.workflow.fold.history import DefinitionChange

if TYPE_CHECKING:
    from mplp_cli.workflow.revision.outline import Contrast

_STYLE = {"added": "ok", "removed": "bad", "changed": "warn"}
_MARK = {"added": "+", "removed": "-", "changed": "~"}


def drift_screen(
    changes: Sequence[DefinitionChange],
    values: Sequence[Contrast],
    theme: Theme,
    width: int,
    *,
    planned: bool = False,
) -> Iterator[Line]:
    """Every change with the keys that differ, and why it comes too late where it does."""
    head = (
        "This version of mplp plans the definition differently:" if planned else "The definition has changed:"
    )
    yield Line(head, "strong")
    if not changes:
        yield Line("  in nothing that a plan tells", "dim")
    for change in changes:
        name = f"step `{change.step}`" if change.step else "the workflow"
        line = Line(f"  {_MARK[change.change]} ", _STYLE[change.change]).add(name, "strong")
        line.add("" if change.change == "changed" else f" {change.change}", _STYLE[change.change])
        if change.conflict:
            line.add(f"  too late: {change.conflict}", "bad")
        yield from wrapped(line, width)
        for one in values:
            if one.step == change.step and change.change == "changed":
                said = f"{short_value(one.before)} {theme.glyph('arrow')} {short_value(one.after)}"
                yield Line("      ").add(f"{one.key}: ", "dim").add(said).fit(width, theme.glyph("more"))
