"""The filters of expressions that are ours rather than Jinja2's: those that make text, or that may grow.

This module imports Jinja2; `expressions` imports it on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from msgspec import json

from mplp_cli.errors import ExpressionError
from mplp_cli.workflow.language.measuring import within
from mplp_cli.workflow.language.references import json_text, kind_of, text_of
from mplp_cli.workflow.values import Json

_MAX_BATCH = 10_000
_MAX_DIGITS = 15
_MAX_TRIMMED = 100


def _text(name: str, value: Json) -> str:
    if not isinstance(value, str):
        raise ExpressionError(f"`{name}` is for text, not for {kind_of(value)}")
    return value


def _attribute(context: Context, value: Any, attribute: str | int | None) -> Any:
    """The elements of `value`, or what each of them has at `attribute`."""
    if attribute is None:
        return value
    return context.environment.call_filter("map", value, kwargs={"attribute": attribute}, context=context)


@pass_context
def _join(context: Context, value: Any, d: str = "", attribute: str | int | None = None) -> str:
    parts = [text_of(item) for item in _attribute(context, value, attribute)]
    within(sum(map(len, parts)) + len(_text("join", d)) * len(parts))
    return d.join(parts)


@pass_context
def _sum(context: Context, value: Any, attribute: str | int | None = None, start: float = 0) -> float:
    total = start
    for item in _attribute(context, value, attribute):
        if not isinstance(item, int | float):
            raise ExpressionError(f"`sum` is for numbers, not for {kind_of(item)}")
        total += item
    return total


def _replace(value: Json, old: str, new: str, count: int | None = None) -> str:
    text = text_of(value)
    hits = text.count(_text("replace", old))
    if count is not None and count >= 0:
        hits = min(count, hits)
    within(len(text) + hits * (len(_text("replace", new)) - len(old)))
    return text.replace(old, new, hits)


def _split(value: Json, sep: str | None = None, maxsplit: int = -1) -> list[str]:
    return _text("split", value).split(sep, maxsplit)


def _trim(value: Json, chars: str | None = None) -> str:
    if chars is not None and len(_text("trim", chars)) > _MAX_TRIMMED:
        raise ExpressionError(f"`trim` takes at most {_MAX_TRIMMED} characters")
    return text_of(value).strip(chars)


def _tojson(value: Json, indent: int | None = None) -> str:
    text = json_text(value)
    return text if indent is None else json.format(text, indent=max(0, min(indent, 8)))


def _items(value: Json) -> list[list[Json]]:
    if not isinstance(value, dict):
        raise ExpressionError(f"`items` is for maps, not for {kind_of(value)}")
    return [[key, item] for key, item in value.items()]


def _cased(ordinary: Callable[[str], str]) -> Callable[[Json], str]:
    return lambda value: ordinary(text_of(value))


def own_filters(ordinary: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Ours by name; `ordinary` are Jinja2's."""

    def batch(value: Json, linecount: int, fill_with: Json = None) -> Any:
        return ordinary["batch"](value, _limited("batch", linecount, _MAX_BATCH), fill_with)

    def round_(value: Json, precision: int = 0, method: str = "common") -> Any:
        return ordinary["round"](value, _limited("round", precision, _MAX_DIGITS), method)

    return {
        "batch": batch,
        "items": _items,
        "join": _join,
        "replace": _replace,
        "round": round_,
        "split": _split,
        "string": text_of,
        "sum": _sum,
        "tojson": _tojson,
        "trim": _trim,
        **{name: _cased(ordinary[name]) for name in ("capitalize", "lower", "title", "upper")},
    }


def _limited(name: str, number: Any, limit: int) -> int:
    if not isinstance(number, int) or abs(number) > limit:
        raise ExpressionError(f"`{name}` takes a whole number up to {limit:,}")
    return int(number)
