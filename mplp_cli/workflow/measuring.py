"""What `metrics` of `mplp.yaml` says. Pure."""

from __future__ import annotations

from typing import Any, Final

from mplp_cli.workflow.metrics import Measuring
from mplp_cli.workflow.stated import StatementError
from mplp_cli.workflow.values import duration_ms

#: The shortest and the longest duration under a key, and an example.
_SPANS: Final = {"interval": ("1s", "1h", "5s"), "retention": ("1h", "3650d", "30d")}
_WORDS: Final = {"on": True, "off": False}


def measuring(value: object) -> Measuring:
    """`off`, or `{interval: 5s, retention: 30d, open: true}`, each of them optional. StatementError."""
    if isinstance(value, str):
        value = _WORDS.get(value, value)
    if isinstance(value, bool):
        return Measuring(on=value)
    if not isinstance(value, dict):
        raise StatementError("must have `off` or a map under `metrics`", None)
    found: dict[str, Any] = {}
    for key, given in value.items():
        if key in _SPANS:
            found[key] = _span(key, given)
        elif key != "open":
            hint = "The keys are `interval`, `retention` and `open`."
            raise StatementError(f"has an unknown key {key!r} under `metrics`", hint)
        elif not isinstance(given, bool):
            raise StatementError("must say true or false under `metrics.open`", None)
        else:
            found[key] = given
    return Measuring(**found)


def _span(key: str, given: object) -> int:
    least, most, example = _SPANS[key]
    try:
        length = duration_ms(given) if isinstance(given, str) else 0
    except ValueError:
        length = 0
    if not duration_ms(least) <= length <= duration_ms(most):
        hint = f"Write it like {example}: from {least} to {most}."
        raise StatementError(f"must have a duration under `metrics.{key}`", hint)
    return length
