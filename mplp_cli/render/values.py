"""JSON values for people: as YAML, which a workflow could take as it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mplp_cli.render.ink import Line

#: Text that YAML reads as text without quotes, and ids.
_PLAIN: Final = re.compile(r"[A-Za-z_/](?:[\w ./@()+-]*[\w./@()+-])?|[0-9a-f]{8}-[0-9a-f-]{27}")
_NO_TEXT: Final = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
#: Characters of a list that stands on one line.
_SHORT: Final = 60


def value_lines(value: Any, indent: str = "") -> Iterator[Line]:
    """A value over as many lines as it needs, each begun with `indent`."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _entry(Line(indent).add(f"{_scalar(str(key))}:", "key"), inner, f"{indent}  ")
    elif isinstance(value, list) and value and _flow(value) is None:
        for inner in value:
            first, *more = value_lines(inner, f"{indent}  ")
            yield Line(f"{indent}- ").extend(_without(first, len(indent) + 2))
            yield from more
    else:
        yield Line(indent).add(_flow(value) or _scalar(value))


def _entry(begun: Line, value: Any, indent: str) -> Iterator[Line]:
    flow = _flow(value)
    if isinstance(value, Mapping | list) and value and flow is None:
        yield begun
        yield from value_lines(value, indent)
    else:
        yield begun.add(" ").add(flow or _scalar(value))


def _without(line: Line, columns: int) -> Line:
    """The line without the spaces that it begins with."""
    (text, style), *rest = line.pieces
    line.pieces = [(text[columns:], style), *rest]
    return line


def _flow(value: Any) -> str | None:
    """An empty collection, or a list of a few scalars; None for what needs lines of its own."""
    if isinstance(value, Mapping):
        return None if value else "{}"
    if not isinstance(value, list) or any(isinstance(item, Mapping | list) for item in value):
        return None
    text = f"[{', '.join(map(_scalar, value))}]"
    return text if len(text) <= _SHORT else None


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _NO_TEXT:
        return value
    return json.dumps(value, ensure_ascii=False)
