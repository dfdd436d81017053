"""Files of a small, known shape that a command is given: metrics, a history, a plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, structs

from mplp_cli.errors import Path, Problem, UsageError
from mplp_cli.loading.load import listed, read_document

T = TypeVar("T")
#: From a document to what is wrong with it that its shape cannot say: (place, what).
Check = Callable[[T], Iterator[tuple[Path, str]]]


#: What msgspec calls a type, and what people do.
_WORDS: Final = {
    "object": "a mapping",
    "array": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
}


def read_as(
    source: bytes, name: str, kind: type[T], check: Check[T] | None = None, *, like: str | None = None
) -> T:
    """The document as that kind; text that begins like JSON is read as JSON. UsageError with `file:line:column` of
    the first thing that is wrong, and with `like`, how one looks; `details.problems` has all of it."""
    # A name that ends so is read as JSON, whatever the file is called.
    as_json = source.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
    reading, text = read_document(source, ".json" if as_json else ".yaml")
    problems = [
        structs.replace(one, hint=like) if one.code == "file-empty" else one for one in reading.problems
    ]
    made: Any = UNSET
    if reading.value is not UNSET and not problems:
        try:
            made = msgspec.convert(reading.value, kind)
        except msgspec.ValidationError as error:
            problems.append(_misshapen(str(error), like))
        else:
            found = () if check is None else check(made)
            problems += [
                Problem(code="document-value", message=said, path=path, hint=like) for path, said in found
            ]
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


def _misshapen(said: str, hint: str | None) -> Problem:
    """What msgspec says of a document, in words and with its place."""
    what, _, place = said.partition(" - at ")
    path, quoted = _path(place), re.findall(r"[`'](.*?)[`']", what)
    if what.startswith("Object contains unknown field"):
        key = what.partition("`")[2].removesuffix("`")
        message = f"the key `{key}` is not known here"
        return Problem(code="document-shape", message=message, path=(*path, key), on="key", hint=hint)
    if what.startswith("Object missing required field"):
        message = f"the key `{quoted[0]}` is missing"
    elif what.startswith("Invalid enum value"):
        message = f"{quoted[0]!r} cannot stand here"
    elif len(quoted) == 2:
        wanted, there = (" or ".join(_WORDS.get(one, one) for one in kinds.split(" | ")) for kinds in quoted)
        message = f"{wanted} is wanted here, not {there}"
    else:
        message = what[:1].lower() + what[1:]
    return Problem(code="document-shape", message=message, path=path, hint=hint)


def _path(place: str) -> Path:
    """`$.a[0]`, as msgspec writes it, as a path."""
    parts = re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", place.strip("`"))
    return tuple(int(number) if number else name for name, number in parts)
