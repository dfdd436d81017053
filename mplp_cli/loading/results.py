"""Rules about what a step says of its result: its `result-schema`, and the `default` that stands in for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.values import Fragment, unfit
from mplp_cli.loading.wording import quoted
from mplp_cli.workflow.language.references import Bracket, ReferenceSyntaxError, split_text


def check_result(step: dict[str, Any], path: Path) -> Iterator[Problem]:
    """A schema that is none or reaches outside itself; a default that does not fit it or holds references."""
    fragment = None
    schema = step.get("result-schema")
    if isinstance(schema, dict):
        outside = next(references_out(schema, (*path, "result-schema")), None)
        if outside is not None:
            place, target = outside
            yield Problem(
                code="rule-result-reference",
                path=place,
                hint="write it out, or refer to a place in it: #/$defs/name; nothing is fetched",
                message=f"a result schema cannot refer to {quoted(target)}",
            )
        else:
            fragment = Fragment(schema)
            if fragment.error is not None:
                place, said = fragment.error
                yield Problem(
                    code="rule-result-schema",
                    path=(*path, "result-schema", *place),
                    message=f"`result-schema` is not a JSON Schema: {said}",
                    hint="write it like {type: object, required: [name], properties: {name: {type: string}}}",
                )
    if "default" in step:
        yield from _default(step["default"], fragment, (*path, "default"))


def _default(value: Any, fragment: Fragment | None, path: Path) -> Iterator[Problem]:
    bracket = next(_brackets(value, path), None)
    if bracket is not None:
        place, text = bracket
        yield Problem(
            code="rule-default",
            path=place,
            message=f"`default` is taken as it stands, and {quoted(text)} holds a reference",
            hint="write the value out; a `set` step after this one can put values together",
        )
    elif fragment is not None:
        for place, said in unfit(fragment, value):
            yield Problem(
                code="rule-default",
                path=(*path, *place),
                message=f"the default does not fit `result-schema`: {said}",
                hint="correct the default, or the schema",
            )


def _brackets(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Texts in a value that hold `${...}` or `$<...>`, each with its place."""
    if isinstance(value, str):
        try:
            if any(isinstance(piece, Bracket) for piece in split_text(value)):
                yield path, value
        except ReferenceSyntaxError:
            yield path, value
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from _brackets(item, (*path, n))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _brackets(item, (*path, key))


def references_out(schema: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """References of a schema to something outside itself, each with its place: nothing is ever fetched."""
    if isinstance(schema, list):
        for n, item in enumerate(schema):
            yield from references_out(item, (*path, n))
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
                yield (*path, key), value
            elif key not in ("default", "const", "enum", "examples"):
                yield from references_out(value, (*path, key))
