"""Shapes: what is known of a value before there is one. Every shape allows at least the values that may come.

So whatever is ruled out is certain: a check that says no is right, and one that cannot know says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from mplp_cli.workflow.values import Json

#: Alternatives that are told apart; a value with more is unknown.
_MOST = 12
#: Items of a list and keys of a map that are looked at, and how deep values are.
_MOST_ITEMS, _MOST_KEYS, _DEEPEST = 64, 1_000, 12

Kind = Literal["null", "boolean", "integer", "number", "string"]


class Unknown(Struct, frozen=True, gc=False):
    """Any value."""


class Plain(Struct, frozen=True, gc=False):
    """A value without parts. `options`: one of these (none: any); `pattern`: text that has this somewhere in it."""

    kind: Kind
    options: tuple[Json, ...] = ()
    pattern: str = ""


class ListOf(Struct, frozen=True):
    items: Shape


class MapOf(Struct, frozen=True):
    """`required` keys are there for certain; `extra` is what other keys than `fields` have, None: there are none."""

    fields: dict[str, Shape]
    required: frozenset[str] = frozenset()
    extra: Shape | None = None


class OneOf(Struct, frozen=True):
    """One of several, and nobody can say which."""

    members: tuple[Shape, ...]


class Case(Struct, frozen=True):
    """What a value is if the run takes one way. `when` says which, behind an "if"; `step` decides it."""

    shape: Shape
    when: str = ""
    step: int = -1


class Cases(Struct, frozen=True):
    """One of several, depending on the way that a run takes: a branch, a fallback, a step that is skipped."""

    cases: tuple[Case, ...]


Shape: TypeAlias = Unknown | Plain | ListOf | MapOf | OneOf | Cases

UNKNOWN: Final = Unknown()
NULL: Final = Plain("null")
BOOL: Final = Plain("boolean")
INT: Final = Plain("integer")
NUMBER: Final = Plain("number")
TEXT: Final = Plain("string")
LIST: Final = ListOf(UNKNOWN)
MAP: Final = MapOf({}, extra=UNKNOWN)


def record(**fields: Shape) -> MapOf:
    """A map with exactly these keys."""
    return MapOf(fields, frozenset(fields))


def one_of(shapes: Iterable[Shape]) -> Shape:
    """The shape that allows whatever one of these allows."""
    members: list[Shape] = []
    plain: set[Plain] = set()
    for shape in shapes:
        for member in shape.members if isinstance(shape, OneOf) else (shape,):
            if isinstance(member, Unknown | Cases):
                return UNKNOWN
            if isinstance(member, Plain):
                if member in plain:
                    continue
                plain.add(member)
            elif any(member is other for other in members):
                continue
            members.append(member)
    if len(members) == 1:
        return members[0]
    return OneOf(tuple(members)) if 0 < len(members) <= _MOST else UNKNOWN


def cases(found: Iterable[Case]) -> Shape:
    """The cases as one shape; cases inside a case stand for themselves."""
    flat: list[Case] = []
    for case in found:
        flat += case.shape.cases if isinstance(case.shape, Cases) and not case.when else (case,)
    if len(flat) == 1 and not flat[0].when:
        return flat[0].shape
    return Cases(tuple(flat)) if flat and len(flat) <= _MOST else UNKNOWN


def written_out(value: Json, deep: int = 0) -> Shape:
    """The shape of a value that is known."""
    match value:
        case None:
            return NULL
        case bool():
            return Plain("boolean", (value,))
        case int():
            return Plain("integer", (value,))
        case float():
            return Plain("number", (value,))
        case str():
            return Plain("string", (value,))
        case list() if len(value) <= _MOST_ITEMS and deep < _DEEPEST:
            return list_of([written_out(item, deep + 1) for item in value])
        case dict() if len(value) <= _MOST_KEYS and deep < _DEEPEST:
            fields = {key: written_out(item, deep + 1) for key, item in value.items()}
            return MapOf(fields, frozenset(fields))
    return LIST if isinstance(value, list) else MAP


def list_of(items: list[Shape]) -> Shape:
    """A list of items of these shapes; of an empty one nothing is said."""
    return ListOf(one_of(items)) if items else LIST


def narrowed(shape: Shape, stated: Shape) -> Shape:
    """What allows no more than `shape` and `stated` both do; where they disagree, `stated` is believed."""
    if isinstance(stated, Unknown):
        return shape
    if isinstance(shape, MapOf) and isinstance(stated, MapOf):
        fields = dict(stated.fields)
        for key, inner in shape.fields.items():
            if key in fields:
                fields[key] = narrowed(inner, fields[key])
            elif stated.extra is not None:
                fields[key] = narrowed(inner, stated.extra)
        closed = shape.extra is None or stated.extra is None
        return MapOf(fields, stated.required | (shape.required & fields.keys()), None if closed else UNKNOWN)
    if isinstance(shape, ListOf) and isinstance(stated, ListOf):
        return ListOf(narrowed(shape.items, stated.items))
    return stated


_WORDS: Final = {
    "null": "null",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
}


def described(shape: Shape) -> str:
    """A shape for people: `text`, `a list of maps`, `a number or null`."""
    match shape:
        case Plain(kind=kind, options=options) if options and kind == "string" and len(options) <= 6:
            return " or ".join(f"`{_short(option)}`" for option in options)
        case Plain(kind=kind):
            return _WORDS[kind]
        case ListOf(items=items):
            inner = {
                "a map": "maps",
                "text": "text",
                "a whole number": "whole numbers",
                "a number": "numbers",
            }
            plain = Plain(items.kind) if isinstance(items, Plain) else items
            of = inner.get(described(plain)) if not isinstance(items, OneOf | Cases) else None
            return f"a list of {of}" if of else "a list"
        case MapOf():
            return "a map"
        case OneOf(members=members):
            return " or ".join(dict.fromkeys(map(described, members)))
        case Cases(cases=found):
            return " or ".join(dict.fromkeys(described(case.shape) for case in found))
    return "anything"


def _short(value: Json) -> str:
    text = str(value)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 40 else f"{text[:37]}..."
