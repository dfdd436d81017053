"""The words of an expression: references become bound names `v0`, `v1`, ...; all else is known or refused.

What comes out is text for Jinja2's parser, one word a line, so that a line number of its errors leads back to
a place in the source. Nothing here knows Jinja2. The words that an expression may use are closed lists:
whatever is not in them is refused here, by name and with its place.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from math import isfinite
from typing import Literal, NoReturn

from msgspec import Struct

from mplp_cli.workflow.language.references import (
    CHAIN,
    KEYWORDS,
    SCOPES,
    STEP_FIELDS,
    Reference,
    ReferenceSyntaxError,
    bracket_at,
    either,
    nearest,
    reference_of,
)
from mplp_cli.workflow.values import Json

MAX_SOURCE = 4_096
MAX_DEPTH = 50

#: The filters of the language: `value | name(arguments)`.
FILTERS = frozenset([
    "abs", "batch", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "join",
    "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round",
    "select", "selectattr", "sort", "split", "string", "sum", "title", "tojson", "trim", "unique", "upper",
])  # fmt: skip
#: The tests of the language: `value is name`, `value is not name`.
TESTS = frozenset([
    "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "greaterthan", "gt",
    "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd",
    "sequence", "string", "true", "undefined", "upper",
])  # fmt: skip

#: Why a filter that people know from elsewhere is not there.
_REFUSED_FILTERS = {
    "attr": "it would reach into objects; a key is reached by `value.key`",
    "format": "join text with `~`",
    "random": "a run must be repeatable",
    "safe": "nothing is escaped, so nothing has to be marked safe",
}
_FILTERS_ARE = "filters are written `value | name`"
_HINTS = {
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`",
    "?": "write `a if condition else b`",
    "=": "write `==` to compare",
    "^": "there are no operators on bits",
    "`": "quote text with \" or '",
    ";": "an expression is one value; there are no statements",
}

_INK = re.compile(r"\S")
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?(?![\w.])")
_NAME = re.compile(r"\w+(?:-+\w+)*")
_OPERATOR = re.compile(r"==|!=|<=|>=|//|[-+*/%~<>()\[\]{},:.|=]")
_NOT = re.compile(r"not\b")
_FIELD = re.compile(r"^\.([\w-]+)")
_ASSIGNED = re.compile(r"[A-Za-z]\w*(?=\s*=(?!=))")
_QUOTED_REFERENCE = re.compile(r"(?<!\$)\$(?:\{|<[A-Za-z])")

Kind = Literal["reference", "literal", "word", "other"]


class ExpressionSyntaxError(ValueError):
    """An expression that is not in the language. `offset` counts characters from the start of its source."""

    def __init__(self, code: str, message: str, offset: int = 0, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset
        self.hint = hint


class Word(Struct, frozen=True):
    """One word: its text for the parser, what it is, its place, and for a literal its value.

    `literal` marks numbers and simple text; text with escapes is `other`, because the parser reads it."""

    text: str
    kind: Kind
    offset: int
    value: Json = None


class Lexer:
    """Reads one source. Afterwards `words` and `names` (each reference once, in order of appearance) stand."""

    def __init__(self, source: str, ids: Container[str], *, brackets: bool) -> None:
        self.source = source
        self.ids = ids
        self.brackets = brackets
        self.words: list[Word] = []
        self.names: list[Reference] = []
        self.depth = 0
        if len(source) > MAX_SOURCE:
            self.refuse("expr-too-large", f"an expression has at most {MAX_SOURCE} characters")

    def read(self) -> None:
        """Read all of the source. ExpressionSyntaxError for anything that is not in the language."""
        self.read_part(0, len(self.source))

    def refuse(self, code: str, message: str, offset: int = 0, hint: str | None = None) -> NoReturn:
        raise ExpressionSyntaxError(code, message, offset, hint)

    def read_part(self, at: int, end: int) -> None:
        """Read source[at:end]."""
        source = self.source
        while ink := _INK.search(source, at, end):
            at = ink.start()
            char = source[at]
            if char.isalpha() or char == "_":
                at = self.name(at, end)
            elif char in "\"'":
                at = self.string(at, end)
            elif char.isdigit():
                at = self.number(at, end)
            elif char == "$":
                at = self.bracket(at)
            else:
                at = self.operator(at, end)

    def add(self, text: str, kind: Kind, offset: int, value: Json = None) -> None:
        self.words.append(Word(text, kind, offset, value))

    def before(self, back: int = 1) -> str:
        """The text of an earlier word, empty if there is none."""
        return self.words[-back].text if len(self.words) >= back else ""

    # ---- literals ------------------------------------------------------------------------------

    def string(self, at: int, end: int) -> int:
        match = _STRING.match(self.source, at, end)
        if match is None:
            self.refuse("expr-syntax", "the quoted text is not closed", at)
        text = match.group()
        if "$" in text:
            if quoted := _QUOTED_REFERENCE.search(text):
                self.refuse(
                    "expr-quoted-reference",
                    "a reference inside quotes would be plain text",
                    at + quoted.start(),
                    "leave the quotes away, join with `~`, or write `$${` for a literal `${`",
                )
            text = text.replace("$${", "${").replace("$$<", "$<")
        simple = "\\" not in text and text.isprintable()
        self.add(text, "literal" if simple else "other", at, text[1:-1] if simple else None)
        return match.end()

    def number(self, at: int, end: int) -> int:
        match = _NUMBER.match(self.source, at, end)
        if match is None:
            self.refuse("expr-syntax", "this is not a number", at, "write numbers as in JSON: 5, 0.5, 1e3")
        text = match.group()
        whole = match.group(1) is None and match.group(2) is None
        small = len(text) <= 20 and int(text).bit_length() <= 64 if whole else isfinite(float(text))
        if not small:
            self.refuse("expr-too-large", "the number does not fit into 64 bits", at)
        self.add(text, "literal", at, int(text) if whole else float(text))
        return match.end()

    # ---- brackets and operators ----------------------------------------------------------------

    def bracket(self, at: int) -> int:
        """`${...}` or `$<...>` inside a condition: the value of what it holds."""
        source = self.source
        if source[at : at + 2] not in ("${", "$<"):
            self.refuse("expr-syntax", "`$` has no meaning here", at)
        if not self.brackets:
            self.refuse("expr-syntax", "brackets stand inside brackets", at, "leave the inner ones away")
        try:
            bracket = bracket_at(source, at)
        except ReferenceSyntaxError as error:
            raise ExpressionSyntaxError("ref-syntax", error.message, error.offset, error.hint) from None
        first = len(self.words)
        self.brackets = False
        self.read_part(bracket.inner, bracket.inner + len(bracket.source))
        self.brackets = True
        # Parentheses keep the inside together; where it cannot fall apart they would only cost.
        if len(self.words) - first > 1 and not (at == 0 and bracket.end == len(source.rstrip())):
            self.words.insert(first, Word("(", "other", at))
            self.add(")", "other", bracket.end - 1)
        return bracket.end

    def operator(self, at: int, end: int) -> int:
        match = _OPERATOR.match(self.source, at, end)
        char = self.source[at]
        if match is None:
            self.refuse("expr-syntax", f"`{char}` has no meaning in an expression", at, _HINTS.get(char))
        text = match.group()
        if self.source.startswith(("**", "||", "&&", "=>"), at):
            two = self.source[at : at + 2]
            self.refuse("expr-syntax", f"there is no operator `{two}`", at, _HINTS.get(char))
        argument = bool(self.words) and self.words[-1].kind == "word" and self.before(2) in ("(", ",")
        if text == "=" and not argument:
            self.refuse("expr-syntax", "`=` compares nothing", at, _HINTS["="])
        if text in "([{":
            self.depth += 1
            if self.depth > MAX_DEPTH:
                self.refuse("expr-too-large", f"more than {MAX_DEPTH} brackets inside each other", at)
            if text == "(":
                self.check_call(at)
        elif text in ")]}":
            self.depth -= 1
        self.add(text, "other", at)
        return match.end()

    def check_call(self, at: int) -> None:
        """Only filters, tests and `range` take arguments."""
        last = self.words[-1] if self.words else None
        if last is not None and (
            last.kind in ("reference", "literal") or last.text.endswith((")", "]", "}"))
        ):
            self.refuse("expr-call", "values and methods cannot be called", at, _FILTERS_ARE)

    # ---- names ---------------------------------------------------------------------------------

    def name(self, at: int, end: int) -> int:
        """A keyword, the name of a filter, test, key or argument, or a reference with its path."""
        before = self.before()
        if before == ".":
            return self.key(at, end)
        if before == "|":
            return self.listed("filter", FILTERS, at, end)
        if before == "is" or (before == "not" and self.before(2) == "is"):
            if before == "is" and (negation := _NOT.match(self.source, at, end)):
                self.add("not", "word", at)
                return negation.end()
            return self.listed("test", TESTS, at, end)
        if before in ("(", ",") and (assigned := _ASSIGNED.match(self.source, at, end)):
            self.add(assigned.group(), "word", at)
            return assigned.end()
        chain = CHAIN.match(self.source, at, end)
        if chain is None:
            self.underscore(at, end)
        head = chain.group(1)
        if head in KEYWORDS:
            return self.keyword(head, at, chain.end(1))
        reference = reference_of(chain, self.ids)
        if reference is None:
            self.unknown(chain, at)
        if reference not in self.names:
            self.names.append(reference)
        number = self.names.index(reference)
        self.add(f"v{number}", "reference", at, number)
        return chain.end()

    def keyword(self, word: str, at: int, end: int) -> int:
        if word == "range" and not self.source[end:].lstrip().startswith("("):
            self.refuse("expr-syntax", "`range` needs its arguments", at, "write `range(5)`")
        self.add("none" if word == "null" else word, "word", at)
        return end

    def key(self, at: int, end: int) -> int:
        """A key after a dot that does not belong to a plain reference: `(...).key`."""
        match = _NAME.match(self.source, at, end)
        if match is None or match.group().startswith("_"):
            self.underscore(at, end)
        self.words.pop()
        key = f'["{match.group()}"]'
        self.add(key, "other", at)
        if self.source[match.end() :].lstrip().startswith("("):
            self.refuse("expr-call", "values and methods cannot be called", at, _FILTERS_ARE)
        return match.end()

    def listed(self, what: str, known: frozenset[str], at: int, end: int) -> int:
        """The name of a filter or a test: one of a closed list."""
        match = _NAME.match(self.source, at, end)
        name = match.group() if match else ""
        if name not in known:
            code = f"expr-unknown-{what}"
            if what == "filter" and name in _REFUSED_FILTERS:
                self.refuse(code, f"the filter `{name}` is not offered", at, _REFUSED_FILTERS[name])
            self.refuse(code, f"there is no {what} `{name}`", at, guess(name, known))
        self.add(name, "word", at)
        return at + len(name)

    def underscore(self, at: int, end: int) -> NoReturn:
        match = _NAME.match(self.source, at, end)
        name = match.group() if match else self.source[at]
        self.refuse(
            "expr-unknown-name",
            f"`{name}` is no name: names begin with a letter from a to z",
            at,
            f'a key is written `["{name}"]`' if self.before() == "." else None,
        )

    def unknown(self, chain: re.Match[str], at: int) -> NoReturn:
        """Say why a name is neither a scope nor a step's field."""
        head, tail = chain.groups()
        if self.source[chain.end(1) :].lstrip().startswith("("):
            self.refuse(
                "expr-call",
                f"`{head}` cannot be called: there are no functions but `range`",
                at,
                f"write `value | {head}`" if head in FILTERS else _FILTERS_ARE,
            )
        fields = either([f"{head}.{field}" for field in STEP_FIELDS])
        if head in self.ids:
            field = "".join(_FIELD.findall(tail)[:1])
            close = nearest(field, STEP_FIELDS)
            if field:
                hint = f"did you mean `{head}.{close[0]}`?" if close else f"there are {fields}"
                self.refuse("expr-unknown-field", f"a step has no `{field}`", at, hint)
            self.refuse("expr-unknown-field", f"`{head}` is a step, not a value", at, f"write {fields}")
        start = head.partition("-")[0]
        if "-" in head and (start in SCOPES or start in self.ids):
            self.refuse("expr-unknown-name", f"there is no `{head}`", at, "minus needs spaces")
        ids = self.ids if isinstance(self.ids, Iterable) else ()
        near = guess(head, [*SCOPES, *ids])
        self.refuse("expr-unknown-name", f"there is no `{head}`", at, near or f'text is quoted: "{head}"')


def guess(name: str, known: Iterable[str]) -> str | None:
    """A hint with the names most like `name`."""
    close = nearest(name, known)
    return f"did you mean {either(close)}?" if close else None
