"""What the invariants say of a document, as functions: (document) -> where it does not hold, and what it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from mplp_cli.errors import Path as Place
from mplp_cli.workflow.values import moment_ms

#: A place in a document and the value there; ABSENT if there is none.
Spot = tuple[Place, Any]

_UUID4: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class _Absent:
    """No value."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()


def spots(body: Any, path: str) -> Iterator[Spot]:
    """The values at a path such as `steps[*].step_id`; a key that is not there gives ABSENT."""
    yield from _spots(body, path.replace("[*]", ".*").split("."), ())


def _spots(value: Any, keys: Sequence[str], at: Place) -> Iterator[Spot]:
    if not keys:
        yield at, value
    elif keys[0] == "*":
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _spots(item, keys[1:], (*at, index))
    elif isinstance(value, dict) and keys[0] in value:
        yield from _spots(value[keys[0]], keys[1:], (*at, keys[0]))
    elif "*" not in keys:
        yield (*at, *keys), ABSENT


#: Whether a value is as it should be.
Test = Callable[[Any], bool]


def uuid4(value: Any) -> bool:
    """A UUID of version 4, in lower case."""
    return isinstance(value, str) and bool(_UUID4.fullmatch(value))


def non_empty(value: Any) -> bool:
    """Text that says something."""
    return isinstance(value, str) and bool(value.strip())


def text(value: Any) -> bool:
    """Text."""
    return isinstance(value, str)


def iso(value: Any) -> bool:
    """A date and time with its zone."""
    if not isinstance(value, str):
        return False
    try:
        moment_ms(value)
    except ValueError:
        return False
    return True


def exists(value: Any) -> bool:
    """Anything."""
    return value is not ABSENT and value is not None


def some(value: Any) -> bool:
    """A list with something in it."""
    return isinstance(value, list) and bool(value)


def one_of(*choices: str) -> Test:
    """One of these words."""
    return lambda value: isinstance(value, str) and value in choices


def when_there(test: Test) -> Test:
    """What is there passes the test."""
    return lambda value: value is ABSENT or test(value)
