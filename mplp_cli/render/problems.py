"""Findings about files as text: place, code, message, the line itself with carets, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from mplp_cli.errors import Problem
from mplp_cli.render.grid import wrapped
from mplp_cli.render.ink import Line, cells
from mplp_cli.render.theme import PLAIN, Theme, safe

#: What ends a line of a YAML file for its parser, so that numbers of lines agree.
_BREAK: Final = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
#: What is said of the second place of a finding.
SEE_ALSO: Final = "see also"
#: A span over more lines than this is shown by its first.
_SPAN_MOST: Final = 3


class Source:
    """The text of a file, by line (from 1)."""

    __slots__ = ("_lines",)

    def __init__(self, text: str) -> None:
        self._lines = _BREAK.split(text.removeprefix("\ufeff"))

    def line(self, number: int) -> str | None:
        """A line without its end; None if there is none of that number."""
        return self._lines[number - 1] if 0 < number <= len(self._lines) else None


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    """By file, then place; a finding without a place comes first."""
    return sorted(problems, key=lambda p: (p.file, p.line, p.column))


def place(problem: Problem) -> str:
    """`file:line:col`, as far as known."""
    where = problem.file or "<input>"
    return f"{where}:{problem.line}:{problem.column}" if problem.line else where


def problem_lines(
    problems: Sequence[Problem], sources: Mapping[str, str], theme: Theme = PLAIN, width: int = 100
) -> list[Line]:
    """Every finding, by file and line, with the summary. `sources` maps a file's name to its text."""
    texts = {name: Source(text) for name, text in sources.items()}
    lines: list[Line] = []
    for problem in ordered(problems):
        lines += one_problem(problem, texts.get(problem.file), theme, width)
        lines.append(Line())
    return [*lines, summary_line(problems)] if problems else []


def summary_line(problems: Iterable[Problem]) -> Line:
    """`2 errors, 1 warning in 1 file`."""
    found = list(problems)
    errors = sum(p.severity == "error" for p in found)
    parts = [_many(errors, "error")] if errors else []
    if len(found) > errors:
        parts.append(_many(len(found) - errors, "warning"))
    files = len({p.file for p in found})
    return Line(", ".join(parts) or "no problems", "bad-strong" if errors else "warn").add(
        f" in {_many(files, 'file')}" if found else ""
    )


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class _Pen(Struct, frozen=True):
    """Draws lines of a file beside a `margin` with their numbers."""

    theme: Theme
    width: int
    margin: int

    def marked(self, source: Source, number: int, column: int, end: int, mark: str = "^") -> list[Line]:
        """A line of the file and marks under `column` up to before `end` (0: to the end of the line)."""
        text = source.line(number)
        if text is None:
            return []
        start = min(max(column - 1, 0), len(text))
        stop = max(min(end - 1, len(text)) if end else len(text.rstrip()), start)
        room = max(self.width - self.margin - 3, 20)
        shown, offset, size = _window(text, start, stop, room, self.theme.glyph("more"))
        bar = f" {self.theme.glyph('gutter')} "
        style = "bad" if mark == "^" else "key"
        return [
            Line(f"{number:>{self.margin}}{bar}", "dim").add(shown.rstrip()),
            Line(" " * self.margin + bar, "dim").add(" " * offset).add(mark * size, style),
        ]


def one_problem(problem: Problem, source: Source | None, theme: Theme, width: int) -> list[Line]:
    """The lines of one finding."""
    style = "bad-strong" if problem.severity == "error" else "warn"
    head = Line(f"{place(problem)}: ", "strong").add(problem.severity, style)
    head.add(f"[{problem.code}]", "dim").add(": ")
    first, *more = problem.message.splitlines() or [""]
    lines = [head.add(first), *(Line(f"  {text}") for text in more)]
    last = max(problem.line, problem.end_line, problem.related_line)
    margin = max(len(str(last)), 4)
    pen = _Pen(theme, width, margin)
    if source is not None and problem.line:
        lines += _frame(problem, source, pen)
    if problem.related_line:
        where = f"{problem.file}:{problem.related_line}:{problem.related_column}"
        lines.append(Line(" " * margin + " = ", "dim").add(f"{SEE_ALSO}: ").add(where, "strong"))
        if source is not None:
            number, column = problem.related_line, problem.related_column
            lines += pen.marked(source, number, column, problem.related_end_column, "~")
    if problem.hint:
        room = max(width - margin - 9, 30)
        parts = [part for text in problem.hint.splitlines() for part in wrapped(Line(text), room)]
        for number, part in enumerate(parts):
            lead = Line(" " * (margin + 9)) if number else Line(" " * margin + " = ", "dim")
            lines.append((lead if number else lead.add("help", "key").add(": ")).extend(part))
    return lines


def _frame(problem: Problem, source: Source, pen: _Pen) -> list[Line]:
    first, last = problem.line, max(problem.end_line, problem.line)
    if last == first:
        return pen.marked(source, first, problem.column, problem.end_column)
    lines = pen.marked(source, first, problem.column, 0)
    if last - first >= _SPAN_MOST:
        return lines
    for number in range(first + 1, last + 1):
        text = source.line(number) or ""
        begin = len(text) - len(text.lstrip()) + 1
        end = problem.end_column if number == last else 0
        # A span that ends before the first character of its last line ends on the line before.
        if text.strip() and not (number == last and end <= begin):
            lines += pen.marked(source, number, begin, end)
    return lines


def _window(text: str, start: int, stop: int, room: int, more: str) -> tuple[str, int, int]:
    """The part of a line around text[start:stop] in `room` cells; where its marks begin, and how many."""
    # First by characters, so that a line of megabytes costs nothing; then exactly, by cells.
    left = max(start - room, 0)
    right = min(start + 2 * room, len(text))
    before = safe(text[left:start])
    marked = safe(text[start : min(stop, right)])
    after = safe(text[min(stop, right) : right])
    whole = left == 0 and right == len(text) and cells(before) + cells(marked) + cells(after) <= room
    if whole:
        return before + marked + after, cells(before), max(cells(marked), 1)
    lead = _cut_left(before, room // 3, more if left or cells(before) > room // 3 else "")
    space = room - cells(lead) - cells(more)
    body = _cut_right(marked, space)
    rest = _cut_right(after, space - cells(body)) if body == marked else ""
    ends = body == marked and rest == after and right == len(text)
    return lead + body + rest + ("" if ends else more), cells(lead), max(cells(body), 1)


def _cut_right(text: str, room: int) -> str:
    if cells(text) <= room:
        return text
    kept = text[: max(room, 0)]
    while kept and cells(kept) > room:
        kept = kept[:-1]
    return kept


def _cut_left(text: str, room: int, more: str) -> str:
    kept = text[-room:] if more else text
    while kept and cells(kept) + cells(more) > room and more:
        kept = kept[1:]
    return more + kept
