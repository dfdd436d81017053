"""JSON Schemas as shapes. What a schema says in a way that shapes cannot, they leave open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from mplp_cli.workflow.shapes.algebra import (
    LIST,
    MAP,
    UNKNOWN,
    ListOf,
    MapOf,
    Plain,
    Shape,
    one_of,
)

#: Keyword of a schema: the value is an object of the protocol, of this kind.
OBJECT: Final = "x-mplp-object"
_KINDS: Final = ("null", "boolean", "integer", "number", "string", "array", "object")
#: Keywords about the parts of a value.
_PARTS: Final = frozenset({"properties", "additionalProperties", "items"})
#: Schemas inside each other that are followed.
_DEEPEST: Final = 64
_MOST_OPTIONS: Final = 60


class Signature(Struct, frozen=True):
    """What a module operation takes and gives, as JSON Schemas; `objects` has the schemas of whole objects.

    Maps of these schemas have no other keys than they name, unless they say so.
    """

    parameters: Mapping[str, Any]
    result: Mapping[str, Any]
    objects: Callable[[str], Mapping[str, Any] | None] = lambda _kind: None


#: Knows the operations of the modules: (module, operation) -> signature, None if there is no such one.
Signatures = Callable[[str, str], Signature | None]


def from_schema(schema: Any) -> Shape:
    """The shape of the values that fit a JSON Schema (2020-12); its own `$ref`s are followed."""
    return _Reading(schema).shape(schema, 0)


def from_signature(schema: Any, signature: Signature) -> Shape:
    """The shape of one of the schemas of a signature."""
    return _Reading(schema, signature.objects).shape(schema, 0)


class _Reading:
    """Reads one schema. `objects` is given for schemas of our own, whose patterns are safe to try."""

    def __init__(self, root: Any, objects: Callable[[str], Mapping[str, Any] | None] | None = None) -> None:
        self.root = root
        self.objects = objects
        #: Shapes by `$ref`; None while one is being read.
        self.known: dict[str, Shape | None] = {}

    def shape(self, schema: Any, deep: int) -> Shape:
        if not isinstance(schema, Mapping) or deep > _DEEPEST:
            return UNKNOWN
        if "$ref" in schema:
            return self._referred(schema["$ref"], deep)
        if self.objects is not None and OBJECT in schema:
            kind = self.objects(schema[OBJECT])
            return MAP if kind is None else from_schema(kind)
        if "const" in schema or isinstance(schema.get("enum"), list):
            return _options([schema["const"]] if "const" in schema else schema["enum"])
        stated = schema.get("type")
        if stated is not None or not _PARTS.isdisjoint(schema):
            kinds = _KINDS if stated is None else stated if isinstance(stated, list) else [stated]
            return one_of([self._kind(kind, schema, deep) for kind in kinds])
        choices = schema.get("anyOf", schema.get("oneOf"))
        return (
            one_of([self.shape(inner, deep + 1) for inner in choices])
            if isinstance(choices, list)
            else UNKNOWN
        )

    def _kind(self, kind: Any, schema: Mapping[str, Any], deep: int) -> Shape:
        if kind == "object":
            return self._map(schema, deep)
        if kind == "array":
            if "prefixItems" in schema:
                return LIST
            return ListOf(self.shape(schema.get("items"), deep + 1))
        if kind not in _KINDS:
            return UNKNOWN
        pattern = schema.get("pattern") if self.objects is not None and kind == "string" else None
        return Plain(kind, (), pattern if isinstance(pattern, str) else "")

    def _map(self, schema: Mapping[str, Any], deep: int) -> Shape:
        stated = schema.get("properties", {})
        if not isinstance(stated, Mapping):
            return MAP
        fields = {str(key): self.shape(inner, deep + 1) for key, inner in stated.items()}
        more = schema.get("additionalProperties", not (self.objects is not None and stated))
        if "patternProperties" in schema:
            more = True
        required = schema.get("required")
        extra = None if more is False else self.shape(more, deep + 1)
        return MapOf(fields, frozenset(required) if isinstance(required, list) else frozenset(), extra)

    def _referred(self, reference: Any, deep: int) -> Shape:
        if reference in self.known:
            return self.known[reference] or UNKNOWN
        target = self._target(reference)
        if target is None:
            return UNKNOWN
        self.known[reference] = None
        found = self.known[reference] = self.shape(target, deep + 1)
        return found

    def _target(self, reference: Any) -> Any:
        """What a `$ref` inside the schema names; None for any other."""
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return None
        found = self.root
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or key not in found:
                return None
            found = found[key]
        return found


def _options(values: list[Any]) -> Shape:
    by_kind: dict[Any, list[Any]] = {}
    for value in values:
        match value:
            case None:
                by_kind.setdefault("null", [])
            case bool():
                by_kind.setdefault("boolean", []).append(value)
            case int() | float():
                by_kind.setdefault("number", []).append(value)
            case str():
                by_kind.setdefault("string", []).append(value)
            case _:
                return UNKNOWN
    if len(values) > _MOST_OPTIONS:
        return one_of([Plain(kind) for kind in by_kind])
    return one_of([Plain(kind, tuple(options)) for kind, options in by_kind.items()])
