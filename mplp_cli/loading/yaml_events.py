"""The event stream of the C parser, with the two things mended in which it follows YAML 1.1.

Inside `{}` and `[]` that parser stops at the `:` of `{at: 12:30}` and at the `?` of `[ready?]`, which YAML
1.2 allows in plain text. When it does, the text is read again with these characters replaced one for one
by characters that are not in it, and every scalar gets them back: columns stay what they are.

The parser makes the events of this module instead of its own. Those are Python classes with three
initialisers each, and take most of its time; these have the same fields, and are made in C.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import _ruamel_yaml
from msgspec import Struct

_COLON = re.compile(r"(?<=[^\s,\[\]{}\"']):(?=[^\s,\[\]{}])")
_QUESTION = re.compile(r"(?<=[^\s,\[\]{}])\?")
_STOPS = ("found unexpected ':'", "expected ',' or")


class ScalarEvent(Struct, gc=False):
    """A scalar. `implicit`: whether plain text would get its tag, and whether quoted text would."""

    anchor: str | None
    ctag: Any
    implicit: tuple[bool, bool]
    value: str
    start_mark: Any = None
    end_mark: Any = None
    style: str | None = None

    @property
    def tag(self) -> str | None:
        return None if self.ctag is None else str(self.ctag)


class AliasEvent(Struct, gc=False):
    """A reference to an anchor."""

    anchor: str
    start_mark: Any = None
    end_mark: Any = None


class _Start(Struct, gc=False):
    anchor: str | None
    ctag: Any
    implicit: bool
    start_mark: Any = None
    end_mark: Any = None
    flow_style: bool | None = None

    @property
    def tag(self) -> str | None:
        return None if self.ctag is None else str(self.ctag)


class MappingStartEvent(_Start, gc=False):
    """A mapping begins."""


class SequenceStartEvent(_Start, gc=False):
    """A sequence begins."""


class MappingEndEvent(Struct, gc=False):
    """A mapping ends."""

    start_mark: Any = None
    end_mark: Any = None


class SequenceEndEvent(Struct, gc=False):
    """A sequence ends."""

    start_mark: Any = None
    end_mark: Any = None


for _event in (
    ScalarEvent, AliasEvent, MappingStartEvent, MappingEndEvent, SequenceStartEvent, SequenceEndEvent,
):  # fmt: skip
    setattr(_ruamel_yaml, _event.__name__, _event)


class YamlText(Struct, frozen=True):
    """A text ready for the parser; `colon` and `question` stand for the real ones, "" if they need not."""

    text: str
    colon: str = ""
    question: str = ""

    def events(self) -> Callable[[], Any]:
        """A function that gives the next event, None at the end. YAMLError where the text is not YAML."""
        get: Callable[[], Any] = _ruamel_yaml.CParser(self.text).get_event
        if not self.colon:
            return get

        def restored() -> Any:
            event = get()
            if isinstance(event, ScalarEvent):
                event.value = event.value.replace(self.colon, ":").replace(self.question, "?")
            if getattr(event, "tag", None):
                event.ctag = event.tag.replace(self.colon, ":")
            return event

        return restored


def mended(text: str, complaint: str) -> YamlText | None:
    """The text to try after the parser's complaint; None if there is nothing to mend."""
    if not any(stop in complaint for stop in _STOPS):
        return None
    spare = (char for char in map(chr, range(0xE000, 0xF900)) if char not in text)
    colon, question = next(spare, ""), next(spare, "")
    if not question:
        return None
    changed = _QUESTION.sub(question, _COLON.sub(colon, text))
    return None if changed == text else YamlText(changed, colon, question)
