"""Facts that this version cannot read: damaged, or written by a newer mplp."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from mplp_cli.errors import StoreError
from mplp_cli.store.database import UNREADABLE, corrupt
from mplp_cli.workflow.fold.history import Event

_TYPES: Final = frozenset(fact.__struct_config__.tag for fact in get_args(Event))
_TYPE: Final = re.compile(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*")
_KEY: Final = re.compile(r"unknown field `([^`]*)`")
_fact = msgspec.json.Decoder(Event).decode


def unreadable(path: Path, bodies: Sequence[bytes], first: int, error: Exception) -> StoreError:
    """Why a page of facts, the first of them being number `first`, cannot be read. `error`: what decoding said."""
    for number, body in enumerate(bodies, first):
        try:
            _fact(body)
        except UNREADABLE as refused:
            if what := _of_a_newer_version(body, str(refused)):
                return StoreError(
                    f"a newer mplp has written to a run in {path}: fact {number} {what}, which this one does not know",
                    hint="Upgrade mplp; other runs can be used as before.",
                    details={"path": str(path), "cause": "newer", "fact": number},
                )
            break
    return corrupt(path, f"among facts {first} to {first + len(bodies) - 1}: {error}")


def _of_a_newer_version(body: bytes, refused: str) -> str:
    """What is new in a fact that is whole; empty if it is not."""
    try:
        fact: Any = msgspec.json.decode(body)
    except UNREADABLE:
        return ""
    if not isinstance(fact, dict) or not isinstance(fact.get("at"), int):
        return ""
    kind = fact.get("type")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        return ""
    if kind not in _TYPES:
        return f"is a `{kind}`"
    key = _KEY.search(refused)
    return f"has the key `{key[1]}`" if key else ""
