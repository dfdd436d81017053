"""Small pictures of numbers, and numbers in few characters."""

from __future__ import annotations

from collections.abc import Sequence

from mplp_cli.render.theme import Theme
from mplp_cli.workflow.values import duration_text


def sparkline(values: Sequence[float | None], size: int, theme: Theme, top: float | None = None) -> str:
    """`▁▂▃▅█`: the last `size` values, a column each; a space where there is none.

    `top` is what the highest column means; without it, the highest value.
    """
    levels = theme.glyph("levels")
    shown = values[-size:] if size > 0 else ()
    most = top or max((value for value in shown if value is not None), default=0.0)
    last = len(levels) - 1
    return "".join(
        " "
        if value is None
        else levels[min(max(round(value / most * last), 1), last) if value > 0 and most > 0 else 0]
        for value in shown
    )


def count_text(number: float) -> str:
    """`0`, `0.03`, `1.2`, `12`, `1.2k`, `3.4M`: at most five characters of a number that is not negative."""
    for scale, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * scale:
            part = number / scale
            return f"{part:.3g}{unit}" if part < 999.5 else f"{part:.0f}{unit}"
    if number and number < 0.1:
        return f"{number:.2f}" if number >= 0.005 else "<0.01"
    return f"{number:.3g}"


def rate_text(rate: float | None, unknown: str) -> str:
    """`1.2/s`."""
    return unknown if rate is None else f"{count_text(rate)}/s"


def seconds_text(seconds: float) -> str:
    """How long something takes, also where that is very short: `<1ms`, `250ms`, `3.2s`, `4m10s`."""
    if seconds < 0.001:
        return "<1ms" if seconds > 0 else "0"
    return f"{seconds * 1000:.3g}ms" if seconds < 0.9995 else duration_text(seconds * 1000)


def part_text(part: float | None, unknown: str) -> str:
    """`42 %`."""
    return unknown if part is None else f"{part * 100:.0f} %"
