"""Evaluates what the quick path of `expressions` cannot: Jinja2's compiler in a closed, measured environment.

- A name without a value raises where it is used; only `default` and `is defined` may look at it.
- Keys reach keys: Python's attributes and methods do not exist here, and nothing can be called.
- Filters and tests are closed lists, also for those that other filters are told to call.

This module imports Jinja2; `expressions` imports it on first use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, Undefined, UndefinedError, nodes, pass_context
from jinja2.exceptions import TemplateError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from mplp_cli.errors import ExpressionError, UnresolvedReferenceError
from mplp_cli.workflow.language.filters import own_filters
from mplp_cli.workflow.language.grammar import CONCAT, NEED, RANGE, SETTLE, closed_tree
from mplp_cli.workflow.language.lexer import FILTERS, TESTS
from mplp_cli.workflow.language.measuring import Work, check_scalar, size_of, within
from mplp_cli.workflow.language.references import Missing, has, kind_of, missing, text_of
from mplp_cli.workflow.values import Json

MAX_RANGE = 10_000
#: The name under which an evaluation's `Work` is handed to its steps. No source can name it.
_WORK = "work!"


class _Absent(StrictUndefined):
    """A value that is not there."""

    __slots__ = ()

    @property
    def reason(self) -> str:
        return self._undefined_message


# ---- steps that the grammar puts into every tree -----------------------------------------------


def _need(value: Any) -> Json:
    if isinstance(value, _Absent):
        raise UnresolvedReferenceError(value.reason)
    return value


@pass_context
def _settle(context: Context, value: Any) -> Any:
    """What a filter gave as plain JSON, measured. Generators are read to their end, or to the limit."""
    work: Work = context[_WORK]
    if isinstance(value, Undefined):
        return value
    if not isinstance(value, list | tuple | Iterator):
        work.take(size_of(value))
        return value
    settled: list[Json] = []
    total = 1
    for item in value:
        whole = _need(_settle(context, item) if isinstance(item, tuple | Iterator) else item)
        size = size_of(whole)
        work.take(size)
        total = within(total + size)
        settled.append(whole)
    return settled


@pass_context
def _range(context: Context, arguments: list[Json]) -> list[int]:
    numbers = range(*arguments)
    if len(numbers) > MAX_RANGE:
        raise ExpressionError(f"`range` gives at most {MAX_RANGE:,} numbers")
    context[_WORK].take(len(numbers))
    return list(numbers)


@pass_context
def _concat(context: Context, parts: list[Json]) -> str:
    texts = [text_of(part) for part in parts]
    context[_WORK].take(within(sum(map(len, texts))))
    return "".join(texts)


@pass_context
def _among(context: Context, value: Json, seq: Any) -> bool:
    """The test `in`, which `select` may ask once for every element."""
    context[_WORK].take(len(seq))
    return value in seq


# ---- the environment ---------------------------------------------------------------------------


class _Environment(SandboxedEnvironment):
    """Jinja2 over plain JSON instead of Python objects, with measured arithmetic."""

    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])
    intercepted_unops = frozenset(["+", "-"])

    def __init__(self) -> None:
        super().__init__(undefined=_Absent, optimized=False, autoescape=False, cache_size=0)
        own = own_filters(self.filters)
        steps = {NEED: _need, SETTLE: _settle, CONCAT: _concat, RANGE: _range}
        self.filters = {name: own.get(name) or self.filters[name] for name in FILTERS} | steps
        self.tests = {name: self.tests[name] for name in TESTS} | {"in": _among}
        self.globals = {}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Jinja2's filters come here for attributes; there are only keys."""
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """The value at a key or an index. What is not there passes through a path, with its reason."""
        if isinstance(obj, Undefined):
            return obj
        if isinstance(argument, bool) or not isinstance(argument, str | int):
            raise ExpressionError(f"a key is text or a whole number, not {kind_of(argument)}")
        if isinstance(obj, str) and isinstance(argument, int) and -len(obj) <= argument < len(obj):
            return obj[argument]
        return obj[argument] if has(obj, argument) else _Absent(missing(obj, argument, "the value"))

    def call_filter(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """A filter that another one (`map`) was told to call."""
        if name not in FILTERS:
            raise ExpressionError(f"there is no filter `{name}`")
        return _settle(kwargs["context"], super().call_filter(name, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic. What would grow is measured first; `%` formats nothing."""
        if isinstance(left, int | float) and isinstance(right, int | float):
            result = super().call_binop(context, operator, left, right)
            check_scalar(result)
            return result
        if operator == "*" and isinstance(left, int):
            left, right = right, left
        if operator == "*" and isinstance(left, str | list) and isinstance(right, int):
            context[_WORK].take(within(size_of(left) * max(right, 0)))
        elif operator == "+" and type(left) is type(right) and isinstance(left, str | list):
            context[_WORK].take(within(size_of(left) + size_of(right)))
        else:
            kinds = f"{type(left).__name__!r} and {type(right).__name__!r}"
            raise TypeError(f"unsupported operand type(s) for {operator}: {kinds}")
        return super().call_binop(context, operator, left, right)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        result = super().call_unop(context, operator, arg)
        check_scalar(result)
        return result


@lru_cache(maxsize=1)
def _environment() -> _Environment:
    return _Environment()


@lru_cache(maxsize=512)
def _compiled(text: str) -> Template:
    result = nodes.Assign(nodes.Name("result", "store", lineno=1), closed_tree(text), lineno=1)
    template = nodes.Template([result], lineno=1)
    template.set_environment(_environment())
    return _environment().from_string(template)


def run(text: str, values: Sequence[Json | Missing]) -> Json:
    """The value of `text` (as the lexer made it) with `v0`, `v1`, ... bound to `values`.

    UnresolvedReferenceError, ExpressionError, or Python's own TypeError, ValueError, ArithmeticError,
    LookupError or RecursionError of an operation that does not fit its operands.
    """
    names: dict[str, Any] = {_WORK: Work()}
    for number, value in enumerate(values):
        names[f"v{number}"] = _Absent(value.reason) if isinstance(value, Missing) else value
    template = _compiled(text)
    context = template.new_context(names)
    try:
        for _ in template.root_render_func(context):
            pass
    except UndefinedError as error:
        raise UnresolvedReferenceError(error.message or "a value is not there") from None
    except TemplateError as error:
        raise ExpressionError(error.message or "the expression failed") from None
    return context.vars["result"]
