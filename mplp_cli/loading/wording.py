"""How values of a file are spoken of: briefly, escaped, in the words of the format."""

from __future__ import annotations

from typing import Any

#: At most so many characters of any value are repeated in a message.
SHOWN = 40


def quoted(value: Any) -> str:
    """A value for a message: in backticks, escaped, at most 40 characters of it."""
    return f"`{shown(value)}`"


def shown(value: Any) -> str:
    """A value as one short, printable line."""
    match value:
        case str():
            text = escaped(value[: SHOWN + 1])
        case None:
            text = "null"
        case bool():
            text = "true" if value else "false"
        case int() | float():
            text = repr(value)
        case list():
            text = "[...]" if value else "[]"
        case _:
            text = "{...}" if value else "{}"
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def escaped(text: str) -> str:
    """Text without line breaks and control characters; those are written as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def kind_of(value: Any) -> str:
    """What a value is, with its article: `a list`, `the number 3`, `text`."""
    match value:
        case str():
            return "text"
        case None:
            return "nothing"
        case bool():
            return shown(value)
        case int() | float():
            return f"the number {shown(value)}"
        case list():
            return "a list"
        case _:
            return "a mapping"


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


def types_text(types: str | list[str]) -> str:
    """JSON Schema type names for people: `text or a whole number`."""
    return either([_TYPES.get(t, t) for t in ([types] if isinstance(types, str) else types)])


def either(words: list[str]) -> str:
    """`a, b or c`."""
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def count_of(number: int, noun: str) -> str:
    """`1 item`, `2 items`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
