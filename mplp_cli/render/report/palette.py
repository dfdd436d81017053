"""The colours of pages and pictures, for light and for dark; each status has a shape and a word besides."""

from __future__ import annotations

from typing import Final

#: Name -> (light, dark). Text on `paper` or `card` has a contrast of 4.5 at least, what is drawn 3.
COLOURS: Final[dict[str, tuple[str, str]]] = {
    "paper": ("#ffffff", "#14171c"),
    "card": ("#f4f6f8", "#1e232b"),
    "ink": ("#1a1f26", "#e8ecf1"),
    "soft": ("#535c68", "#a9b4c2"),
    "rule": ("#c9d0d8", "#3b4452"),
    "link": ("#0b57b0", "#8ab8ff"),
    "ok": ("#1a7035", "#57c87a"),
    "bad": ("#b3211b", "#ff8a80"),
    "warn": ("#8a5300", "#f0b34a"),
    "busy": ("#0a6480", "#56c5e6"),
    "off": ("#5f6874", "#9aa5b3"),
    "wait": ("#6c4bb5", "#bda4ff"),
}
#: Those that are text somewhere, and those that are only drawn.
TEXT: Final = ("ink", "soft", "link", "ok", "bad", "warn", "busy", "off", "wait")

#: The colour of each status.
STATUS: Final[dict[str, str]] = {
    "completed": "ok",
    "failed": "bad",
    "running": "busy",
    "retrying": "warn",
    "waiting": "wait",
    "paused": "wait",
    "interrupted": "warn",
    "cancelled": "warn",
    "queued": "off",
    "pending": "off",
    "skipped": "off",
    "omitted": "off",
}


def variables(dark: bool) -> str:
    """Custom properties of all colours."""
    return "".join(f"--{key}:{pair[dark]};" for key, pair in COLOURS.items())


def contrast(one: str, other: str) -> float:
    """How far apart two colours are, from 1 to 21, as WCAG 2 reckons it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
