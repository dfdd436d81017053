"""Columns: text side by side, aligned; and words over as many lines as they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mplp_cli.render.ink import Line, Screen, cells, clip
from mplp_cli.render.theme import Theme, safe

#: The last column goes below its row if it had less room than this.
_LAST_LEAST = 24
#: A column that gives way keeps this much.
_LEAST = 11
_GAP = 2


def grid(
    head: Sequence[str],
    rows: Sequence[Sequence[Line]],
    *,
    theme: Theme,
    width: int,
    right: Sequence[int] = (),
) -> Screen:
    """A table without rules. Columns are as wide as their texts; the last is wrapped into what is left.

    Without room the others are cut, the widest first, or the last goes below its row. Numbers in `right`
    name columns that are set to the right.
    """
    table = [[Line(title, "strong") for title in head], *rows]
    sizes = [max(row[n].width for row in table) for n in range(len(head))]
    last = len(head) - 1
    least = min(_LAST_LEAST, sizes[last])
    below = sum(min(size, _LEAST) + _GAP for size in sizes[:last]) + least > width
    _shrink(sizes, last, width if below else width - least - _GAP)
    begin = sum(size + _GAP for size in sizes[:last])
    room = width - begin
    lines: list[Line] = []
    for number, row in enumerate(table):
        line = Line()
        for n in range(last):
            cell = row[n].fit(sizes[n], theme.glyph("more"))
            start = sum(size + _GAP for size in sizes[:n])
            if n in right:
                start += sizes[n] - cell.width
            line.add(" " * (start - line.width)).extend(cell)
        if below:
            lines.append(line)
            parts = wrapped(row[last], width - 4) if number and row[last].pieces else []
            lines += [Line("    ").extend(part) for part in parts]
        else:
            first, *more = wrapped(row[last], room) or [Line()]
            gap = begin + (sizes[last] - first.width if last in right else 0) - line.width
            lines += [line.add(" " * gap).extend(first), *(Line(" " * begin).extend(part) for part in more)]
    return Screen(lines)


def _shrink(sizes: list[int], last: int, width: int) -> None:
    """Take from the widest of the columns before the last until together they fit."""
    while sum(sizes[:last]) + _GAP * (last - 1) > width:
        widest = max(range(last), key=lambda n: sizes[n])
        if sizes[widest] <= 1:
            return
        sizes[widest] -= 1


def wrapped(line: Line, width: int) -> list[Line]:
    """A line of one style broken at spaces into lines of at most `width` columns."""
    if line.width <= width:
        return [line]
    style = line.pieces[0][1]
    return [Line(text, style) for text in _broken(line.plain, max(width, 1))]


def _broken(text: str, width: int) -> Iterator[str]:
    now = ""
    for word in text.split():
        if now and cells(now) + 1 + cells(word) > width:
            yield now
            now = ""
        now = f"{now} {word}" if now else word
        while cells(now) > width:
            part = clip(now, width, "") or now[:1]
            yield part
            now = now[len(part) :]
    if now:
        yield now


def joined(words: Sequence[str], between: str, width: int, *, first: str = "", rest: str = "") -> list[Line]:
    """Words with `between` between them, over as many lines as they need; `first` and `rest` begin the lines."""
    lines = [Line(first)]
    for number, word in enumerate(words):
        if number:
            lines[-1].add(between.rstrip(), "dim")
            if lines[-1].width + cells(between) + cells(safe(word)) > width:
                lines.append(Line(rest))
            else:
                lines[-1].add(between[len(between.rstrip()) :])
        lines[-1].add(word)
    return lines
