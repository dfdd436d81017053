"""Values judged by the JSON Schema of an input: fast, without fetching, without runaway patterns."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from mplp_cli.errors import Path
from mplp_cli.loading.wording import count_of, kind_of, quoted, shown, types_text
from mplp_cli.workflow.suggest import nearest


class Fragment:
    """The schema of one input. `error` is (where, what) if it is not a schema; then it judges nothing."""

    def __init__(self, schema: dict[str, Any]) -> None:
        import jsonschema_rs

        self.schema = schema
        self.validator: Any = None
        self.error: tuple[Path, str] | None = None
        try:
            self.validator = jsonschema_rs.Draft202012Validator(schema, offline=True)
        except (jsonschema_rs.ValidationError, ValueError) as error:
            self.error = _why(error)
        except jsonschema_rs.ReferencingError as error:
            self.error = ((), f"it refers to something that is not there: {shown(str(error))}")


def unfit(fragment: Fragment, value: Any) -> Iterator[tuple[Path, str]]:
    """(where in the value, what is wrong) for everything that the schema refuses about a value."""
    if fragment.validator is None:
        return
    first: dict[Path, Any] = {}
    for error in fragment.validator.iter_errors(value):
        place = tuple(error.instance_path)
        if place not in first or (error.kind.name == "type" and first[place].kind.name != "type"):
            first[place] = error  # one word about a value is enough, and its type comes first
    for place, error in first.items():
        yield place, _said(error)


def misfits(schema: bytes, value: Any) -> list[tuple[Path, str]]:
    """What `unfit` finds, all of it, for a schema as JSON."""
    return list(unfit(_fragment(schema), value))


@lru_cache(256)
def _fragment(schema: bytes) -> Fragment:
    from msgspec.json import decode

    return Fragment(decode(schema))


def takes_text(schema: dict[str, Any]) -> bool:
    """Whether every value of an input is text, so that text from a command line needs no reading."""
    if "type" in schema:
        return bool(schema["type"] in ("string", ["string"]))
    options = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return bool(options) and all(isinstance(option, str) for option in options)


def _why(error: Any) -> tuple[Path, str]:
    """Where a schema is no schema, and why."""
    place = tuple(getattr(error, "instance_path", ()))
    if not hasattr(error, "kind") or error.kind.name == "$ref":
        return (), shown(str(error))
    if place == ("type",):
        near = nearest(str(error.instance), _TYPES)
        return place, f"{quoted(error.instance)} is not a type" + (
            f"; did you mean `{near}`?" if near else ""
        )
    if error.kind.name == "format":
        return place, f"{quoted(error.instance)} is not a valid {error.kind.value}"
    return place, _said(error)


_TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")


def _said(error: Any) -> str:
    """One refusal in plain words. `error` is the fast validator's."""
    kind, value = error.kind.name, error.kind.value
    instance = error.instance
    match kind:
        case "type":
            return f"{types_text(value)} is wanted, not {kind_of(instance)}"
        case "enum":
            near = nearest(instance, [str(v) for v in value]) if isinstance(instance, str) else None
            said = f"{quoted(instance)} is not one of {', '.join(shown(v) for v in value[:20])}"
            return f"{said}; did you mean `{near}`?" if near else said
        case "const":
            return f"it can only be {quoted(value)}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            return f"{shown(instance)} is {_BOUNDS[kind]} {shown(value)}"
        case "pattern":
            return f"{quoted(instance)} does not have the form `{shown(value)}`"
        case "minLength" | "minItems" | "minProperties":
            return f"it needs at least {count_of(value, _noun(kind))}"
        case "maxLength" | "maxItems" | "maxProperties":
            return f"it takes at most {count_of(value, _noun(kind))}"
        case "required":
            return f"the key {quoted(value)} is missing"
        case "additionalProperties":
            return f"it has no key {', '.join(quoted(v) for v in list(value)[:5])}"
        case "uniqueItems":
            return "an item stands twice in it"
        case "falseSchema":
            return "it has a key that is not allowed"
        case _:
            return f"{quoted(instance)} does not fit `{kind}`"


_BOUNDS = {"minimum": "less than", "exclusiveMinimum": "not more than",
           "maximum": "more than", "exclusiveMaximum": "not less than"}  # fmt: skip


def _noun(keyword: str) -> str:
    return {"Length": "character", "Items": "item"}.get(keyword[3:], "key")
