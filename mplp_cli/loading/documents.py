"""Files of a small, known shape that a command is given: metrics, a history, a plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from mplp_cli.errors import Path, Problem, UsageError
from mplp_cli.loading.load import listed, read_document

T = TypeVar("T")
#: From a document to what is wrong with it that its shape cannot say: (place, what).
Check = Callable[[T], Iterator[tuple[Path, str]]]


def read_as(source: bytes, name: str, kind: type[T], check: Check[T] | None = None) -> T:
    """The document as that kind; text that begins like JSON is read as JSON. UsageError with `file:line:column` of
    the first thing that is wrong; `details.problems` has all of it."""
    # A name that ends so is read as JSON, whatever the file is called.
    as_json = source.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
    reading, text = read_document(source, ".json" if as_json else ".yaml")
    problems = list(reading.problems)
    made: Any = UNSET
    if reading.value is not UNSET and not problems:
        try:
            made = msgspec.convert(reading.value, kind)
        except msgspec.ValidationError as error:
            said, _, place = str(error).partition(" - at ")
            problems.append(
                Problem(code="document-shape", message=said[:1].lower() + said[1:], path=_path(place))
            )
        else:
            found = () if check is None else check(made)
            problems += [Problem(code="document-value", message=said, path=path) for path, said in found]
    if problems:
        raise _refusal(listed(problems, text, name))
    return made  # type: ignore[no-any-return]  # `convert` has made it


def _refusal(problems: list[Problem]) -> UsageError:
    first = next((one for one in problems if one.severity == "error"), problems[0])
    places = [{"line": one.line, "column": one.column, "message": one.message} for one in problems]
    return UsageError(
        f"{first.file}:{first.line}:{first.column}: {first.message}",
        hint=first.hint,
        details={"file": first.file, "problems": places},
    )


def _path(place: str) -> Path:
    """`$.a[0]`, as msgspec writes it, as a path."""
    parts = re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", place.strip("`"))
    return tuple(int(number) if number else name for name, number in parts)
