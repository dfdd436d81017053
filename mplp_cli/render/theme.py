"""How things look: one glyph a status, colours, and text made safe to show."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import IO, Final

from msgspec import Struct

#: What a screen asks for by name. SGR codes of each; rich understands the style names on the right.
STYLES: Final[dict[str, tuple[str, str]]] = {
    "ok": ("32", "green"),
    "bad": ("31", "red"),
    "bad-strong": ("1;31", "bold red"),
    "ok-strong": ("1;32", "bold green"),
    "warn": ("33", "yellow"),
    "busy": ("36", "cyan"),
    "dim": ("2", "dim"),
    "strong": ("1", "bold"),
    "key": ("36", "cyan"),
    "code": ("34", "blue"),
}

#: The style of each status, of a step and of a run.
STATUS_STYLE: Final[dict[str, str]] = {
    "pending": "dim",
    "queued": "dim",
    "running": "busy",
    "retrying": "warn",
    "waiting": "warn",
    "paused": "warn",
    "interrupted": "warn",
    "completed": "ok",
    "failed": "bad",
    "skipped": "dim",
    "omitted": "dim",
    "cancelled": "warn",
    "approved": "ok",
    "rejected": "bad",
    "withdrawn": "dim",
    "expired": "warn",
    "healthy": "ok",
    "degraded": "warn",
    "unhealthy": "bad",
    "error": "bad",
}

_UNICODE: Final[dict[str, str]] = {
    "pending": "·",
    "queued": "○",
    "running": "●",
    "retrying": "↻",
    "waiting": "◆",
    "paused": "◆",
    "interrupted": "◆",
    "completed": "✓",
    "failed": "✗",
    "skipped": "↷",
    "omitted": "⊘",
    "cancelled": "■",
    "approved": "✓",
    "rejected": "✗",
    "withdrawn": "·",
    "expired": "·",
    "healthy": "✓",
    "degraded": "◆",
    "unhealthy": "✗",
    "error": "✗",
    "bar": "━",
    "track": "─",
    "gutter": "│",
    "arrow": "→",
    "more": "…",
    "dot": "·",
    "rising": "↗",
    "falling": "↘",
    "steady": "→",
    "unknown": "·",
    "levels": "▁▂▃▄▅▆▇█",
}

_ASCII: Final[dict[str, str]] = {
    "pending": ".",
    "queued": "o",
    "running": "*",
    "retrying": "~",
    "waiting": "?",
    "paused": "?",
    "interrupted": "?",
    "completed": "+",
    "failed": "X",
    "skipped": ">",
    "omitted": "-",
    "cancelled": "#",
    "approved": "+",
    "rejected": "X",
    "withdrawn": ".",
    "expired": ".",
    "healthy": "+",
    "degraded": "?",
    "unhealthy": "X",
    "error": "X",
    "bar": "=",
    "track": "-",
    "gutter": "|",
    "arrow": "->",
    "more": "...",
    "dot": "-",
    "rising": "/",
    "falling": "\\",
    "steady": "-",
    "unknown": ".",
    "levels": "_.:-=+*#",
}

#: The order in which counts by status are shown.
STATUS_ORDER: Final[tuple[str, ...]] = (
    "failed",
    "waiting",
    "running",
    "retrying",
    "completed",
    "queued",
    "pending",
    "skipped",
    "omitted",
    "cancelled",
)


class Theme(Struct, frozen=True, kw_only=True):
    """What the terminal can show."""

    color: bool = False
    unicode: bool = True

    def glyph(self, name: str) -> str:
        """The glyph of a status, or of a part of a screen."""
        return (_UNICODE if self.unicode else _ASCII)[name]

    def spinner(self, now: int) -> str:
        """The glyph of something that runs, moving with `now` (ms)."""
        frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if self.unicode else "|/-\\"
        return frames[now // 100 % len(frames)]


PLAIN: Final = Theme()

_FALSE = {"", "0", "false", "no", "off"}


def make_theme(stream: IO[str], environ: Mapping[str, str] = os.environ, *, no_color: bool = False) -> Theme:
    """The theme for a stream: `--no-color` over NO_COLOR over FORCE_COLOR over what the terminal says."""
    term = environ.get("TERM", "").lower()
    if no_color or environ.get("NO_COLOR"):
        color = False
    elif environ.get("FORCE_COLOR", "").lower() not in _FALSE:
        color = True
    else:
        color = stream.isatty() and term != "dumb"
    return Theme(color=color, unicode=_shows_unicode(stream) and term not in {"dumb", "linux"})


def shows_live(stream: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the live view may be drawn: on a terminal that can move its cursor, and not in CI."""
    dumb = environ.get("TERM", "").lower() in {"", "dumb"}
    return stream.isatty() and not dumb and environ.get("CI", "").lower() in _FALSE


def _shows_unicode(stream: IO[str]) -> bool:
    try:
        "".join(_UNICODE.values()).encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


# C0, DEL and C1; marks that turn the direction of text; separators that break lines; lone surrogates;
# invisible characters that make two names look alike.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]"
)
_SHORT: Final[dict[str, str]] = {"\n": "\\n", "\r": "\\r", "\t": "    "}


def _visible(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    return _SHORT.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def safe(text: str) -> str:
    r"""`text` on one line with nothing a terminal would obey: ESC is shown as `\x1b`, a tab as 4 spaces."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_visible, text)


_SGR = re.compile("\x1b\\[[0-9;:]*m")


def safe_output(text: str) -> str:
    """A line that a step wrote: colours dropped, everything else that is not text made visible."""
    if "\x1b" in text:
        text = _SGR.sub("", text)
    return safe(text)
