"""What a JSON Schema says about a path into the values that fit it: only what is certain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mplp_cli.workflow.language.references import nearest, written

#: Keywords that may bring in keys which `properties` does not name.
_OPEN: Final = frozenset({
    "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "patternProperties",
})  # fmt: skip
_HOLDERS: Final = {"object": str, "array": int}


def missing_in(schema: Any, path: Sequence[str | int], where: str) -> str | None:
    """Why no value that fits `schema` has anything at `path` (`where` names the value); None if one may have."""
    for depth, key in enumerate(path):
        if not isinstance(schema, dict) or not _OPEN.isdisjoint(schema):
            return None
        name = written(where, path[:depth])
        stated = schema.get("type", [])
        kinds = stated if isinstance(stated, list) else [stated]
        if kinds and type(key) not in {_HOLDERS.get(str(kind)) for kind in kinds}:
            return f"`{name}` has no `{key}`: its schema says that it is {' or '.join(map(str, kinds))}"
        known = schema.get("properties", {})
        if isinstance(key, int) or not isinstance(known, dict):
            schema = None if isinstance(key, str) or "prefixItems" in schema else schema.get("items")
            continue
        if key not in known and schema.get("additionalProperties") is False:
            close = nearest(key, known)
            more = f"did you mean `{close[0]}`?" if close else f"it has {', '.join(known) or 'no keys'}"
            return f"`{name}` has no `{key}`, says its schema; {more}"
        schema = known.get(key)
    return None
