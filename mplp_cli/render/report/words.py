"""Text for pages and pictures: made safe, of a bounded length; and the words for statuses and stretches of time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import json

from mplp_cli.observe.picture import Mark, What
from mplp_cli.render.theme import STATUS_ORDER, safe
from mplp_cli.workflow.masking import MASK, Masker
from mplp_cli.workflow.values import duration_text

#: Characters of a name, and of any other text, that are shown.
NAME: Final = 80
TEXT: Final = 600
#: What a name of an input or a schema says of a secret value.
_SECRET: Final = re.compile(
    r"(?i)(pass(word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credential|authori[sz]ation)"
)
# What neither XML nor a page can hold as text, beyond what a terminal would obey.
_NOT_TEXT: Final = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")

#: The words for stretches of time, as a legend says them.
WHAT: Final[Mapping[What, str]] = {
    "attempt": "at work",
    "slot": "waited for a slot",
    "resources": "waited for resources",
    "queue": "ready, not started",
    "again": "wait before a retry",
    "person": "waited for a person",
    "event": "waited for an event",
    "time": "waited for a time",
    "holds": "holds other steps",
}


def shown(text: str, most: int = TEXT) -> str:
    """`text` on one line, without anything that turns, hides or breaks it; what is cut off is counted."""
    cut = len(text) - most
    if cut > 0:
        text = text[:most]
    made = safe(text)
    if not made.isascii():
        made = _NOT_TEXT.sub(lambda found: f"\\u{ord(found.group()):04x}", made)
    return f"{made}… ({cut:,} more characters)" if cut > 0 else made


def name(text: str) -> str:
    """A name: cut in its middle if it is long, since names differ at their ends."""
    if len(text) > NAME:
        text = f"{text[: NAME // 2]}…{text[-NAME // 2 + 1 :]}"
    return shown(text, NAME + 1)


def given_text(
    inputs: Mapping[str, Any], schemas: Mapping[str, Any], masker: Masker
) -> list[tuple[str, str]]:
    """(name, value as JSON) of inputs; what is secret by its name or its schema, or is a known secret, is masked."""
    rows = []
    for key, value in inputs.items():
        schema = schemas.get(key)
        marked = isinstance(schema, dict) and (
            schema.get("writeOnly") is True or schema.get("format") == "password"
        )
        hidden = marked or _SECRET.search(key) is not None
        rows.append((key, MASK if hidden else masker.text(json.encode(_bare(value)).decode())))
    return rows


def _bare(value: Any) -> Any:
    """A value without what its keys call a secret."""
    if isinstance(value, dict):
        return {key: MASK if _SECRET.search(key) else _bare(inner) for key, inner in value.items()}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value


def counts_text(counts: Mapping[str, int]) -> str:
    """`3 completed, 1 failed`; one status alone without its number."""
    named = [(status, counts[status]) for status in STATUS_ORDER if counts.get(status)]
    if len(named) == 1 and named[0][1] == 1:
        return named[0][0]
    return ", ".join(f"{count:,} {status}" for status, count in named)


def mark_text(mark: Mark, begun: int) -> str:
    """`attempt 2, completed after 3s`, `waited for a slot, 1.2s`."""
    length = duration_text(mark.length)
    if mark.what == "attempt":
        return f"attempt {mark.attempt or 1} at +{duration_text(mark.begun - begun)}: {mark.outcome} after {length}"
    return f"{WHAT[mark.what]}: {length}"
