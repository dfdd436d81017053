"""The OpenAPI 3.1 document of a server, made from the table of operations that its requests go by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from mplp_cli import __version__
from mplp_cli.serving.documents import Failed
from mplp_cli.serving.operations import JSON, Operation
from mplp_cli.serving.refusals import NAMES

_TEMPLATE: Final = "#/components/schemas/{name}"
_TEXT_STREAM: Final = "text/event-stream"


def openapi(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document."""
    types = list(_types(operations))
    _, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mplp serve",
            "version": __version__,
            "description": "Start and follow runs, answer what they ask, publish and follow events.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _types(operations: Sequence[Operation]) -> Iterator[Any]:
    yield Failed
    for operation in operations:
        yield from operation.takes.values()
        yield from operation.answers.values()


def _described(operation: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.about,
        "parameters": [
            *_parameters(operation.names, "path"),
            *_parameters(operation.query, "query"),
            *_parameters(operation.headers, "header"),
        ],
        "responses": {
            **{str(status): _success(operation, kind) for status, kind in operation.answers.items()},
            **{str(status): _failure(status) for status in sorted(_failures(operation))},
        },
    }
    if operation.takes:
        made["requestBody"] = {
            "required": not operation.optional,
            "content": {name: {"schema": _schema(kind)} for name, kind in operation.takes.items()},
        }
    if operation.open:
        made["security"] = []
    return made


def _schema(kind: Any) -> Any:
    [schema], _ = msgspec.json.schema_components([kind], ref_template=_TEMPLATE)
    return schema


def _parameters(kind: type[Struct], place: str) -> Iterator[dict[str, Any]]:
    [_], components = msgspec.json.schema_components([kind])
    shape = components[kind.__name__]
    for name, schema in shape["properties"].items():
        about = {"description": schema["description"]} if "description" in schema else {}
        required = place == "path" or name in shape.get("required", ())
        yield {"name": name, "in": place, "required": required, **about, "schema": schema}


def _success(operation: Operation, kind: Any) -> dict[str, Any]:
    if operation.streams:
        return {"description": "Server-sent events.", "content": {_TEXT_STREAM: {"schema": _schema(kind)}}}
    about = (kind.__doc__ or "").partition("\n")[0] if isinstance(kind, type) else "A document."
    return {"description": about or "A document.", "content": {operation.gives: {"schema": _schema(kind)}}}


def _failures(operation: Operation) -> set[int]:
    found = {400, 403, 503, *operation.fails}
    if not operation.open:
        found.add(401)
    if operation.takes:
        found |= {408, 413, 415, 422}
    return found


def _failure(status: int) -> dict[str, Any]:
    made: dict[str, Any] = {"description": NAMES[status], "content": {JSON: {"schema": _schema(Failed)}}}
    if status == 429:
        made["headers"] = {"Retry-After": {"required": True, "schema": {"type": "string"}}}
    return made
