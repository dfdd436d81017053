"""How large the values of an expression may be. Whatever grows is measured, most of it before it is made."""

from __future__ import annotations

from math import isfinite
from typing import Any

from mplp_cli.errors import ExpressionError
from mplp_cli.workflow.language.references import kind_of
from mplp_cli.workflow.values import Json

#: Characters and elements of one value.
MAX_SIZE = 1_000_000
#: Characters and elements that one evaluation may make.
MAX_WORK = 2_000_000


class Work:
    """What one evaluation may still make."""

    def __init__(self) -> None:
        self.left = MAX_WORK

    def take(self, size: int) -> None:
        """Count characters and elements. ExpressionError if the evaluation has made too many."""
        self.left -= size
        if self.left < 0:
            raise ExpressionError(f"the expression makes more than {MAX_WORK:,} characters and elements")


def size_of(value: Json) -> int:
    """Characters and elements in `value`, itself included. ExpressionError: too many, or not JSON."""
    kind = type(value)
    if kind is str:
        return within(len(value) + 1)
    if kind is not list and kind is not dict:
        check_scalar(value)
        return 1
    size = 1
    items = value
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise ExpressionError(f"a key of a map is text, not {kind_of(key)}")
            size += len(key) + 1
        items = value.values()
    for item in items:
        size += size_of(item)
        if size > MAX_SIZE:
            break
    return within(size)


def within(size: int) -> int:
    """`size`, if one value may have it; else ExpressionError."""
    if size > MAX_SIZE:
        raise ExpressionError(f"a value in the expression has more than {MAX_SIZE:,} characters and elements")
    return size


def check_scalar(value: Any) -> None:
    """ExpressionError for a number that JSON readers may not know, and for anything that is not JSON."""
    kind = type(value)
    if kind is int:
        if value.bit_length() > 64:
            raise ExpressionError("a whole number in the expression has more than 64 bits")
    elif kind is float:
        if not isfinite(value):
            raise ExpressionError(f"a number in the expression is {value}, which JSON does not know")
    elif kind not in (str, bool, type(None)):
        raise ExpressionError(f"the expression makes something that is not JSON ({kind.__name__})")
