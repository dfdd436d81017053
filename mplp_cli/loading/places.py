"""Finding the lines again: a second walk over a text that has problems, for the paths that they name.

The first pass keeps no positions, since nearly every file is right. What cannot be found (a missing
key, a value behind an alias or a merge) is shown at its nearest ancestor that can.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.json_reader import JsonSyntaxError, Lines, tokens
from mplp_cli.loading.spelling import canonical

if TYPE_CHECKING:
    from mplp_cli.loading.yaml_events import YamlText

#: Line, column, end line, end column; all from 1.
Span = tuple[int, int, int, int]
#: (kind, text of a scalar, span); kinds: `{` `}` `[` `]` `scalar` `alias`.
Mark = tuple[str, str, Span]


class _Wanted:
    """A node of the tree of wanted paths, and what was found for it."""

    __slots__ = ("inner", "key", "value")

    def __init__(self) -> None:
        self.inner: dict[str | int, _Wanted] = {}
        self.key: Span | None = None
        self.value: Span | None = None


def place(problems: Iterable[Problem], text: str | YamlText, file: str) -> list[Problem]:
    """The problems with file, line and column, in the order of the text (JSON as it is, YAML as a `YamlText`)."""
    found = list(problems)
    root = _Wanted()
    for problem in found:
        for path in _paths(problem):
            _want(root, path)
    if root.inner or any(not p.line for p in found):
        _walk(root, json_marks(text) if isinstance(text, str) else yaml_marks(text))
    placed = [_placed(problem, root, file) for problem in found]
    placed.sort(key=lambda p: (p.line, p.column, p.severity, p.code, p.message))
    return placed


def _paths(problem: Problem) -> Iterator[Path]:
    """The paths of a problem that have no place yet."""
    if not problem.line:
        yield problem.path
    if problem.related:
        yield problem.related


def _want(root: _Wanted, path: Path) -> None:
    node = root
    for part in path:
        node = node.inner.setdefault(part, _Wanted())


def _placed(problem: Problem, root: _Wanted, file: str) -> Problem:
    changes: dict[str, Any] = {"file": file}
    span = (problem.line, problem.column, problem.end_line, problem.end_column)
    if not problem.line:
        span = _span(root, problem.path, problem.on)
    if span[2:] <= span[:2]:  # a value that is not written at all, or a single place
        span = (*span[:2], span[0], span[1] + 1)
    changes["line"], changes["column"], changes["end_line"], changes["end_column"] = span
    if problem.related:
        line, column, end = _short(root, problem.related, problem.on)
        changes |= {"related_line": line, "related_column": column, "related_end_column": end}
        if problem.code.endswith("duplicate-key"):
            changes["message"] = f"{problem.message}: on line {line} and again on line {span[0]}"
    return msgspec.structs.replace(problem, **changes)


def _short(root: _Wanted, path: Path, on: str) -> tuple[int, int, int]:
    """Line, column and end column of a node, on one line."""
    line, column, end_line, end_column = _span(root, path, on)
    return line, column, end_column if end_line == line and end_column > column else column + 1


def _span(root: _Wanted, path: Path, on: str) -> Span:
    """The span of the node at that path, or of its nearest ancestor that was found."""
    node, span = root, root.value or (1, 1, 1, 1)
    for n, part in enumerate(path):
        step = node.inner.get(part)
        if step is None or (step.key is None and step.value is None):
            break
        node = step
        last = n == len(path) - 1
        span = (node.key if last and on == "key" else None) or node.value or node.key or span
    return span


# ---- the walk ------------------------------------------------------------------------------------


def _walk(root: _Wanted, marks: Iterator[Mark]) -> None:
    """Fill in the spans of wanted nodes. Frames: the wanted node of a container, its next index or key, its kind."""
    stack: list[list[Any]] = []
    for kind, text, span in marks:
        if kind in "}]":
            stack.pop()
            continue
        frame = stack[-1] if stack else None
        if frame is not None and frame[2] == "{" and frame[1] is None:
            # A key; or, in YAML, a container in the place of one: the walk ends there as the reading did.
            if kind != "scalar":
                return
            frame[1] = text
            _found_key(frame[0], text, span)
            continue
        node = root if frame is None else _next(frame)
        if node is not None and node.value is None:
            node.value = span
        if kind in "{[":
            stack.append([node, 0 if kind == "[" else None, kind])


def _next(frame: list[Any]) -> _Wanted | None:
    """The wanted node, if any, of the value that comes now; the frame moves on."""
    node, part, kind = frame
    frame[1] = part + 1 if kind == "[" else None
    if node is None:
        return None
    return _child(node, part)


def _child(node: _Wanted, part: str | int) -> _Wanted | None:
    found = node.inner.get(part)
    return node.inner.get(canonical(part)) if found is None and isinstance(part, str) else found


def _found_key(node: _Wanted | None, key: str, span: Span) -> None:
    wanted = _child(node, key) if node is not None else None
    if wanted is not None and wanted.key is None:
        wanted.key = span


def yaml_marks(text: YamlText) -> Iterator[Mark]:
    """The nodes of a YAML text in order, as far as it can be read; only the first document."""
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.events import DocumentEndEvent

    from mplp_cli.loading import yaml_events as events

    kinds: dict[type, str] = {
        events.MappingStartEvent: "{", events.MappingEndEvent: "}", events.SequenceStartEvent: "[",
        events.SequenceEndEvent: "]", events.ScalarEvent: "scalar", events.AliasEvent: "alias",
    }  # fmt: skip
    get = text.events()
    try:
        while (event := get()) is not None:
            kind = kinds.get(type(event))
            if kind is not None:
                start, end = event.start_mark, event.end_mark
                span = (start.line + 1, start.column + 1, end.line + 1, end.column + 1)
                if kind in "{[":
                    # A container is shown by its first character: all of it would be half of the file.
                    span = (*span[:2], span[0], span[1] + 1)
                elif kind == "scalar" and event.style in ("|", ">"):
                    span = (*span[:2], span[0], span[1] + 1)
                yield kind, event.value if kind == "scalar" else "", span
            elif type(event) is DocumentEndEvent:
                return
    except YAMLError:
        return


def json_marks(text: str) -> Iterator[Mark]:
    """The nodes of a JSON text in order, as far as it can be read."""
    at = Lines(text).at
    try:
        for kind, value, start, end in tokens(text):
            if kind in ("{", "[", "}", "]"):
                yield kind, "", (*at(start), *at(end))
            else:
                yield "scalar", value if kind == "key" else "", (*at(start), *at(end))
    except JsonSyntaxError:
        return
