"""Lines of a screen: pieces of text with a style name each, escaped where they enter.

A screen is a list of lines. It is printed as text or with ANSI colours by `write`, without rich; to rich
(the live view, tables) a screen is a renderable of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Self

from mplp_cli.render.theme import STYLES, Theme, safe

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text


def cells(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def clip(text: str, width: int, more: str = "…") -> str:
    """`text` in at most `width` columns; what is cut off is shown by `more`. `text` is safe already."""
    if width <= 0:
        return ""
    if cells(text[: width * 8 + 8]) <= width and len(text) <= width * 8 + 8:
        return text
    if cells(more) > width:
        more = ""
    low, high = 0, min(len(text), width * 8)
    while low < high:
        middle = (low + high + 1) // 2
        if cells(text[:middle]) <= width - cells(more):
            low = middle
        else:
            high = middle - 1
    return text[:low] + more


class Line:
    """One line. `add` takes any text."""

    __slots__ = ("pieces",)

    def __init__(self, text: str = "", style: str = "") -> None:
        self.pieces: list[tuple[str, str]] = []
        self.add(text, style)

    def add(self, text: str, style: str = "") -> Self:
        """Append text, made safe."""
        if text:
            self.pieces.append((safe(text), style))
        return self

    def extend(self, other: Line) -> Self:
        """Append another line's pieces."""
        self.pieces.extend(other.pieces)
        return self

    def pad(self, column: int) -> Self:
        """Append spaces up to `column`; at least one if something stands there already."""
        gap = column - self.width
        if self.pieces:
            gap = max(gap, 1)
        return self.add(" " * gap)

    @property
    def width(self) -> int:
        """Columns taken."""
        return cells(self.plain)

    @property
    def plain(self) -> str:
        """The text alone."""
        return "".join(text for text, _ in self.pieces)

    def fit(self, width: int, more: str = "…") -> Line:
        """This line in at most `width` columns."""
        if self.width <= width:
            return self
        if cells(more) > width:
            more = ""
        room = width - cells(more)
        short = Line()
        for text, style in self.pieces:
            kept = clip(text, room - short.width, "")
            short.add(kept, style)
            if kept != text:
                break
        return short.add(more, "dim")

    def ansi(self) -> str:
        """The text with colours."""
        return "".join(
            f"\x1b[{STYLES[style][0]}m{text}\x1b[0m" if style else text for text, style in self.pieces
        )

    def rich(self) -> Text:
        """This line as a text of rich."""
        from rich.text import Text

        text = Text(no_wrap=True, end="")
        for piece, style in self.pieces:
            text.append(piece, STYLES[style][1] if style else None)
        return text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Line) and self.pieces == other.pieces

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Line({self.plain!r})"


class Screen:
    """Lines, top to bottom. Iterable, and a renderable of rich."""

    __slots__ = ("lines",)

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.lines = list(lines)

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Screen) and self.lines == other.lines

    __hash__ = None  # type: ignore[assignment]  # mutable

    @property
    def plain(self) -> str:
        """The text alone, without trailing spaces."""
        return "".join(line.plain.rstrip() + "\n" for line in self.lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for number, line in enumerate(self.lines):
            if number:
                yield Segment.line()
            yield from console.render(line.rich(), options.update(no_wrap=True, overflow="crop"))
        if self.lines:
            yield Segment.line()


def write(stream: IO[str], lines: Iterable[Line], theme: Theme) -> None:
    """Print lines, in colour if the theme has it; what the stream cannot encode is shown as an escape."""
    put(stream, "".join((line.ansi() if theme.color else line.plain).rstrip() + "\n" for line in lines))


def put(stream: IO[str], text: str) -> None:
    """Print text at once; what the stream cannot encode is shown as an escape."""
    if not text:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
