r"""Secrets taken out of text: the value itself, and the forms in which programs print it.

    plain, whole or line by line            -----BEGIN KEY-----
    escaped in JSON, once or twice          a\\"b
    in a URL, in HTML, quoted by a shell    a%20b  a&amp;b  it'\\''s
    base64, also as part of longer data     YWJj
    hexadecimal                             616263

Each becomes `***`, the longest form first. A form that nobody thought of is not found: masking is the last
line, not the first. Lines of a secret shorter than four characters are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mplp_cli.workflow.values import Json

#: What stands in the place of a secret.
MASK = "***"
#: The shortest text that is masked.
SHORTEST = 4


class Masker:
    """Takes the values of `secrets` (name -> value) out of text and of JSON. Without secrets it does nothing."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        forms = {form for value in secrets.values() for form in _forms(value) if len(form) >= SHORTEST}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, self._forms))) if forms else None

    def text(self, text: str) -> str:
        """`text` with every secret replaced."""
        return self._pattern.sub(MASK, text) if self._pattern is not None else text

    def value(self, value: Json) -> Json:
        """`value` with every secret replaced in its texts, keys and numbers; itself if there are no secrets."""
        return self._value(value) if self._pattern is not None else value

    def stream(self) -> StreamMasker:
        """A masker for text that arrives in pieces."""
        return StreamMasker(self._pattern, self._forms)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self._value(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner) for inner in value]
        if isinstance(value, bool) or value is None:
            return value
        written = str(value)
        masked = self.text(written)
        return value if masked == written else masked


class StreamMasker:
    """Masks text that arrives in pieces, wherever they are cut. What might be the beginning of a secret is
    held back until the next piece: never more than the longest form."""

    def __init__(self, pattern: re.Pattern[str] | None, forms: list[str]) -> None:
        self._pattern = pattern
        self._longest = len(forms[0]) if forms else 0
        self._by_first: dict[str, list[str]] = {}
        for form in forms:
            self._by_first.setdefault(form[0], []).append(form)
        self._first = re.compile("[" + re.escape("".join(self._by_first)) + "]") if forms else None
        self._held = ""

    def feed(self, text: str) -> str:
        """The next piece, masked, as far as it is certain."""
        if self._pattern is None:
            return text
        text = self._held + text
        hold = self._hold_from(text)
        out: list[str] = []
        at = 0
        for found in self._pattern.finditer(text):
            if found.start() >= hold:
                break
            out += (text[at : found.start()], MASK)
            at = found.end()
        hold = max(at, hold)
        out.append(text[at:hold])
        self._held = text[hold:]
        return "".join(out)

    def flush(self) -> str:
        """What was held back, masked: nothing follows."""
        held, self._held = self._held, ""
        return self._pattern.sub(MASK, held) if self._pattern is not None else held

    def _hold_from(self, text: str) -> int:
        """Where the first beginning of a form that reaches the end of `text` stands."""
        assert self._first is not None
        for found in self._first.finditer(text, max(0, len(text) - self._longest + 1)):
            start = found.start()
            rest = len(text) - start
            for form in self._by_first[found.group()]:
                if len(form) <= rest:
                    break
                if text.startswith(form[:rest], start):
                    return start
        return len(text)


def _forms(secret: str) -> Iterator[str]:
    """Every form in which `secret` is looked for."""
    for value in {secret, secret.strip()}:
        yield from _written(value)
        data = value.encode("utf-8", "surrogatepass")
        yield data.hex()
        yield data.hex().upper()
        yield from _base64(data)
    lines = secret.splitlines()
    if len(lines) > 1:
        for line in lines:
            if len(line.strip()) >= SHORTEST:
                yield from _written(line.strip())


def _written(value: str) -> Iterator[str]:
    """Text as it is, and as it is written in JSON, URLs, HTML and shell."""
    import html
    import json
    from urllib.parse import quote, quote_plus

    yield value
    for ascii_only in (True, False):
        escaped = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")
        yield json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
    data = value.encode("utf-8", "surrogatepass")
    for encoded in (quote(data, safe=""), quote(data, safe="/"), quote_plus(data)):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), encoded)
    yield html.escape(value)
    yield html.escape(value, quote=False)
    yield value.replace("'", "'\\''")
    yield value.replace("'", "'\"'\"'")


def _base64(data: bytes) -> Iterator[str]:
    """Base64 of `data` alone, and what is always the same of it when it stands inside longer data."""
    from base64 import b64encode, urlsafe_b64encode

    for encode in (b64encode, urlsafe_b64encode):
        whole = encode(data).decode()
        yield whole
        yield whole.rstrip("=")
        for shift in range(3):
            start = (0, 2, 3)[shift]
            end = (shift + len(data)) * 8 // 6
            yield encode(b"\0" * shift + data).decode()[start:end]
