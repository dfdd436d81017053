"""What the YAML parser complains about, in plain words."""

from __future__ import annotations

from typing import Any, Final

from mplp_cli.errors import Problem
from mplp_cli.loading.reading import CONTROL, control_character

#: Part of the parser's complaint -> (what is wrong, what to do). The first that fits is taken.
_EXPLAINED: Final[tuple[tuple[str, str, str], ...]] = (
    ("found a tab character", "a tab stands where indentation is counted", "indent with spaces"),
    ("mapping values are not allowed", "a `:` stands where no key can end",
     "put text with `: ` in it in quotes, and align keys of one mapping at one column"),
    ("while scanning a quoted scalar", "a quote is opened here and never closed", "close it"),
    ("found unknown escape character", 'this escape does not exist in "double quotes"',
     "write \\\\ for a backslash, or use 'single quotes'"),
    ("escape code", "this escape is not a character", "write the character itself"),
    ("expected ',' or ']'", "a list that begins with `[` is not closed, or a comma is missing", "add `,` or `]`"),
    ("expected ',' or '}'", "a mapping that begins with `{` is not closed, or a comma is missing", "add `,` or `}`"),
    ("did not find expected '-' indicator", "this line does not belong to the list above it",
     "align it with the `-` above, or indent it like the keys of the item"),
    ("did not find expected key", "this line does not fit the mapping above it",
     "align keys of one mapping at one column"),
    ("could not find expected ':'", "a key without `:`", "write `key: value`; longer text needs `|` or quotes"),
    ("block sequence entries are not allowed", "a list item cannot stand here", "put the `-` on a line of its own"),
    ("block mapping", "this line does not fit the mapping above it", "align keys of one mapping at one column"),
    ("cannot start any token", "no value can begin with this character", "put the text in quotes"),
    ("undefined tag handle", "a tag that nothing defines", "remove it, or put text that begins with `!` in quotes"),
    ("incompatible YAML document", "this file asks for a version of YAML that is not known", "remove the %YAML line"),
    ("node content", "something is missing or one too many here", "look at the brackets and commas before this"),
    ("expected alphabetic or numeric character", "`*` or `&` without a name", "put text that begins so in quotes"),
    ("document start", "the document has ended before this", "is the indentation of this line right?"),
)  # fmt: skip


def syntax_problem(error: Any, text: str) -> Problem:
    """A complaint of the parser (a MarkedYAMLError) with its place and a plain explanation."""
    said = f"{error.context or ''}: {error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    if "quoted scalar" in said and "end of stream" in said:
        mark = error.context_mark or mark
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    lines = text.splitlines()[line : line + 1]
    if lines and "cannot start any token" in said and lines[0][column : column + 1] == "\t":
        said = "found a tab character"
    message, hint = next(
        ((m, h) for part, m, h in _EXPLAINED if part in said), (f"not YAML: {error.problem}", None)
    )
    if error.context_mark is not None and error.context_mark.line != line:
        message += f" (it begins on line {error.context_mark.line + 1})"
    return Problem(code="yaml-syntax", message=message, hint=hint, line=line + 1, column=column + 1,
                   end_line=line + 1, end_column=column + 2)  # fmt: skip


def character_problem(text: str) -> Problem:
    """The parser refused a character outright: find it and name it."""
    found = CONTROL.search(text) or CONTROL.search(text.replace("\ufeff", "\ufffe"))
    at = found.start() if found else 0
    before = text.count("\n", 0, at)
    column = at - (text.rfind("\n", 0, at) + 1)
    name = control_character(text[at]) if found else ""
    return Problem(
        code="file-control-character",
        message=f"the file contains the control character {name or 'U+FEFF'}",
        hint="remove it; is this a text file?",
        line=before + 1, column=column + 1, end_line=before + 1, end_column=column + 2,
    )  # fmt: skip
