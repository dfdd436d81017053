"""Expressions: Jinja2's expression language over JSON, closed, and without Jinja2 for the common shapes.

    a-b.result.items | length > 2 and inputs.mode in ["fast", "full"]

`parse_expression` binds each reference to a position and checks the rest against closed lists; `evaluate`
takes the values in that order. References, comparisons and `in` of references and literals, joined by `and`,
`or` and `not`, are evaluated here and give what Jinja2 would give; `sandbox`, which imports it, does the rest.
Values are data: text in them is never parsed.
"""

from __future__ import annotations

import operator
import re
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from mplp_cli.errors import ExpressionError, UnresolvedReferenceError
from mplp_cli.workflow.language.lexer import ExpressionSyntaxError, Lexer, Word
from mplp_cli.workflow.language.references import Missing, Reference, kind_of, parse_reference
from mplp_cli.workflow.values import Json

__all__ = [
    "Clause",
    "Expression",
    "ExpressionSyntaxError",
    "Missing",
    "evaluate",
    "evaluate_condition",
    "parse_expression",
]


class Clause(Struct, frozen=True, gc=False):
    """`[not] left [operator right]`. An operand counts values from 0 and literals down from -1."""

    left: int
    operator: str = ""
    right: int = 0
    negated: bool = False


class Expression(Struct, frozen=True):
    """One parsed expression. `names` are its references, each once; their values come in that order.

    `anyof` is the quick form: clauses joined by `and`, and those groups by `or`. Without it, `text` is for
    the sandbox.
    """

    source: str
    names: tuple[Reference, ...] = ()
    anyof: tuple[tuple[Clause, ...], ...] = ()
    literals: tuple[Json, ...] = ()
    text: str = ""


_ONE: tuple[tuple[Clause, ...], ...] = ((Clause(0),),)


# ---- parsing -----------------------------------------------------------------------------------


def parse_expression(source: str, ids: Container[str], *, condition: bool = False) -> Expression:
    """The expression that `source` is. `condition`: `${...}` and `$<...>` may bracket values in it.

    ExpressionSyntaxError if it is not in the language. A step id that is not in `ids` is left to the reader
    of `names`.
    """
    plain = parse_reference(source, ids)
    if plain is not None:
        return Expression(source, (plain,), _ONE)
    lexer = Lexer(source, ids, brackets=condition)
    lexer.read()
    words = lexer.words
    if not words:
        raise ExpressionSyntaxError("expr-syntax", "the expression is empty")
    literals: list[Json] = []
    anyof = _quick(words, literals)
    if anyof:
        return Expression(source, tuple(lexer.names), _shared(anyof), tuple(literals))
    return Expression(source, tuple(lexer.names), text=_checked(words))


@lru_cache(maxsize=1_024)
def _shared(anyof: tuple[tuple[Clause, ...], ...]) -> tuple[tuple[Clause, ...], ...]:
    """The same quick form, in memory once: many steps ask the same of different names."""
    return anyof


def _checked(words: list[Word]) -> str:
    """The text for the sandbox, one word a line, after its grammar has been checked."""
    from mplp_cli.workflow.language import grammar

    text = sys.intern("\n".join(word.text for word in words))
    try:
        grammar.check(text)
    except grammar.RefusedError as error:
        line = error.line
        for word in words:
            line -= 1 + word.text.count("\n")
            if line <= 0:
                break
        raise ExpressionSyntaxError(error.code, error.message, word.offset, error.hint) from None
    return text


def _quick(words: list[Word], literals: list[Json]) -> tuple[tuple[Clause, ...], ...]:
    """The quick form, empty if the words are not of that shape. `literals` is filled."""
    groups: list[tuple[Clause, ...]] = []
    group: list[Clause] = []
    at = 0
    while True:
        negated = at < len(words) and words[at].text == "not" and words[at].kind == "word"
        left, at = _operand(words, at + negated, literals)
        if left is None:
            return ()
        sign, width = _operator(words, at)
        if sign:
            right, at = _operand(words, at + width, literals)
            if right is None:
                return ()
            group.append(Clause(left, sign, right, negated))
        else:
            group.append(Clause(left, negated=negated))
        joint = words[at] if at < len(words) else None
        if joint is None or (joint.kind == "word" and joint.text == "or"):
            groups.append(tuple(group))
            group = []
        elif joint.kind != "word" or joint.text != "and":
            return ()
        if joint is None:
            return tuple(groups)
        at += 1


_CONSTANTS = {"true": True, "True": True, "false": False, "False": False, "none": None, "None": None}


def _operand(words: list[Word], at: int, literals: list[Json]) -> tuple[int | None, int]:
    """The operand at a place and the place behind it; None if no quick operand is there."""
    minus = at < len(words) and words[at].text == "-" and words[at].kind == "other"
    at += minus
    if at >= len(words):
        return None, at
    word = words[at]
    if word.kind == "reference" and not minus:
        return int(word.value), at + 1
    if word.kind == "literal" and not (minus and isinstance(word.value, str)):
        literals.append(-word.value if minus else word.value)
    elif word.kind == "word" and word.text in _CONSTANTS and not minus:
        literals.append(_CONSTANTS[word.text])
    else:
        return None, at
    return -len(literals), at + 1


def _operator(words: list[Word], at: int) -> tuple[str, int]:
    """The comparison at a place and how many words it takes; empty if there is none."""
    if at >= len(words):
        return "", 0
    word = words[at]
    if word.kind == "word" and word.text == "not" and at + 1 < len(words) and words[at + 1].text == "in":
        return "not in", 2
    found = word.text in _OPERATORS and word.kind != "literal"
    return (word.text, 1) if found else ("", 0)


# ---- evaluating --------------------------------------------------------------------------------

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda left, right: left in right,
    "not in": lambda left, right: left not in right,
}


def evaluate(expression: Expression, values: Sequence[Json | Missing]) -> Json:
    """The value of an expression, JSON. `values` are those of its names, in order.

    UnresolvedReferenceError if a missing value is used, ExpressionError if the operation makes no sense or
    its result is too large.
    """
    try:
        if expression.anyof:
            return _evaluate_quick(expression, values)
        from mplp_cli.workflow.language import sandbox

        return sandbox.run(expression.text, values)
    except ExpressionError as error:
        raise ExpressionError(f"{error.message}, in `{_short(expression)}`", hint=error.hint) from None
    except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        raise ExpressionError(f"{_plainly(error)}, in `{_short(expression)}`") from None


def evaluate_condition(expression: Expression, values: Sequence[Json | Missing]) -> bool:
    """The truth of a condition. ExpressionError if it is neither true nor false."""
    value = evaluate(expression, values)
    if value is True or value is False:
        return value
    source = _short(expression)
    if value is None:
        hint = f"write `{source} is not none`"
    elif isinstance(value, str):
        hint = f'compare it: `{source} == "..."`'
    elif isinstance(value, int | float):
        hint = f"compare it: `{source} > 0`"
    else:
        hint = f"write `{source} | length > 0`"
    what = kind_of(value) + (f" ({value!r})" if isinstance(value, int | float) else "")
    raise ExpressionError(f"a condition is true or false, and `{source}` is {what}", hint=hint)


def _short(expression: Expression) -> str:
    source = expression.source
    return source if len(source) <= 200 else f"{source[:197]}..."


def _evaluate_quick(expression: Expression, values: Sequence[Json | Missing]) -> Json:
    literals = expression.literals
    value: Json = None
    for group in expression.anyof:
        for clause in group:
            value = _operand_value(clause.left, values, literals)
            if clause.operator:
                right = _operand_value(clause.right, values, literals)
                value = _OPERATORS[clause.operator](value, right)
            if clause.negated:
                value = not value
            if not value:
                break
        if value:
            return value
    return value


def _operand_value(operand: int, values: Sequence[Json | Missing], literals: tuple[Json, ...]) -> Json:
    if operand < 0:
        return literals[-operand - 1]
    value = values[operand]
    if type(value) is Missing:
        raise UnresolvedReferenceError(value.reason)
    return value


# ---- saying what went wrong --------------------------------------------------------------------

_KINDS = {
    "int": "a number",
    "float": "a number",
    "str": "text",
    "bool": "a boolean",
    "NoneType": "null",
    "list": "a list",
    "dict": "a map",
}
#: What Python says, and how it is said here; types among the groups become kinds.
_SAYINGS = (
    (r"'(\S+)' not supported between .* '(\w+)' and '(\w+)'", "`{}` does not work between {} and {}"),
    (r"operand type\(s\) for (\S+): '(\w+)' and '(\w+)'", "`{}` does not work between {} and {}"),
    (r"bad operand type for unary (\S): '(\w+)'", "`{}` does not work before {}"),
    (r"bad operand type for abs\(\): '(\w+)'", "`abs` is for numbers, not for {}"),
    (r"argument of type '(\w+)' is not (?:iterable|a container)", "nothing is `in` {}"),
    (r"'in <string>' requires string as left operand, not (\w+)", "only text is `in` text, not {}"),
    (r"unhashable type: '(\w+)'", "{} cannot be looked up as a key"),
    (r"'(\w+)' object is not (?:iterable|reversible|subscriptable|a mapping)", "{} has no elements"),
    (r"object of type '(\w+)' has no len\(\)", "{} has no length"),
    (r"'(\w+)' object cannot be interpreted as an integer", "a whole number is wanted here, not {}"),
    (r"slice indices must be integers", "a slice is between whole numbers"),
    (r"Can't get last item of iterator|pop from an empty", "there is nothing"),
)


def _plainly(error: Exception) -> str:
    """Python's complaint in the words of the language."""
    if isinstance(error, ZeroDivisionError):
        return "a number is divided by zero"
    if isinstance(error, ArithmeticError):
        return "a number is too large"
    if isinstance(error, RecursionError):
        return "the values are nested too deeply"
    text = str(error)
    for theirs, ours in _SAYINGS:
        if found := re.search(theirs, text):
            return ours.format(*[_KINDS.get(word, word) for word in found.groups()])
    return re.sub(r"\b\w+(?:\.<locals>\.\w+|\.\w+)*\(\) ", "a filter ", text) or type(error).__name__
