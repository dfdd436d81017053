"""Spans as OTLP has them in JSON, for files: one `ExportTraceServiceRequest` a line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import json

from mplp_cli import __version__
from mplp_cli.observe.outlet import Send, SendingError
from mplp_cli.observe.spans import Attributes, Span

#: Who makes the spans.
SCOPE = "mplp"


def request(spans: Sequence[Span], resource: Mapping[str, str]) -> dict[str, Any]:
    """Spans of one process, `resource`."""
    scope = {"name": SCOPE, "version": __version__}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(dict(resource))},
                "scopeSpans": [{"scope": scope, "spans": [_span(one) for one in spans]}],
            }
        ]
    }


def to_file(path: Path, resource: Mapping[str, str]) -> Send:
    """Adds lines to a file. SendingError if it cannot be written."""

    def send(spans: Sequence[Span]) -> None:
        line = json.encode(request(spans, resource)) + b"\n"
        try:
            # One write a line: runs that share a file do not tear each other's.
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb", 0) as file:
                file.write(line)
        except OSError as error:
            raise SendingError(error.strerror or str(error)) from error

    return send


def _span(one: Span) -> dict[str, Any]:
    made: dict[str, Any] = {
        "traceId": one.trace,
        "spanId": one.span,
        "name": one.name,
        "kind": one.kind,
        "startTimeUnixNano": _nanos(one.start),
        "endTimeUnixNano": _nanos(one.end),
        "attributes": _attributes(one.attributes),
    }
    if one.parent:
        made["parentSpanId"] = one.parent
    if one.state:
        made["traceState"] = one.state
    if one.events:
        made["events"] = [
            {"timeUnixNano": _nanos(at), "name": name, "attributes": _attributes(said)}
            for at, name, said in one.events
        ]
    if one.links:
        made["links"] = [{"traceId": trace, "spanId": span} for trace, span in one.links]
    if one.error is not None:
        made["status"] = {"code": 2, "message": one.error}
    return made


def _nanos(ms: int) -> str:
    """64 bits are text in JSON."""
    return str(ms * 1_000_000)


def _attributes(attributes: Attributes | dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(inner) for inner in value]}}
        case _:
            return {"stringValue": str(value)}
