"""Whether a value is as it is expected: equal, or as a matcher such as `{matches: ^v}` says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from msgspec import UNSET, UnsetType

from mplp_cli.errors import Path
from mplp_cli.workflow.cases.model import Mismatch
from mplp_cli.workflow.suggest import did_you_mean
from mplp_cli.workflow.values import Json

#: Words for the types of values.
TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "text": lambda value: isinstance(value, str),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: _is_number(value),  # noqa: PLW0108 - it stands below
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "array": lambda value: isinstance(value, list),
    "map": lambda value: isinstance(value, dict),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([1-8])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def is_matcher(wanted: Json) -> bool:
    """Whether an expected value is a matcher: a mapping that has no other keys than those of matchers."""
    return isinstance(wanted, dict) and bool(wanted) and wanted.keys() <= MATCHERS.keys()


def is_literal(wanted: Json) -> bool:
    """Whether an expected value is a value as it is, without a matcher anywhere in it."""
    if is_matcher(wanted):
        return False
    inner = wanted.values() if isinstance(wanted, dict) else wanted if isinstance(wanted, list) else ()
    return all(map(is_literal, inner))


def differences(wanted: Json, actual: Json | UnsetType, path: Path, said: str) -> Iterator[Mismatch]:
    """Where a value is not as expected, each at the deepest place that both have. `said` names the value."""
    if actual is not UNSET and not is_matcher(wanted):
        if isinstance(wanted, dict) and isinstance(actual, dict) and wanted.keys() == actual.keys():
            for key, inner in wanted.items():
                yield from differences(inner, actual[key], (*path, key), f"{said}.{key}")
            return
        if isinstance(wanted, list) and isinstance(actual, list) and len(wanted) == len(actual):
            for n, inner in enumerate(wanted):
                yield from differences(inner, actual[n], (*path, n), f"{said}[{n}]")
            return
    if not fits(wanted, actual):
        yield Mismatch(
            path=path,
            said=said,
            expected=wanted,
            actual=actual,
            literal=actual is not UNSET and is_literal(wanted),
        )


def fits(wanted: Json, actual: Json | UnsetType) -> bool:
    """Whether a value is as expected. What is not there fits nothing."""
    if actual is UNSET:
        return False
    if is_matcher(wanted):
        return all(MATCHERS[word](argument, actual) for word, argument in wanted.items())
    if isinstance(wanted, dict):
        same = isinstance(actual, dict) and wanted.keys() == actual.keys()
        return same and all(fits(inner, actual[key]) for key, inner in wanted.items())
    if isinstance(wanted, list):
        same = isinstance(actual, list) and len(wanted) == len(actual)
        return same and all(map(fits, wanted, actual))
    return _equal(wanted, actual)


def _equal(wanted: Json, actual: Json) -> bool:
    if _is_number(wanted) and _is_number(actual):
        return bool(wanted == actual) or math.isclose(wanted, actual, rel_tol=1e-12)
    return type(wanted) is type(actual) and bool(wanted == actual)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _contains(wanted: Json, actual: Json) -> bool:
    """Text in text, an item of a list, some keys of a mapping."""
    if isinstance(actual, str):
        return isinstance(wanted, str) and wanted in actual
    if isinstance(actual, list):
        return any(fits(wanted, item) for item in actual)
    if isinstance(actual, dict):
        if not isinstance(wanted, dict):
            return wanted in actual
        return all(key in actual and fits(inner, actual[key]) for key, inner in wanted.items())
    return False


def _uuid(wanted: Json, actual: Json) -> bool:
    found = _UUID.fullmatch(actual) if isinstance(actual, str) else None
    return found is not None and (wanted is True or str(wanted) == found[1])


def _length(wanted: Json, actual: Json) -> bool:
    return isinstance(actual, str | list | dict) and fits(wanted, len(actual))


def _matches(wanted: Json, actual: Json) -> bool:
    return isinstance(actual, str) and _compiled(wanted).search(actual) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


#: Word -> (its argument, the value) -> whether it fits. Several words in one mapping must all fit.
MATCHERS: Final[Mapping[str, Callable[[Json, Json], bool]]] = {
    "equals": lambda wanted, actual: _plain_equal(wanted, actual),  # noqa: PLW0108 - it stands below
    "matches": _matches,
    "type": lambda wanted, actual: TYPES[wanted](actual),
    "uuid": _uuid,
    "contains": _contains,
    "min": lambda wanted, actual: _is_number(actual) and actual >= wanted,
    "max": lambda wanted, actual: _is_number(actual) and actual <= wanted,
    "length": _length,
}


def _plain_equal(wanted: Json, actual: Json) -> bool:
    """Equality, whatever the value looks like."""
    if isinstance(wanted, dict):
        same = isinstance(actual, dict) and wanted.keys() == actual.keys()
        return same and all(_plain_equal(inner, actual[key]) for key, inner in wanted.items())
    if isinstance(wanted, list):
        same = isinstance(actual, list) and len(wanted) == len(actual)
        return same and all(map(_plain_equal, wanted, actual))
    return _equal(wanted, actual)


# ---- matchers that cannot be used ----------------------------------------------------------------


def unusable(wanted: Json, path: Path) -> Iterator[tuple[Path, str, str]]:
    """Matchers whose argument says nothing: where, what is wrong, and what to write."""
    if is_matcher(wanted):
        for word, argument in wanted.items():
            yield from _unusable(word, argument, (*path, word))
        return
    inner = (
        wanted.items() if isinstance(wanted, dict) else enumerate(wanted) if isinstance(wanted, list) else ()
    )
    for key, held in inner:
        yield from unusable(held, (*path, key))


def _unusable(word: str, argument: Json, path: Path) -> Iterator[tuple[Path, str, str]]:
    match word:
        case "matches" if isinstance(argument, str):
            try:
                _compiled(argument)
            except re.error as error:
                yield (
                    path,
                    f"this is not a regular expression: {error}",
                    "a backslash stands before . ( [ + * ?",
                )
        case "matches":
            yield path, "`matches` takes a regular expression, as text", "write it like {matches: ^v[0-9]+$}"
        case "type" if not isinstance(argument, str) or argument not in TYPES:
            near = did_you_mean(argument, TYPES) if isinstance(argument, str) else None
            yield path, "`type` takes the name of a type of values", near or f"one of: {', '.join(TYPES)}"
        case "uuid" if argument is not True and argument not in range(1, 9):
            yield (
                path,
                "`uuid` takes the version that it is to have",
                "write {uuid: 4}, or {uuid: true} for any",
            )
        case "min" | "max" if not _is_number(argument):
            yield path, f"`{word}` takes a number", "write it like {min: 1, max: 3}"
        case "contains" | "length":
            yield from unusable(argument, path)
        case _:
            pass
