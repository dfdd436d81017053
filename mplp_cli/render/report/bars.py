"""Stretches of time as bars: of what they were, by height, hatching and dashes, and then by colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from markupsafe import Markup

from mplp_cli.observe.axis import Axis
from mplp_cli.observe.picture import Mark
from mplp_cli.render.report.markup import tag
from mplp_cli.render.report.words import mark_text
from mplp_cli.workflow.values import duration_text

#: From a place or a width between 0 and 1 to what stands in the picture.
Scale: TypeAlias = Callable[[float], str | float]
HEIGHT: Final = 18
#: (top, height) of a bar.
_TALL, _LOW, _LINE = (2, 14), (6, 6), (8, 2)
_SHAPES: Final = {
    "attempt": _TALL,
    "person": _LOW,
    "event": _LOW,
    "time": _LOW,
    "slot": _LOW,
    "resources": _LOW,
    "queue": _LOW,
    "again": _LINE,
    "holds": _LINE,
}
#: The least that a bar is wide, so that nothing short is lost.
_LEAST: Final = 0.003


def percent(place: float) -> str:
    """A place in the width of whatever it stands in."""
    return f"{place * 100:.2f}".rstrip("0").rstrip(".") + "%"


def kind_of(mark: Mark) -> str:
    """The class of a bar: `m-again`, `m-attempt o-failed`."""
    outcome = mark.outcome.replace(" ", "-")
    return f"m-{mark.what} o-{outcome}" if mark.what == "attempt" and outcome else f"m-{mark.what}"


def bars(
    marks: Sequence[Mark], axis: Axis, *, scale: Scale, begin: Scale, top: float = 0, titles: bool = True
) -> list[Markup]:
    """The bars of one row. `scale` is of widths, `begin` of places."""
    made = []
    for mark in marks:
        left, right = axis.place(mark.begun), axis.place(mark.ended)
        wide = max(right - left, _LEAST)
        y, height = _SHAPES[mark.what]
        told = [tag("title", mark_text(mark, axis.moments[0]))] if titles else []
        x = begin(min(left, 1 - wide))
        made.append(
            tag("rect", *told, class_=kind_of(mark), x=x, y=top + y, width=scale(wide), height=height)
        )
    return made


def tick_texts(axis: Axis, most: int) -> list[tuple[str, float]]:
    """(label, place) of the axis."""
    return [(f"+{_moment(at)}" if at else "0", place) for at, place in axis.ticks(most)]


def _moment(ms: int) -> str:
    """A round number of milliseconds, not rounded any more: `0.15s`, `1m30s`."""
    return f"{ms / 1000:g}s" if ms < 60_000 else duration_text(ms)


def gap_text(begun: int, ended: int) -> str:
    """What a shortened stretch is labelled with."""
    return f"{duration_text(ended - begun)} without work, drawn short"
