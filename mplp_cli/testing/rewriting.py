"""Writing what came out into a file of test cases, in the place of what was expected. All else stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from mplp_cli.loading.spelling import canonical
from mplp_cli.workflow.cases.model import Mismatch

#: Text that no reader of YAML takes for anything else, without quotes.
_PLAIN = re.compile(r"(?i:(?!(?:true|false|null|yes|no|on|off|y|n)$)[a-z][\w.]*(?:[- ][\w.]+)*)", re.ASCII)


def rewritten(text: str, mismatches: Sequence[Mismatch]) -> tuple[str, int]:
    """The text with the actual values of those expectations that are plain values, and how many there were."""
    those = [one for one in mismatches if one.literal]
    if not those:
        return text, 0
    from ruamel.yaml import YAML

    root = YAML(typ="safe", pure=True).compose(text)
    spans = {span: one.actual for one in those if (span := _span(root, one.path)) is not None}
    for (start, end), value in sorted(spans.items(), reverse=True):
        end = start + len(text[start:end].rstrip())  # noqa: PLW2901 - a block of text ends after its line
        text = f"{text[:start]}{_written(value)}{text[end:]}"
    return text, len(spans)


def _span(root: Any, path: Sequence[str | int]) -> tuple[int, int] | None:
    """Where the value at that path stands; None if it is not written there."""
    node = root
    for part in path:
        node = _inside(node, part)
        if node is None:
            return None
    return node.start_mark.index, _end(node)


def _inside(node: Any, part: str | int) -> Any:
    if isinstance(part, int):
        items = node.value if isinstance(node.value, list) and "seq" in node.tag else []
        return items[part] if part < len(items) else None
    pairs = node.value if isinstance(node.value, list) and "map" in node.tag else []
    exact = next((value for key, value in pairs if key.value == part), None)
    return exact or next((value for key, value in pairs if canonical(str(key.value)) == part), None)


def _end(node: Any) -> int:
    """Where a node ends: one in block style with the last that stands in it."""
    if isinstance(node.value, list) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _written(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_written(key)}: {_written(held)}" for key, held in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
