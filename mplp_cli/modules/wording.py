"""What msgspec says about a value, in words for people who write workflow files."""

from __future__ import annotations

import re
import typing
from typing import Any, Literal

from msgspec import Meta

from mplp_cli.errors import Path as Place
from mplp_cli.modules.shapes import UUID4
from mplp_cli.workflow.suggest import did_you_mean

_AT = re.compile(r" - at `\$\.v(.*)`$", re.DOTALL)
_PART = re.compile(r"\[(\d+)\]|\.([^.\[]+)|\[\.\.\.\]")
_TYPES = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`)?$")
_LENGTH = re.compile(r"Expected `([^`]+)` of length (>=|<=) (\d+)$")
_RANGE = re.compile(r"Expected `[^`]+` (>=|<=|>|<) (\S+)$")
_ENUM = re.compile(r"Invalid enum value '(.*)'$", re.DOTALL)
_KEY = re.compile(r"Object (missing required|contains unknown) field `(.*)`$", re.DOTALL)

_NAMES = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list",
    "object": "a map", "null": "null",
}  # fmt: skip
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def parse_place(said: str) -> tuple[str, Place]:
    """What is said, without its ending, and the place it names below `$.v`."""
    at = _AT.search(said)
    if at is None:
        return said, ()
    place: list[str | int] = []
    for number, key in _PART.findall(at.group(1)):
        if not number and not key:
            break  # the value of some key: which one is not said
        place.append(int(number) if number else key)
    return said[: at.start()], tuple(place)


def explain(said: str, place: Place, kind: Any = None) -> tuple[str, str | None]:
    """A message and a hint. `kind` is the type expected at `place`, where it is known."""
    name = written(place)
    types = _TYPES.match(said)
    if types:
        wanted = " or ".join(_NAMES.get(part, part) for part in types[1].split(" | ") if part != "null")
        got = _NAMES.get(types[2], types[2])
        quote = "put it in quotes" if "str" in types[1] and types[2] in {"int", "float", "bool"} else None
        return f"`{name}` must be {wanted}, not {got}", quote
    if UUID4 in said or said.endswith("<= 36"):
        return f"`{name}` must be a UUID of version 4 in lower case", None
    length = _LENGTH.match(said)
    if length and length[2] == ">=" and length[3] == "1":
        return f"`{name}` must not be empty", None
    bound = _RANGE.match(said)
    if bound:
        return f"`{name}` must be {_BOUNDS[bound[1]]} {bound[2]}", None
    if said.startswith("Expected `str` matching regex"):
        metas = sorted(
            _metas(kind), key=lambda meta: meta.pattern is None
        )  # who states the form, says it best
        form = next((meta.description for meta in metas if meta.description), None)
        return (
            f"`{name}` must be {form}" if form else f"`{name}` does not have the form that it must have",
            None,
        )
    choice = _ENUM.match(said)
    if choice:
        known = [str(value) for value in _choices(kind)]
        message = f"`{name}` cannot be `{choice[1]}`"
        if not known:
            return message, None
        return f"{message}; it is one of {', '.join(known)}", did_you_mean(choice[1], known)
    key = _KEY.match(said)
    if key:
        return f"`{name}` " + (f"has no `{key[2]}`" if key[1][0] == "m" else f"takes no `{key[2]}`"), None
    return f"`{name}`: {said}", None


def written(place: Place) -> str:
    """`steps[0].description` for a place."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def _metas(kind: Any) -> list[Meta]:
    parts = typing.get_args(kind)
    inner = [meta for part in parts if not isinstance(part, Meta) for meta in _metas(part)]
    return [part for part in parts if isinstance(part, Meta)] + inner


def _choices(kind: Any) -> list[Any]:
    if typing.get_origin(kind) is Literal:
        return list(typing.get_args(kind))
    return [choice for part in typing.get_args(kind) for choice in _choices(part)]
