"""JSON text to plain data, strictly: no key twice, no NaN, nothing after the end; places are character offsets."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]  # the C scanner of strings
from typing import Any, Final

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.reading import (
    CONTROL_HINT,
    MAX_DEPTH,
    MAX_PROBLEMS,
    Reading,
    Unreadable,
    control_character,
    path_to,
    too_deep,
    written_twice,
)
from mplp_cli.loading.scalars import plain
from mplp_cli.loading.wording import escaped, quoted

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORD = re.compile(r"[-+\w.]+")
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}
#: (kind, value, first offset, offset after it); kinds: `{` `}` `[` `]` `key` `value` (text) `number` `word`.
Token = tuple[str, Any, int, int]


class JsonSyntaxError(Exception):
    """The text is not JSON at that offset."""

    def __init__(self, message: str, at: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.at = at
        self.hint = hint


def read_json(text: str) -> Reading:
    """The document of a JSON text. The text is known to be valid Unicode and not too large."""
    reader = _JsonReader(text)
    made = Reading(problems=reader.problems)
    try:
        made.value = reader.read()
    except JsonSyntaxError as error:
        reader.problem("json-syntax", str(error), error.at, error.at + 1, hint=error.hint)
    except Unreadable as stop:
        reader.problems.append(stop.problem)
    made.keys = frozenset(reader.keys)
    return made


class Lines:
    """Line and column, from 1, of character offsets."""

    def __init__(self, text: str) -> None:
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def at(self, offset: int) -> tuple[int, int]:
        """The line and column of the character at `offset`."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1


class _JsonReader:
    def __init__(self, text: str) -> None:
        self.text = text
        self._lines: Lines | None = None
        self.problems: list[Problem] = []
        self.keys: dict[str, str] = {}
        self.here: Any = None
        self.key: str | None = None
        self.outer: list[tuple[Any, str | None]] = []

    def read(self) -> Any:
        root: Any = None
        for kind, value, start, end in tokens(self.text):
            if kind == "key":
                self.name(value, start, end)
                continue
            if kind in "}]":
                self.here, self.key = self.outer.pop()
                continue
            made = value
            if kind == "number":
                made = self.number(value, start, end)
            elif kind == "value" and not value.isprintable():
                made = self.checked(value, start, end)
            elif kind == "{":
                made = {}
            elif kind == "[":
                made = []
            frame = (self.here, self.key)
            if type(self.here) is dict:
                self.here[self.key] = made
            elif self.here is None:
                root = made
            else:
                self.here.append(made)
            if kind in "{[":
                self.outer.append(frame)
                self.here, self.key = made, None
                if len(self.outer) > MAX_DEPTH:
                    raise Unreadable(too_deep(*self.lines.at(start)))
        return root

    def name(self, value: str, start: int, end: int) -> None:
        self.key = None
        value = self.checked(value, start, end, key=value)
        if value in self.here:
            line, column = self.lines.at(start)
            self.report(
                written_twice(
                    "json-duplicate-key", value, (*self.path(), value), line, column, self.lines.at(end)
                )
            )
        self.key = self.keys.setdefault(value, value)

    def number(self, text: str, start: int, end: int) -> Any:
        try:
            return plain(text)
        except OverflowError:
            self.problem(
                "file-number",
                f"{quoted(text)} is not a number that every JSON reader can hold",
                start,
                end,
                path=self.path(),
                hint="put it in quotes if text is meant",
            )
            return text

    def checked(self, value: str, start: int, end: int, key: str | None = None) -> str:
        """The text; a problem if it holds control characters. Halves of surrogate pairs are no text at all."""
        if found := control_character(value):
            path = self.path() if key is None else (*self.path(), key)
            self.problem(
                "file-control-character",
                f'the control character {found} stands in "{escaped(value[:30])}"',
                start,
                end,
                path=path,
                hint=CONTROL_HINT,
                on="value" if key is None else "key",
            )
            return re.sub("[\ud800-\udfff]", "\ufffd", value)
        return value

    @property
    def lines(self) -> Lines:
        """Made when the first problem wants a place."""
        if self._lines is None:
            self._lines = Lines(self.text)
        return self._lines

    def path(self) -> Path:
        return path_to(self.outer, self.here, self.key)

    def problem(self, code: str, message: str, start: int, end: int, **more: Any) -> None:
        line, column = self.lines.at(start)
        end_line, end_column = self.lines.at(end)
        self.report(
            Problem(
                code=code,
                message=message,
                line=line,
                column=column,
                end_line=end_line,
                end_column=end_column,
                **more,
            )
        )

    def report(self, problem: Problem) -> None:
        if len(self.problems) < 10 * MAX_PROBLEMS:
            self.problems.append(problem)


# ---- the grammar ---------------------------------------------------------------------------------


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a JSON text in order; the grammar is checked on the way (JsonSyntaxError)."""
    space = _SPACE.match
    at = _end(space(text, 1 if text.startswith("\ufeff") else 0))
    closers: list[str] = []
    while True:
        # A value comes.
        token = _value(text, at)
        yield token
        at = _end(space(text, token[3]))
        if token[0] in "{[":
            closers.append("}" if token[0] == "{" else "]")
            if text[at : at + 1] != closers[-1]:
                if token[0] == "{":
                    key, at = _key(text, at)
                    yield key
                continue
        # A value is complete: what is around it goes on or ends.
        while closers and text[at : at + 1] == closers[-1]:
            yield closers[-1], None, at, at + 1
            closers.pop()
            at = _end(space(text, at + 1))
        if not closers:
            break
        at = _comma(text, at, closers[-1])
        if closers[-1] == "}":
            key, at = _key(text, at)
            yield key
    if at < len(text):
        raise JsonSyntaxError(
            "something follows after the end of the document", at, "a JSON file is one value"
        )


def _end(match: re.Match[str] | None) -> int:
    assert match is not None  # the pattern also matches nothing at all
    return match.end()


def _value(text: str, at: int) -> Token:
    first = text[at : at + 1]
    if first == '"':
        value, end = _string(text, at)
        return "value", value, at, end
    if first and first in "{[":
        return first, None, at, at + 1
    word = _WORD.match(text, at)
    if word is None:
        raise _unexpected(text, at, "a value")
    if word.group() in _WORDS:
        return "word", _WORDS[word.group()], at, word.end()
    if _NUMBER.fullmatch(word.group()):
        return "number", word.group(), at, word.end()
    said = word.group()
    hint = "text stands in double quotes"
    if said.lower() in ("true", "false", "null", "none"):
        hint = f"write {'null' if said.lower() == 'none' else said.lower()}"
    elif said.lstrip("+-").lower() in ("nan", "inf", "infinity"):
        hint = "JSON has no such number"
    raise JsonSyntaxError(f"{quoted(said)} is not a JSON value", at, hint)


def _string(text: str, at: int) -> tuple[str, int]:
    try:
        value, end = scanstring(text, at + 1, True)
    except JSONDecodeError as error:
        if "Unterminated" in error.msg:
            raise JsonSyntaxError("a quote is opened here and never closed", at) from None
        hint = (
            "write \\n for a line break, \\t for a tab"
            if "control" in error.msg
            else "write \\\\ for a backslash"
        )
        message = (
            "a line break or control character stands in a text"
            if "control" in error.msg
            else "no such escape"
        )
        raise JsonSyntaxError(message, min(error.pos, len(text)), hint) from None
    return str(value), int(end)


def _key(text: str, at: int) -> tuple[Token, int]:
    """A key with its colon; and where its value begins."""
    if text[at : at + 1] != '"':
        raise _unexpected(text, at, "a key in double quotes")
    value, end = _string(text, at)
    colon = _end(_SPACE.match(text, end))
    if text[colon : colon + 1] != ":":
        raise _unexpected(text, colon, "`:` after the key")
    return ("key", value, at, end), _end(_SPACE.match(text, colon + 1))


def _comma(text: str, at: int, closer: str) -> int:
    if text[at : at + 1] != ",":
        raise _unexpected(text, at, f"`,` or `{closer}`")
    after = _end(_SPACE.match(text, at + 1))
    if text[after : after + 1] == closer:
        raise JsonSyntaxError(f"a comma before `{closer}`", at, "JSON has no trailing commas; remove it")
    return after


def _unexpected(text: str, at: int, wanted: str) -> JsonSyntaxError:
    if at >= len(text):
        return JsonSyntaxError(f"the file ends where {wanted} should stand", at, "is something cut off?")
    if text.startswith(("//", "/*", "#"), at):
        return JsonSyntaxError("JSON has no comments", at, "remove it, or write YAML")
    if text[at] == "'":
        return JsonSyntaxError("text stands in double quotes in JSON, not in single ones", at)
    return JsonSyntaxError(f"{quoted(text[at])} stands where {wanted} should", at)
