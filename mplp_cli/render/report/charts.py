"""What was held over time, as areas."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup
from msgspec import Struct

from mplp_cli.observe.axis import Axis
from mplp_cli.observe.levels import SLOTS, USED, Level, thinned
from mplp_cli.render.report.markup import tag
from mplp_cli.render.report.words import name
from mplp_cli.workflow.amounts import amount_text

#: Points of an area, and its height in its own units.
_POINTS: Final = 160
HEIGHT: Final = 48


class Chart(Struct, frozen=True):
    """One area: `path` in a box of 1000 by HEIGHT, and its numbers as text."""

    title: str
    path: str
    peak: str
    mean: str
    capacity: str


def chart(level: Level, axis: Axis) -> Chart:
    """An area with its numbers; the top of the box is its peak, or all that there is."""
    moments = [axis.moment(n / _POINTS) for n in range(_POINTS + 1)]
    moments[-1] += 1
    most = max(level.peak, level.capacity, 1)
    path, before = f"M0,{HEIGHT}", 0
    for n, held in enumerate(thinned(level, moments)):
        if held != before:
            x = round(n * 1000 / _POINTS, 1)
            path += f"H{x:g}V{HEIGHT - held * (HEIGHT - 4) / most:.1f}"
            before = held
    path += f"H1000V{HEIGHT}Z"
    return Chart(
        title=_title(level),
        path=path,
        peak=_amount(level, level.peak),
        mean=_amount(level, level.mean),
        capacity=_amount(level, level.capacity) if level.capacity else "",
    )


def _title(level: Level) -> str:
    if level.name == SLOTS:
        return "slots taken"
    kind = name(level.kind)
    return f"{kind}, measured" if level.name.endswith(USED) else f"{kind}, held"


def _amount(level: Level, amount: float) -> str:
    if level.name == SLOTS:
        return f"{amount:.2f}".rstrip("0").rstrip(".")
    return amount_text(level.kind, round(amount))


def area(one: Chart) -> Markup:
    """The area itself; its numbers stand beside it."""
    return tag(
        "svg",
        tag("path", d=one.path),
        class_="area",
        viewBox=f"0 0 1000 {HEIGHT}",
        preserveAspectRatio="none",
        aria_hidden="true",
        focusable="false",
    )
