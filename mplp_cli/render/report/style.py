"""The style of pages and pictures, and what every picture defines for hatching."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from markupsafe import Markup

from mplp_cli.render.report.markup import tag
from mplp_cli.render.report.palette import variables

ROOM: Final = Path(__file__).parent


@cache
def colours() -> str:
    """The colours for light, for dark and for paper, and how what is drawn takes them."""
    light, dark = variables(dark=False), variables(dark=True)
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n" + (
        ROOM / "drawn.css"
    ).read_text("utf-8")


@cache
def page_style() -> str:
    """All of a page's."""
    return colours() + (ROOM / "style.css").read_text("utf-8")


def patterns() -> Markup:
    """Hatching for what failed, dots for what waits for people."""
    hatch = tag(
        "pattern",
        tag("rect", class_="hatched", width=6, height=6),
        tag("path", class_="hatch", d="M-1,7L7,-1M-1,1L1,-1M5,7L7,5"),
        id="hatch",
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
    )
    dots = tag(
        "pattern",
        tag("rect", class_="hatched", width=5, height=5),
        tag("circle", class_="dot", cx=2.5, cy=2.5, r=1.3),
        id="dots",
        width=5,
        height=5,
        patternUnits="userSpaceOnUse",
    )
    return tag("defs", hatch, dots)
