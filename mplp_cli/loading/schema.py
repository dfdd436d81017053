"""The bundled schema of workflow files: the verdict, fast, and the pieces that explain a no."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from mplp_cli.bundled import bundled

#: Texts longer than this have no form; no pattern of the schema allows so many characters.
_LONG = 5_000
#: How a schema refers to a definition of another one.
_AGENTS, _WORKFLOW = b'"urn:mplp-cli:schema:agents:1#/', b'"urn:mplp-cli:schema:workflow:1#/'
#: A valid step, put in the place of nested ones when their container is judged alone.
PLACEHOLDER: dict[str, Any] = {"id": "placeholder", "type": "set", "values": {}}


@cache
def workflow_schema() -> dict[str, Any]:
    """`schemas/workflow.schema.json` as data, with the definitions of `schemas/agents.schema.json` among its own."""
    folder = bundled("schemas")
    text = (folder / "workflow.schema.json").read_bytes()
    made = dict(msgspec.json.decode(text.replace(_AGENTS, b'"#/')))
    agents = dict(msgspec.json.decode((folder / "agents.schema.json").read_bytes()))
    made["$defs"] = {**agents.pop("$defs"), "agents-file": agents, **made["$defs"]}
    del agents["$id"], agents["$schema"]
    return made


@cache
def case_schema() -> dict[str, Any]:
    """The entries of `schemas/test.schema.json`, which all begin with `test-`; `test-file` is the whole file."""
    text = (bundled("schemas") / "test.schema.json").read_bytes()
    made = dict(msgspec.json.decode(text))
    entries = made.pop("$defs")
    del made["$id"], made["$schema"]
    return {"test-file": made, **entries}


@cache
def settings_schema() -> dict[str, Any]:
    """`schemas/settings.schema.json` as data, with what it refers to among its own definitions."""
    text = (bundled("schemas") / "settings.schema.json").read_bytes()
    made = dict(msgspec.json.decode(text.replace(_AGENTS, b'"#/').replace(_WORKFLOW, b'"#/')))
    entries = {**workflow_schema()["$defs"], **made["$defs"]}
    made["$defs"] = {name: entries[name] for name in _reached(made, entries)}
    return made


def _reached(schema: Any, entries: dict[str, Any]) -> list[str]:
    """The names of the entries that a schema leads to, in their order among the entries."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            name = str(value.get("$ref", "")).removeprefix("#/$defs/")
            if name in entries and name not in found:
                found.add(name)
                waiting.append(entries[name])
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return [name for name in entries if name in found]


def _definitions(name: str) -> dict[str, Any]:
    """The entries among which that one is found."""
    if name.startswith("settings-"):
        whole = settings_schema()
        return {**whole["$defs"], "settings-file": {k: v for k, v in whole.items() if k not in _HEAD}}
    entries: dict[str, Any] = case_schema() if name.startswith("test-") else workflow_schema()["$defs"]
    return entries


#: Keys of a whole schema that none of its parts has.
_HEAD = ("$schema", "$id", "$defs")
#: Keys of a workflow that are judged apart: few have them, and no other needs a validator of them.
APART = ("triggers", "events")


def definition(name: str) -> dict[str, Any]:
    """One entry of the schemas' `$defs`."""
    return dict(_definitions(name)[name])


def part(name: str) -> dict[str, Any]:
    """A schema that judges one entry of `$defs` alone."""
    return {"$ref": f"#/$defs/{name}", "$defs": _definitions(name)}


@cache
def verdict(name: str = "") -> Any:
    """The fast validator of whole files, or of one entry of `$defs`; it never fetches anything.

    What a workflow file says of agents and of events is judged apart: most say nothing, and need no validator of it.
    """
    from jsonschema_rs import Draft202012Validator

    if name:
        return Draft202012Validator(part(name), offline=True)
    whole = workflow_schema()
    workflow = whole["$defs"]["workflow"]
    keys = {key: held for key, held in workflow["properties"].items() if key not in APART}
    bare = {**whole, "properties": {"workflow": whole["properties"]["workflow"]}}
    bare["$defs"] = {**whole["$defs"], "workflow": {**workflow, "properties": keys}}
    return Draft202012Validator(bare, offline=True)


@cache
def explainer(name: str = "") -> Any:
    """The slow validator whose errors become sentences; of whole files, or of one entry of `$defs`."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    kind: Any = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]  # its stubs
    return kind(part(name) if name else workflow_schema(), registry=Registry())


@cache
def keys_of(name: str) -> tuple[str, ...]:
    """The keys that one entry of `$defs` allows."""
    return tuple(definition(name).get("properties", {}))


def step_types() -> list[str]:
    """The step types that this version runs."""
    return list(definition("step")["properties"]["type"]["enum"])


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    """The keyword `pattern` as the fast validator has it: `$` is the very end; and no time spent on huge texts."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and (len(instance) > _LONG or not _compiled(pattern).search(instance)):
        yield ValidationError("does not match")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern))
