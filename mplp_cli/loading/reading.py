"""What a reader gives, and the limits that every reader keeps."""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import UNSET, Struct

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.wording import quoted

#: Bytes of a file.
MAX_BYTES: Final = 64 * 1024 * 1024
#: Levels of nesting, the root's included.
MAX_DEPTH: Final = 64
#: Steps of a workflow, at any depth.
MAX_STEPS: Final = 200_000
#: Problems listed for one file.
MAX_PROBLEMS: Final = 100
#: No text of a workflow may hold these: they cut arguments short and repaint terminals.
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


class Reading(Struct, kw_only=True):
    """A file as plain data. `value` is UNSET if the text could not be read to its end.

    `keys` has every distinct key of the file. Problems with a line are placed already; the others
    wait for their place by path, in the file's own spelling.
    """

    value: Any = UNSET
    keys: frozenset[str] = frozenset()
    problems: list[Problem] = []
    #: The YAML text in another guise, if the parser needed one (a `YamlText`).
    mended: Any = None


class Unreadable(Exception):  # noqa: N818 - ends the reading of one file; `problem` is the finding
    """The text makes no sense from here on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def path_to(outer: list[tuple[Any, Any]], here: Any, key: Any) -> Path:
    """Where the next value goes: `here` is being filled, `outer` are the (container, key) pairs around it."""
    parts: list[str | int] = []
    for n, (container, name) in enumerate([*outer, (here, key)]):
        if isinstance(container, list):
            parts.append(len(container) - (n < len(outer)))
        elif isinstance(name, str):
            parts.append(name)
    return tuple(parts)


def too_deep(line: int, column: int) -> Problem:
    """Nesting goes past the limit at that place."""
    return Problem(
        code="file-depth",
        message=f"values are nested deeper than {MAX_DEPTH} levels here",
        hint="a workflow needs fewer; look for a bracket that is never closed",
        line=line, column=column, end_line=line, end_column=column + 1,
    )  # fmt: skip


def written_twice(code: str, key: str, path: Path, line: int, column: int, end: tuple[int, int]) -> Problem:
    """A key that stands twice in one mapping; the first line is named once it is known."""
    return Problem(
        code=code,
        message=f"the key {quoted(key)} is written twice",
        hint="keep one of them: YAML and JSON readers disagree about which would count",
        path=path, on="key", line=line, column=column, end_line=end[0], end_column=end[1],
        related=path,
    )  # fmt: skip


def control_character(text: str) -> str:
    """The first forbidden character of a text, as people write it: `U+001B (escape)`; "" if there is none."""
    found = CONTROL.search(text)
    if found is None:
        return ""
    point = ord(found.group())
    name = {0: "NUL", 7: "bell", 8: "backspace", 0x1B: "escape", 0x7F: "delete"}.get(point, "")
    if 0xD800 <= point <= 0xDFFF:
        name = "half of a surrogate pair"
    return f"U+{point:04X} ({name})" if name else f"U+{point:04X}"


CONTROL_HINT: Final = "take it out; a script can make it itself, for example with printf '\\033[1m'"


def size_of(value: Any, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """(nodes, levels) of a value with its aliases expanded; `known` remembers shared parts, counted once."""
    if not isinstance(value, dict | list):
        return 1, 0
    found = known.get(id(value))
    if found is None:
        inner = [size_of(v, known) for v in (value.values() if isinstance(value, dict) else value)]
        found = known[id(value)] = 1 + sum(n for n, _ in inner), 1 + max((h for _, h in inner), default=0)
    return found
