"""One error of the schema validator as the sentence that its author needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mplp_cli.errors import Path, Problem
from mplp_cli.loading import later
from mplp_cli.loading.schema import definition, keys_of
from mplp_cli.loading.spelling import canonical
from mplp_cli.loading.wording import count_of, kind_of, quoted, types_text
from mplp_cli.workflow.suggest import nearest


def sentence(error: Any, base: Path) -> Iterator[Problem]:
    """What an error of `jsonschema` means; `base` is the path of the instance that was judged."""
    path: Path = (*base, *error.absolute_path)
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, Mapping) else {}
    if "propertyNames" in error.schema_path:
        path = (*path, error.instance)
        yield Problem(
            code="schema-form",
            message=f"{quoted(error.instance)} is not a valid {_title(schema)}",
            path=path,
            on="key",
            hint=schema.get("description"),
        )
        return
    match error.validator:
        case "required":
            yield from _missing(error, schema, path)
        case "additionalProperties":
            yield from _unknown(error, schema, path)
        case "type":
            yield _wrong_type(error.instance, error.validator_value, schema, path)
        case "enum" | "const":
            yield _wrong_value(error.instance, error.validator_value, path)
        case "pattern":
            yield _wrong_form(error.instance, schema or {}, path)
        case "not":
            yield _excluded(error, path)
        case "oneOf":
            yield from _one_of(error, schema, path)
        case keyword:
            yield _limit(keyword, error.validator_value, error.instance, schema, path)


def subject(path: Path) -> str:
    """What a path leads to, for the beginning of a sentence: `timeout`, item 3 of `tags`."""
    last = path[-1] if path else "the document"
    if isinstance(last, int):
        holder = next((p for p in reversed(path[:-1]) if isinstance(p, str)), "the list")
        return f"item {last + 1} of {quoted(holder)}"
    return quoted(last) if path else last


def _title(schema: Mapping[str, Any]) -> str:
    return str(schema.get("title", "value"))


def _missing(error: Any, schema: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    properties = schema.get("properties", {})
    for key in error.validator_value:
        if key in error.instance:
            continue
        near = _misspelt(key, error.instance, properties or keys_of("shell-step"))
        if near and (key == "run" or schema.get("additionalProperties") is False):
            continue  # the unknown key says it already: did you mean this one?
        hint = f"is {quoted(near)} meant to be it?" if near else _described(key, properties)
        message = f"{_article(_holder(schema, path))} needs the key `{key}`"
        if key == "run":
            message = "a shell step needs `run` (a script) or `command` (a program and its arguments)"
        elif key in ("value", "step") and error.instance.get("action") in ("use-value", "run-step"):
            message = f"the action `{error.instance['action']}` needs the key `{key}`"
        yield Problem(code="schema-missing-key", message=message, path=path, hint=hint)


def _one_of(error: Any, schema: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """Exactly one of several keys is wanted."""
    if not isinstance(error.instance, dict):
        return  # its type is wrong, and that is said
    keys = [key for option in error.validator_value for key in option["required"]]
    listed = f"{', '.join(f'`{key}`' for key in keys[:-1])} or `{keys[-1]}`"
    there = [key for key in error.instance if key in keys]
    if not there:
        if not any(_misspelt(key, error.instance, schema["properties"]) for key in keys):
            message = f"{_article(_holder(schema, path))} needs {listed}"
            hint = _described(keys[0], schema["properties"])
            yield Problem(code="schema-missing-key", message=message, path=path, hint=hint)
        return
    apart = ", and put the other into a step of its own" if "step" in _holder(schema, path) else ""
    yield Problem(
        code="schema-conflict",
        path=(*path, there[1]),
        on="key",
        message=f"{_article(_holder(schema, path))} takes one of {listed}, not several",
        hint=f"keep `{there[0]}` or `{there[1]}`{apart}",
    )


def _holder(schema: Mapping[str, Any], path: Path) -> str:
    if not path:
        return _title(schema) if _title(schema).endswith(" file") else "workflow file"
    return _title(schema) if "title" in schema else str(path[-1])


def _article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def _described(key: str, properties: Mapping[str, Any]) -> str | None:
    """The schema's own words about a key."""
    entry = properties.get(key, {})
    if not isinstance(entry, Mapping):
        return None
    if "description" not in entry and "$ref" in entry:
        entry = definition(str(entry["$ref"]).rsplit("/", 1)[-1])
    said = entry.get("description")
    return f"`{key}`: {said}" if said else None


def _misspelt(key: str, instance: Mapping[str, Any], properties: Iterable[str]) -> str | None:
    """A key of the mapping that may have been meant to be the missing one."""
    known = list(properties)
    return next((k for k in instance if k not in known and _meant(k, known) == key), None)


def _meant(key: str, known: list[str]) -> str | None:
    """The known key that an unknown one most likely stands for."""
    word = canonical(key)
    for candidate in (word, later.WORDS.get(key), later.WORDS.get(word), later.EVENT_WORDS.get(key)):
        if candidate in known:
            return candidate
    return nearest(word.replace("_", "-"), known)


def _unknown(error: Any, schema: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    known = list(schema.get("properties", {}))
    holder = _holder(schema, path)
    for key in error.instance:
        if key in known:
            continue
        where = (*path, key)
        if key == "resources" and holder in later.HOLD_NOTHING:
            message, hint = f"{_article(holder)} holds no resources", later.HOLD_NOTHING[holder]
            yield Problem(code="schema-misplaced-key", path=where, on="key", message=message, hint=hint)
            continue
        near = _meant(key, known)
        listed = f"{_article(holder)} takes: {', '.join(known)}"
        if holder == "demand":
            listed = f"kinds of your own stand under `custom`: {{{key}: 1}}; {listed}"
        if "retry-policy" in known and canonical(key) in keys_of("retry-policy"):
            near, listed = None, f"put it under `retry-policy`; {listed}"
        yield Problem(
            code="schema-unknown-key",
            path=where,
            on="key",
            message=f"{_article(holder)} has no key {quoted(key)}",
            hint=f"did you mean `{near}`? {listed}" if near else listed,
        )


def _wrong_type(instance: Any, types: Any, schema: Mapping[str, Any], path: Path) -> Problem:
    hint = schema.get("description")
    scalar = isinstance(instance, int | float | bool)
    if scalar and types == "string":
        hint = f"put it in quotes if text is meant; {hint}" if hint else "put it in quotes if text is meant"
    return Problem(
        code="schema-type",
        message=f"{subject(path)} takes {types_text(types)}, not {kind_of(instance)}",
        path=path,
        hint=hint,
    )


def _wrong_value(instance: Any, allowed: Any, path: Path) -> Problem:
    options = [str(a) for a in (allowed if isinstance(allowed, list) else [allowed])]
    near = nearest(instance, options) if isinstance(instance, str) else None
    symbol = _OPERATORS.get(instance) if isinstance(instance, str) else None
    meant = symbol if symbol in options else near
    message = f"{subject(path)} cannot be {quoted(instance)}"
    listed = f"one of: {', '.join(options)}" if len(options) > 1 else f"write `{options[0]}`"
    return Problem(
        code="schema-value",
        message=message,
        path=path,
        hint=f"did you mean `{meant}`? {listed}" if meant else listed,
    )


_OPERATORS = {"==": "equals", "=": "equals", "eq": "equals", "!=": "not-equals", "ne": "not-equals",
              ">": "greater-than", "gt": "greater-than", ">=": "greater-or-equal", "gte": "greater-or-equal",
              "<": "less-than", "lt": "less-than", "<=": "less-or-equal", "lte": "less-or-equal",
              "regex": "matches", "match": "matches"}  # fmt: skip


def _wrong_form(instance: str, schema: Mapping[str, Any], path: Path) -> Problem:
    hint = schema.get("description")
    message = f"{subject(path)}: {quoted(instance)} is not a valid {_title(schema)}"
    if schema.get("title") in ("step id", "workflow id"):
        hint = f"{hint} ([A-Za-z][A-Za-z0-9_-]*)"
    return Problem(code="schema-form", message=message, path=path, hint=hint)


def _excluded(error: Any, path: Path) -> Problem:
    if error.validator_value == {"required": ["run"]}:
        return Problem(
            code="schema-conflict",
            path=(*path, "command"),
            on="key",
            message="a shell step takes `run` or `command`, not both",
            hint="`run` is a script for the shell; `command` starts a program without one",
        )
    if error.validator_value == {"required": ["json", "body"]}:
        return Problem(
            code="schema-conflict",
            path=(*path, "body"),
            on="key",
            message="an http step takes `json` or `body`, not both",
            hint="`json` is a value that is sent as JSON; `body` is text that is sent as it is",
        )
    reserved = error.validator_value.get("enum", []) if isinstance(error.validator_value, Mapping) else []
    return Problem(
        code="schema-reserved-name",
        path=path,
        hint=f"not one of: {', '.join(reserved)}",
        message=f"{quoted(error.instance)} means something else in expressions and cannot be a step id",
    )


def _limit(keyword: str, limit: Any, instance: Any, schema: Mapping[str, Any], path: Path) -> Problem:
    """A number, text, list or mapping that is too small or too large."""
    hint = schema.get("description")
    who = subject(path)
    if keyword in ("minimum", "maximum"):
        side = "at least" if keyword == "minimum" else "at most"
        return Problem(
            code="schema-range", message=f"{who} is {side} {limit}, not {instance}", path=path, hint=hint
        )
    if keyword == "uniqueItems":
        twice = _repeated(instance)
        return Problem(
            code="schema-repeated",
            path=(*path, twice[1]),
            hint="remove one of them",
            message=f"{quoted(twice[0])} stands twice in {who}",
        )
    nouns = {"minLength": "character", "maxLength": "character", "minItems": "item", "maxItems": "item"}
    if keyword in nouns:
        if limit == 1:
            return Problem(code="schema-length", message=f"{who} is empty", path=path, hint=hint)
        side = "at least" if keyword.startswith("min") else "at most"
        return Problem(
            code="schema-length",
            path=path,
            hint=hint,
            message=f"{who} has {count_of(len(instance), nouns[keyword])}; {side} {limit} are allowed",
        )
    return Problem(
        code="schema-other",
        path=path,
        hint=hint,
        message=f"{who} is not allowed like this (keyword `{keyword}`)",
    )


def _repeated(items: list[Any]) -> tuple[Any, int]:
    """The first item that stands a second time, and where."""
    seen: set[str] = set()
    for n, item in enumerate(items):
        mark = repr(item)
        if mark in seen:
            return item, n
        seen.add(mark)
    return items[-1], len(items) - 1
