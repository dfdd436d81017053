"""What may stand in an expression: Jinja2's tree, checked against a list and rewritten for `sandbox`.

Rewriting puts steps of our own into the tree, as filters that no source can name:

    need!      raises where a value that is not there is used; `default` and `is defined` get it bare
    settle!    makes plain, measured JSON of what a filter or a literal gives
    concat!    `~`, which joins text as text inside a value is joined
    range!     the only function

This module imports Jinja2; `expressions` imports it on first use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from mplp_cli.workflow.language.lexer import MAX_DEPTH

NEED, SETTLE, CONCAT, RANGE = "need!", "settle!", "concat!", "range!"

_PARSING = Environment(autoescape=False)  # noqa: S701  # it only parses; no text is made


class RefusedError(Exception):
    """A tree that may not be compiled. `line` counts the words of the source from 1."""

    def __init__(self, code: str, message: str, line: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line
        self.hint = hint


@lru_cache(maxsize=512)
def check(text: str) -> None:
    """RefusedError, unless `text` (as the lexer made it) is in the language."""
    closed_tree(text)


def closed_tree(text: str) -> nodes.Expr:
    """The rewritten tree of `text`. RefusedError if anything in it is not on the list."""
    try:
        parser = Parser(_PARSING, text, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            rest = parser.stream.current
            parser.fail(f"an operator is missing before `{rest.value}`", rest.lineno)
        return _closed(tree, 0)
    except TemplateSyntaxError as error:
        raise RefusedError("expr-syntax", _said(error.message or ""), error.lineno) from None
    except RecursionError:
        raise RefusedError("expr-too-large", _TOO_DEEP, 1) from None


_TOO_DEEP = f"the expression has more than {MAX_DEPTH} levels"


def _said(message: str) -> str:
    """Jinja2's complaint without the words of its templates."""
    message = re.sub("'?end of (?:template|print statement)'?", "end of the expression", message)
    return message[:1].lower() + message[1:].rstrip(".")


def _closed(node: nodes.Expr, depth: int, may_miss: bool = False) -> nodes.Expr:
    """`node` rewritten. `may_miss`: its user copes with a value that is not there."""
    if depth > MAX_DEPTH:
        raise RefusedError("expr-too-large", _TOO_DEEP, node.lineno)
    rewrite = _REWRITES.get(type(node))
    if rewrite is None:
        what = _REFUSALS.get(type(node), f"`{type(node).__name__.lower()}` is not part of the language")
        raise RefusedError("expr-syntax", what, node.lineno)
    rewritten: nodes.Expr = rewrite(node, depth + 1, may_miss)
    return rewritten


def _step(name: str, node: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _needed(node: nodes.Expr, may_miss: bool) -> nodes.Expr:
    return node if may_miss else _step(NEED, node)


# ---- one rewrite for each kind of node: (node, depth, may_miss) -> node --------------------------


def _const(node: Any, _depth: int, _may_miss: bool) -> Any:
    if isinstance(node.value, str) and any("\ud800" <= char <= "\udfff" for char in node.value):
        raise RefusedError("expr-syntax", "half of a surrogate pair is not text", node.lineno)
    return node


def _name(node: Any, _depth: int, may_miss: bool) -> Any:
    return _needed(node, may_miss)


def _item(node: Any, depth: int, may_miss: bool) -> Any:
    if not isinstance(node.arg, nodes.Slice):
        node.node = _closed(node.node, depth, may_miss=True)
        node.arg = _closed(node.arg, depth)
        return _needed(node, may_miss)
    # Python itself takes a slice, so what it is taken of must be there.
    node.node = _closed(node.node, depth)
    for field in ("start", "stop", "step"):
        bound = getattr(node.arg, field)
        setattr(node.arg, field, bound and _closed(bound, depth))
    return _step(SETTLE, node)


def _operands(node: Any, depth: int, _may_miss: bool) -> Any:
    for field, child in node.iter_fields():
        if isinstance(child, nodes.Expr):
            setattr(node, field, _closed(child, depth))
    return node


def _compare(node: Any, depth: int, _may_miss: bool) -> Any:
    node.expr = _closed(node.expr, depth)
    for operand in node.ops:
        operand.expr = _closed(operand.expr, depth)
    return node


def _choice(node: Any, depth: int, may_miss: bool) -> Any:
    if node.expr2 is None:
        raise RefusedError("expr-syntax", "an `if` inside an expression needs its `else`", node.lineno)
    node.test = _closed(node.test, depth)
    node.expr1 = _closed(node.expr1, depth, may_miss)
    node.expr2 = _closed(node.expr2, depth, may_miss)
    return node


def _list(node: Any, depth: int, _may_miss: bool) -> Any:
    return _step(SETTLE, _listed(node.items, node, depth))


def _dict(node: Any, depth: int, _may_miss: bool) -> Any:
    for pair in node.items:
        pair.key = _closed(pair.key, depth)
        pair.value = _closed(pair.value, depth)
    return _step(SETTLE, node)


def _concat(node: Any, depth: int, _may_miss: bool) -> Any:
    return _step(CONCAT, _listed(node.nodes, node, depth))


def _listed(items: list[nodes.Expr], node: Any, depth: int) -> nodes.List:
    return nodes.List([_closed(item, depth) for item in items], lineno=node.lineno)


def _call(node: Any, depth: int, _may_miss: bool) -> Any:
    named = isinstance(node.node, nodes.Name) and node.node.name == "range"
    if not named or node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise RefusedError("expr-call", "there are no functions but `range`", node.lineno)
    return _step(RANGE, _listed(node.args, node, depth))


def _filter(node: Any, depth: int, may_miss: bool) -> Any:
    copes = node.name in ("default", "d")
    _arguments(node, depth, may_miss=copes)
    node.node = _closed(node.node, depth, may_miss=copes)
    return _needed(_step(SETTLE, node), may_miss)


def _test(node: Any, depth: int, _may_miss: bool) -> Any:
    _arguments(node, depth, may_miss=False)
    node.node = _closed(node.node, depth, may_miss=node.name in ("defined", "undefined"))
    return node


def _arguments(node: Any, depth: int, *, may_miss: bool) -> None:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise RefusedError("expr-syntax", f"the arguments of `{node.name}` are written out", node.lineno)
    node.args = [_closed(arg, depth, may_miss) for arg in node.args]
    for keyword in node.kwargs:
        keyword.value = _closed(keyword.value, depth, may_miss)


#: What may stand in an expression, and how it is rewritten. Everything else is refused.
_REWRITES: Mapping[type[nodes.Node], Callable[[Any, int, bool], Any]] = {
    nodes.Const: _const,
    nodes.Name: _name,
    nodes.Getitem: _item,
    nodes.List: _list,
    nodes.Tuple: _list,
    nodes.Dict: _dict,
    nodes.Concat: _concat,
    nodes.Compare: _compare,
    nodes.CondExpr: _choice,
    nodes.Call: _call,
    nodes.Filter: _filter,
    nodes.Test: _test,
    **dict.fromkeys((nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos), _operands),
    **dict.fromkeys((nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod), _operands),
}
_REFUSALS: Mapping[type[nodes.Node], str] = {
    nodes.Pow: "there is no operator `**`",
    nodes.Getattr: "this key is written in brackets",
    nodes.Slice: "one slice at a time",
}
