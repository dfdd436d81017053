"""Modules and operations for readers: types in words, and an example of each call that `mplp validate` accepts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from msgspec import UNSET, Struct

from mplp_cli.modules.catalogue import describe_operation
from mplp_cli.modules.contract import Module, Operation
from mplp_cli.modules.shapes import UUID4, ObjectId, Text

#: A JSON Schema, as msgspec writes it.
Schema = Mapping[str, Any]

_REFERENCE: Final = "#/$defs/"
#: What every id and every text says of itself; the words for the type say it already.
_SAID_ALREADY: Final = {meta.description for kind in (ObjectId, Text) for meta in get_args(kind)[1:]}
_TYPES: Final = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false",
    "array": "list", "object": "map", "null": "null",
}  # fmt: skip
_BOUNDS: Final = {
    "minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than",
    "minLength": "at least", "maxLength": "at most", "minItems": "at least", "maxItems": "at most",
}  # fmt: skip
_UUID: Final = "3f2a7c1e-9b4d-4e6a-8c05-d2f1a6b7e890"
#: Texts that an example tries where a pattern is asked for.
_PATTERNED: Final = (
    _UUID,
    "1.0.0",
    "a",
    "a-name",
    "a.name",
    "A",
    "1",
    "2026-01-31T09:00:00Z",
    "en",
    "x@example.org",
)


class Field(Struct, frozen=True, kw_only=True):
    """A parameter, a part of a result, or a key of a configuration. `type` is in words."""

    name: str
    type: str
    required: bool
    description: str = ""
    default: Any = UNSET


def fields_of(schema: Schema) -> list[Field]:
    """What a JSON Schema says of the keys of a map; empty if it is not one of a struct."""
    defs = schema.get("$defs", {})
    shape = _resolved(schema, defs)
    needed = set(shape.get("required", ()))
    return [
        Field(
            name=name,
            type=type_words(one, defs),
            required=name in needed,
            description=_description(one),
            default=one.get("default", UNSET),
        )
        for name, one in shape.get("properties", {}).items()
    ]


def type_words(schema: Schema, defs: Schema) -> str:
    """A type for people: `list of UUIDs`, `draft, active or closed`, `text, not empty`."""
    schema = _resolved(schema, defs)
    if "enum" in schema:
        return _either([str(value) for value in schema["enum"]])
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        several = (type_words(one, defs) for one in schema["anyOf"] if one.get("type") != "null")
        return " or ".join(dict.fromkeys(several))
    if schema.get("pattern") == UUID4:
        return "UUID"
    kind = schema.get("type")
    if kind == "array":
        words = f"list of {type_words(schema['items'], defs)}" if schema.get("items") else "list"
    elif kind == "object" and "properties" in schema:
        words = f"map of {', '.join(_keys(schema))}"
    elif kind == "object" and schema.get("additionalProperties"):
        words = f"map of {type_words(schema['additionalProperties'], defs)}"
    else:
        words = _TYPES.get(str(kind), "anything")
    return ", ".join([words, *_bounds(schema)])


def example_step(operation: Operation) -> dict[str, Any]:
    """A step that calls the operation with what it needs; a workflow with it is valid."""
    schema = describe_operation(operation)["parameters"]
    defs = schema.get("$defs", {})
    shape = _resolved(schema, defs)
    wanted = list(shape.get("required", ()))
    wanted += [group[0] for group in operation.any_of if not set(group) & set(wanted)]
    given = {name: _sample(shape["properties"][name], defs, name) for name in wanted}
    step = {
        "id": operation.name,
        "type": "module-operation",
        "module": operation.module,
        "operation": operation.name,
    }
    return {**step, "parameters": given} if given else step


def spellings(operation: Operation) -> dict[str, dict[str, Any]]:
    """The JSON Schema of each parameter, under every name that it may be given by; null is no value to be given."""
    import msgspec

    schema = describe_operation(operation)["parameters"]
    shape = _resolved(schema, schema.get("$defs", {}))
    found = {}
    for field in msgspec.structs.fields(operation.parameters):
        one = _without_null(shape["properties"][field.encode_name])
        found[field.name] = found[field.encode_name] = {**one, "$defs": schema.get("$defs", {})}
    return found


def describe_module(module: Module, package: str = "") -> dict[str, Any]:
    """A module for docs and machine readers; `configuration` is a JSON Schema, `package` who brought it along."""
    from msgspec.json import schema

    return {
        "module": module.name,
        "summary": module.summary,
        "package": package or None,
        "needs": list(module.needs),
        "configuration": schema(module.configuration),
        "transitions": {status: list(after) for status, after in module.transitions.items()},
        "operations": [
            {"operation": one.name, "summary": one.summary, "reserved": one.reserved or None}
            for one in module.operations.values()
        ],
    }


# ---- words --------------------------------------------------------------------------------------


def _resolved(schema: Schema, defs: Schema) -> Schema:
    while "$ref" in schema:
        schema = defs[schema["$ref"].removeprefix(_REFERENCE)]
    return schema


def _without_null(schema: Schema) -> Schema:
    kinds = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if not kinds:
        return schema
    return kinds[0] if len(kinds) == 1 else {**schema, "anyOf": kinds}


def _description(schema: Schema) -> str:
    said = str(schema.get("description", ""))
    return "" if said in _SAID_ALREADY else said


def _keys(schema: Schema) -> Iterator[str]:
    needed = schema.get("required", ())
    yield from (name if name in needed else f"{name}?" for name in schema["properties"])


def _bounds(schema: Schema) -> Iterator[str]:
    if "pattern" in schema:
        yield f"like {schema['pattern']}"
    for key, words in _BOUNDS.items():
        bound = schema.get(key)
        if bound is None:
            continue
        if key in ("minLength", "minItems") and bound == 1:
            yield "not empty"
        else:
            unit = " characters" if key.endswith("Length") else " items" if key.endswith("Items") else ""
            yield f"{words} {bound}{unit}"


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


# ---- examples -----------------------------------------------------------------------------------


def _sample(schema: Schema, defs: Schema, name: str) -> Any:
    """A value that fits; texts say what they stand for."""
    schema = _resolved(schema, defs)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        choices = [_resolved(one, defs) for one in schema["anyOf"]]
        return _sample(min(choices, key=_effort), defs, name)
    match schema.get("type"):
        case "string":
            return _text(schema, name)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "array":
            one = _sample(schema.get("items", {}), defs, name.removesuffix("s"))
            return [one] * max(schema.get("minItems", 1), 1)
        case "object":
            inner = schema.get("properties", {})
            return {key: _sample(inner[key], defs, key) for key in schema.get("required", ())}
        case "null":
            return None
        case _:
            return _text(schema, name)


def _effort(schema: Schema) -> int:
    """Which of several types is shown: text before lists, lists before maps, null last."""
    order = ("string", "integer", "number", "boolean", "array", "object")
    kind = schema.get("type", "string")
    return order.index(kind) if kind in order else len(order)


def _text(schema: Schema, name: str) -> str:
    if pattern := schema.get("pattern"):
        return next((text for text in _PATTERNED if re.search(pattern, text)), pattern)
    if schema.get("format") == "date-time":
        return "2026-01-31T09:00:00Z"
    words = "the " + re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower().replace("_", " ")
    return words.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]


def _number(schema: Schema) -> Any:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if high is None or low <= high - ("exclusiveMaximum" in schema):
        step = schema.get("multipleOf", 1)
        return -(-low // step) * step
    return (schema.get("minimum", schema.get("exclusiveMinimum", 0)) + high) / 2
