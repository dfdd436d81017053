"""Pages of the reference as text: headings, paragraphs, code and tables of a small part of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from mplp_cli.render.grid import grid, wrapped
from mplp_cli.render.ink import Line, Screen, cells
from mplp_cli.render.theme import Theme

#: Columns between two cells, and for the last one at least.
_GAP = 2
_LAST_LEAST = 24


def page_screen(text: str, *, theme: Theme, width: int) -> Screen:
    """A page. Code is set in by four columns, tables become columns, everything else stays as written."""
    lines: list[Line] = []
    for kind, block in _blocks(text):
        if kind == "table":
            lines += _table(block, theme, width)
        elif kind == "code":
            lines += [Line(f"    {row}".rstrip(), "key") for row in block]
        else:
            lines += [_plain(row) for row in block]
    return Screen(lines)


def page_title(text: str) -> str:
    """The heading of a page."""
    return text.partition("\n")[0].removeprefix("# ").strip()


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Stretches of lines of one kind: table, code (without its fences), text."""
    fenced = False
    told: list[tuple[str, str]] = []
    for row in text.rstrip().splitlines():
        if row.startswith("```"):
            fenced = not fenced
        elif fenced:
            told.append(("code", row))
        else:
            told.append(("table" if row.startswith("|") else "text", row))
    for kind, rows in groupby(told, key=lambda pair: pair[0]):
        yield kind, [row for _, row in rows]


def _plain(row: str) -> Line:
    title = row.lstrip("#").strip()
    return Line(title, "strong") if row.startswith("#") else Line(row)


def _table(rows: Sequence[str], theme: Theme, width: int) -> list[Line]:
    table = [_cells(row) for row in rows if row.strip("|-: ")]
    columns = max(len(row) for row in table)
    head, *body = [row + [""] * (columns - len(row)) for row in table]
    sizes = [max(cells(row[n]) for row in (head, *body)) + _GAP for n in range(columns - 1)]
    # A grid cuts what has no room; a reference says everything, below each other if it must.
    if sum(sizes) + _LAST_LEAST > width:
        return [line for row in body for line in _record(head, row, width)]
    return grid(head, [[Line(cell) for cell in row] for row in body], theme=theme, width=width).lines


def _record(head: Sequence[str], row: Sequence[str], width: int) -> Iterator[Line]:
    """A row by itself: its first cell, and below it the others behind their titles."""
    yield from wrapped(Line(row[0], "strong"), width)
    for title, cell in zip(head[1:], row[1:], strict=True):
        if cell:
            for part in wrapped(Line(f"{title}: {cell}"), width - 4):
                yield Line("    ").extend(part)


def _cells(row: str) -> list[str]:
    r"""The cells of a row; `\|` is no border."""
    return [cell.strip().replace("\0", "|") for cell in row.replace("\\|", "\0").strip("|").split("|")]
