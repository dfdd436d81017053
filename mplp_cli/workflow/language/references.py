"""References: where text holds `${...}` or `$<...>`, what a plain one names, how a value is reached.

    ${a-b.result.items[0].name}     a step's result (also .status, .error, .attempts)
    $<inputs.tag>                   the same grammar, for text in which `${` belongs to somebody else
    $${  and  $$<                   the two openings as literal text

`${` ends at its own `}`: braces, brackets and quotes inside are honoured. `$<` ends at the first `>` outside
quotes and brackets, so a comparison with `>` belongs into `${ }` or into parentheses. `$<` that no name
follows is plain text; `${` is never plain text, because `$${` exists.

A hyphen belongs to the name it stands in (`a-b`, `content-type`): minus needs spaces. Keys that begin with an
underscore, and keys with other characters, are written in brackets: `a.result["_id"]`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from difflib import get_close_matches

from msgspec import Struct, json

from mplp_cli.errors import ExpressionError, UnresolvedReferenceError
from mplp_cli.workflow.values import Json

#: What a reference may begin with, besides a step's id.
SCOPES = ("inputs", "env", "secrets", "workflow", "run", "item", "index", "event")
#: What a step offers to references.
STEP_FIELDS = ("result", "status", "error", "attempts")
#: Words of the expression language.
KEYWORDS = frozenset([
    "and", "or", "not", "in", "is", "if", "else", "range",
    "true", "false", "none", "null", "True", "False", "None",
])  # fmt: skip
#: Names that no step may have.
WORDS = KEYWORDS.union(SCOPES)

#: One part of a path after the first name.
_KEY = r"[^\W\d_]\w*(?:-+\w+)*"
_PART = rf"\.{_KEY}|\.[0-9]{{1,9}}(?!\w)|\[\s*-?[0-9]{{1,9}}\s*\]|\[\s*(?:\"[^\"\\\n]*\"|'[^'\\\n]*')\s*\]"
#: A name with its path, as far as it is plain.
CHAIN = re.compile(rf"([A-Za-z][A-Za-z0-9_-]*)((?:{_PART})*)")
_PARTS = re.compile(_PART)

_OPENING = re.compile(r"\$\$[{<]|\$\{|\$<(?=[A-Za-z])")
_SIMPLE = {"{": re.compile(r"[^\"'{}()]*\}"), "<": re.compile(r"[^\"'{}()\[\]<>]*>")}
_MARK = re.compile(r"[\"'(){}\[\]>]")
_QUOTED = {'"': re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL), "'": re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)}
_CLOSES = {")": "(", "]": "[", "}": "{"}


class ReferenceSyntaxError(ValueError):
    """A bracket is not closed or holds nothing. `offset` counts characters from the start of the text."""

    def __init__(self, message: str, offset: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint


class Bracket(Struct, frozen=True):
    """One `${...}` or `$<...>`: text[start:end]. `source` is the inside, stripped; it begins at `inner`."""

    source: str
    start: int
    end: int
    inner: int


class Reference(Struct, frozen=True, gc=False):
    """What a plain reference names. `scope` is `step` (with `step` and `field`) or one of SCOPES.

    With the scope `item`, `step` is the name that a foreach gives its items; empty for `item` itself.
    """

    scope: str
    step: str = ""
    field: str = ""
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        root = f"{self.step}.{self.field}" if self.scope == "step" else self.step or self.scope
        return written(root, self.path)


class Names:
    """What references may begin with besides SCOPES: the ids of steps, and the names of items in force."""

    def __init__(self, ids: Collection[str]) -> None:
        self._ids = ids
        self.items: frozenset[str] = frozenset()

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter((*self._ids, *self.items))


class Missing(Struct, frozen=True, gc=False):
    """Stands for the value of a reference that has none; `reason` says why."""

    reason: str


def written(root: str, path: Iterable[str | int]) -> str:
    """A path as it is written in a file: `a.result.items[0]["odd key"]`."""
    parts = [root]
    for key in path:
        if isinstance(key, str):
            parts.append(f".{key}" if re.fullmatch(_KEY, key) else f'["{key}"]')
        else:
            parts.append(f"[{key}]")
    return "".join(parts)


# ---- brackets in text --------------------------------------------------------------------------


def split_text(text: str) -> list[str | Bracket]:
    """The pieces of `text` in order, literal text unescaped. ReferenceSyntaxError for an unclosed bracket."""
    if "${" not in text and "$<" not in text:
        return [text] if text else []
    pieces: list[str | Bracket] = []
    literal = ""
    at = 0
    while opening := _OPENING.search(text, at):
        start = opening.start()
        literal += text[at:start]
        at = opening.end()
        if at - start == 3:
            literal += text[start + 1 : at]
            continue
        if literal:
            pieces.append(literal)
            literal = ""
        pieces.append(bracket := bracket_at(text, start))
        at = bracket.end
    literal += text[at:]
    if literal:
        pieces.append(literal)
    return pieces


def bracket_at(text: str, start: int) -> Bracket:
    """The bracket that opens at `start`. ReferenceSyntaxError if it is not closed or holds nothing."""
    end = bracket_end(text, start)
    inside = text[start + 2 : end - 1]
    source = inside.strip()
    if not source:
        raise ReferenceSyntaxError("the brackets hold nothing", start, "write `$${` for a literal `${`")
    return Bracket(source, start, end, start + 2 + len(inside) - len(inside.lstrip()))


def bracket_end(text: str, start: int) -> int:
    """The offset just after the bracket that opens at `start`. ReferenceSyntaxError if it is not closed."""
    kind = text[start + 1]
    if simple := _SIMPLE[kind].match(text, start + 2):
        return simple.end()
    end = "}" if kind == "{" else ">"
    open_: list[str] = []
    at = start + 2
    while mark := _MARK.search(text, at):
        char = mark.group()
        at = mark.end()
        if char == end and not (open_ if char == ">" else "{" in open_):
            return at
        if char in _QUOTED:
            quoted = _QUOTED[char].match(text, mark.start())
            if quoted is None:
                raise ReferenceSyntaxError(f"a {char} inside the brackets is not closed", mark.start())
            at = quoted.end()
        elif char in "([{":
            open_.append(char)
        elif char in _CLOSES and _CLOSES[char] in open_:
            while open_.pop() != _CLOSES[char]:
                pass
    raise ReferenceSyntaxError(
        f"`${kind}` is not closed by `{end}`", start, f"write `$${kind}` for a literal `${kind}`"
    )


# ---- plain references --------------------------------------------------------------------------


def parse_reference(source: str, ids: Container[str]) -> Reference | None:
    """The plain reference that `source` is, else None: an expression, or an error that `parse_expression`
    explains. `name.field` with a name that is not in `ids` is one too: the plan reports the name."""
    chain = CHAIN.fullmatch(source)
    return None if chain is None else reference_of(chain, ids)


def reference_of(chain: re.Match[str], ids: Container[str]) -> Reference | None:
    """The reference that a match of CHAIN is; None if neither a scope nor shaped like a step's field."""
    head, tail = chain.groups()
    path = _path(tail) if tail else ()
    if head in SCOPES:
        return Reference(head, path=path)
    if isinstance(ids, Names) and head in ids.items:
        return Reference("item", head, path=path)
    field = path[0] if path else None
    if not isinstance(field, str) or head in KEYWORDS or (head in ids and field not in STEP_FIELDS):
        return None
    return Reference("step", head, field, path[1:])


def _path(tail: str) -> tuple[str | int, ...]:
    return tuple([_key(part) for part in _PARTS.findall(tail)])


def _key(part: str) -> str | int:
    if part[0] == ".":
        name = part[1:]
        return int(name) if name.isdecimal() else name
    inside = part[1:-1].strip()
    return inside[1:-1] if inside[0] in "\"'" else int(inside)


# ---- values ------------------------------------------------------------------------------------


def text_of(value: Json) -> str:
    """A value inside longer text: scalars as text, lists and maps as compact JSON; null is an error."""
    if isinstance(value, str):
        return value
    if value is None:
        raise UnresolvedReferenceError("null cannot stand inside text", hint='write `| default("", true)`')
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError(f"{value} is not a number that JSON knows")
    return json_text(value)


def json_text(value: Json) -> str:
    """Compact JSON, characters beyond ASCII kept."""
    try:
        return json.encode(value).decode()
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ExpressionError(f"the value cannot be written as JSON: {error}") from None


def follow(value: Json, path: Sequence[str | int], where: str) -> Json:
    """What lies at `path` in `value` (`where` names it in messages). UnresolvedReferenceError if nothing."""
    for depth, key in enumerate(path):
        if not has(value, key):
            raise UnresolvedReferenceError(missing(value, key, written(where, path[:depth])))
        value = value[key]
    return value


def has(value: Json, key: str | int) -> bool:
    """Whether `value` is a map with that key, or a list with that index (negative: from its end)."""
    if isinstance(key, str):
        return isinstance(value, dict) and key in value
    return isinstance(value, list) and -len(value) <= key < len(value)


def missing(value: Json, key: str | int, where: str) -> str:
    """Why `key` is not in `value`, which `where` names, with the nearest names."""
    if isinstance(value, dict) and isinstance(key, str):
        close = nearest(key, value)
        if close:
            more = f"; did you mean {either(close)}?"
        elif "-" in key and key.partition("-")[0] in value:
            more = "; minus needs spaces"
        elif value:
            names = sorted(map(str, value))
            more = f"; it has {', '.join(names[:8])}" + (", ..." if len(names) > 8 else "")
        else:
            more = "; it is empty"
        return f"`{where}` has no `{key}`{more}"
    if isinstance(value, list) and isinstance(key, int):
        count = "1 element" if len(value) == 1 else f"{len(value)} elements"
        return f"`{where}` has {count}; there is no [{key}]"
    wanted = "keys" if isinstance(key, str) else "elements"
    return f"`{where}` is {kind_of(value)}, which has no {wanted}: nothing is at `{written(where, (key,))}`"


def kind_of(value: object) -> str:
    """What sort of value it is, in words with an article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a map" if isinstance(value, dict) else "a list"


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The names most like `name`, best first; only ones of about its length are looked at."""
    close = [other for other in names if abs(len(other) - len(name)) <= 3]
    return get_close_matches(name, close[:2000], count, 0.6)


def either(names: Sequence[str]) -> str:
    """Names as a choice: "`a`, `b` or `c`"."""
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
