"""The bundled schema of workflow files: the verdict, fast, and the pieces that explain a no."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from mplp_cli.bundled import bundled

#: A valid step, put in the place of nested ones when their container is judged alone.
PLACEHOLDER: dict[str, Any] = {"id": "placeholder", "type": "set", "values": {}}


@cache
def workflow_schema() -> dict[str, Any]:
    """`schemas/workflow.schema.json` as data."""
    text = (bundled("schemas") / "workflow.schema.json").read_bytes()
    return dict(msgspec.json.decode(text))


def definition(name: str) -> dict[str, Any]:
    """One entry of the schema's `$defs`."""
    return dict(workflow_schema()["$defs"][name])


def part(name: str) -> dict[str, Any]:
    """A schema that judges one entry of `$defs` alone."""
    return {"$ref": f"#/$defs/{name}", "$defs": workflow_schema()["$defs"]}


@cache
def verdict(name: str = "") -> Any:
    """The fast validator of whole files, or of one entry of `$defs`; it never fetches anything."""
    from jsonschema_rs import Draft202012Validator

    return Draft202012Validator(part(name) if name else workflow_schema(), offline=True)


@cache
def explainer(name: str = "") -> Any:
    """The slow validator whose errors become sentences; of whole files, or of one entry of `$defs`."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry

    from mplp_cli.loading.explain import bounded_pattern

    kind: Any = extend(Draft202012Validator, {"pattern": bounded_pattern})  # type: ignore[no-untyped-call]  # its stubs
    return kind(part(name) if name else workflow_schema(), registry=Registry())


@cache
def keys_of(name: str) -> tuple[str, ...]:
    """The keys that one entry of `$defs` allows."""
    return tuple(definition(name).get("properties", {}))


def step_types() -> list[str]:
    """The step types that this version runs."""
    return list(definition("step")["properties"]["type"]["enum"])
