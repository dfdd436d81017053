"""Amounts of resources: as people write them, and as they are reckoned with.

Everything is reckoned in whole numbers, so that no sum is ever a little off: thousandths of a core, bytes, bits
a second, thousandths of a custom resource.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

#: What an amount is reckoned in, by kind: how many of them make one of what people write.
_THOUSANDTHS: Final = 1_000
_BINARY: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_DECIMAL: Final = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BITS: Final = {"bps": 1, "kbps": 10**3, "mbps": 10**6, "gbps": 10**9}
_AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)
#: No amount is larger, so that sums stay whole numbers that every store can hold.
MOST: Final = 1 << 60


def amount_of(kind: str, written: float | str) -> int:
    """An amount as it is reckoned with. ValueError says how one is written."""
    amount, how = _reckoned(kind, written)
    if amount is None:
        raise ValueError(f"{written!r} is not {how}")
    if not 0 < amount <= MOST or not round(amount):
        little = "too little: an amount is more than 0" if amount <= 0 else "too little to be counted"
        raise ValueError(f"{written!r} is {'more than any pool may have' if amount > MOST else little}")
    return round(amount)


def _reckoned(kind: str, written: float | str) -> tuple[float | None, str]:
    """An amount as it is reckoned with, if it is written as amounts of the kind are, and how they are written."""
    suffixes = {"memory": _BINARY | _DECIMAL, "storage": _BINARY | _DECIMAL, "network": _BITS}.get(kind)
    if suffixes is None:
        number = None if isinstance(written, str) else _number(written)
        return None if number is None else number * _THOUSANDTHS, "a number such as 1 or 0.5"
    if isinstance(written, str):
        found = _AMOUNT.fullmatch(written.strip())
        scale = None if found is None else suffixes.get(found[2]) or suffixes.get(found[2].lower())
        amount = None if found is None or scale is None else float(found[1]) * scale
        how = "an amount such as 10mbps or 1gbps" if kind == "network" else "an amount such as 256MiB or 2GB"
        return amount, how
    number = _number(written)
    how = "a whole number of bits a second" if kind == "network" else "a whole number of bytes"
    return None if number and number % 1 else number, f"{how}, or text with a unit"


def _number(written: float) -> float | None:
    """None for what is none; how far it is beyond all amounts does not matter."""
    none = isinstance(written, bool) or written != written  # noqa: PLR0124 - NaN
    return None if none else max(min(written, MOST + 1), -1)


def amount_text(kind: str, amount: int) -> str:
    """An amount as people write it: `0.5`, `256MiB`, `10mbps`."""
    if kind in ("memory", "storage"):
        return _largest(amount, _BINARY) if amount >= 1 << 10 else f"{amount}B"
    if kind == "network":
        return _largest(amount, _BITS) if amount else "0bps"
    return f"{amount / _THOUSANDTHS:.3f}".rstrip("0").rstrip(".")


def _largest(amount: int, suffixes: Mapping[str, int]) -> str:
    """With the largest unit that leaves at least 1 of it, to three digits."""
    name, scale = max(
        (one for one in suffixes.items() if one[1] <= amount), key=lambda one: one[1], default=("B", 1)
    )
    return f"{amount / scale:.2f}".rstrip("0").rstrip(".") + name
