"""What a plain scalar means: the core schema of YAML 1.2, and where YAML 1.1 would have read another thing."""

from __future__ import annotations

import re
from typing import Any, Final

_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: Final[dict[str, Any]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
#: A plain scalar that begins otherwise is text, in every version of YAML.
MAY_MEAN_MORE: Final = frozenset("-+.0123456789~tTfFnNyYoO")
#: What JSON readers agree on; larger integers lose digits on their way through other programs.
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1

#: Nothing that YAML 1.1 knows is longer.
_LONG: Final = 64
_OLD_BOOLEAN = re.compile(r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")
_OLD_NUMBER = re.compile(
    r"[-+]?0[0-9]+|[-+]?0b[01_]+|[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?|[-+]?0x[0-9a-fA-F_]*_[0-9a-fA-F_]*"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
)
_OLD_TEXT = re.compile(r"0o[0-7]+|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?[0-9]*\.[0-9]*[eE][0-9]+")
_OLD_DATE = re.compile(r"\d{4}-\d\d?-\d\d?(?:(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d.*)?")


def plain(text: str) -> Any:
    """The value of a plain scalar. OverflowError if it is a number that JSON cannot hold."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return _bounded(text, 10)
    if _BASED.fullmatch(text):
        return _bounded(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise OverflowError
        return number
    if _SPECIAL.fullmatch(text):
        raise OverflowError
    return text


def _bounded(digits: str, base: int) -> int:
    if len(digits) > 30:
        raise OverflowError
    number = int(digits, base)
    if not _SMALLEST <= number <= _LARGEST:
        raise OverflowError
    return number


def ambiguity(text: str, value: Any) -> tuple[str, str] | None:
    """(what is ambiguous, how to write it) if a YAML 1.1 reader takes this plain scalar for another value."""
    if len(text) > _LONG:
        return None
    quoted = f'write "{text}" for text'
    if _OLD_BOOLEAN.fullmatch(text):
        truth = "true" if text.lower() in ("yes", "on") else "false"
        return f"plain `{text}` is text here; YAML 1.1 readers take it for {truth}", f"{quoted}, or {truth}"
    if _OLD_DATE.fullmatch(text):
        return f"plain `{text[:40]}` is text here; YAML 1.1 readers take it for a date", quoted
    if _OLD_NUMBER.fullmatch(text):
        if isinstance(value, str):
            return f"plain `{text[:40]}` is text here; YAML 1.1 readers take it for a number", quoted
        return (
            f"plain `{text[:40]}` is the number {value} here; YAML 1.1 readers take it for an octal number or text",
            f'write {value}, or "{text[:40]}" for text',
        )
    if _OLD_TEXT.fullmatch(text) and not isinstance(value, str):
        return f"plain `{text[:40]}` is the number {value} here; YAML 1.1 readers take it for text", (
            f'write {value}, or "{text[:40]}" for text'
        )
    return None
