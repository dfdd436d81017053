"""The event stream of the C parser, with the two things mended in which it follows YAML 1.1.

Inside `{}` and `[]` that parser stops at the `:` of `{at: 12:30}` and at the `?` of `[ready?]`, which YAML
1.2 allows in plain text. When it does, the text is read again with these characters replaced one for one
by characters that are not in it, and every scalar gets them back: columns stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from _ruamel_yaml import CParser
from msgspec import Struct
from ruamel.yaml.events import ScalarEvent

_COLON = re.compile(r"(?<=[^\s,\[\]{}\"']):(?=[^\s,\[\]{}])")
_QUESTION = re.compile(r"(?<=[^\s,\[\]{}])\?")
_STOPS = ("found unexpected ':'", "expected ',' or")


class YamlText(Struct, frozen=True):
    """A text ready for the parser; `colon` and `question` stand for the real ones, "" if they need not."""

    text: str
    colon: str = ""
    question: str = ""

    def events(self) -> Callable[[], Any]:
        """A function that gives the next event, None at the end. YAMLError where the text is not YAML."""
        get: Callable[[], Any] = CParser(self.text).get_event
        if not self.colon:
            return get

        def restored() -> Any:
            event = get()
            if isinstance(event, ScalarEvent):
                event.value = event.value.replace(self.colon, ":").replace(self.question, "?")
            if getattr(event, "tag", None):
                event.tag = event.tag.replace(self.colon, ":")
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
