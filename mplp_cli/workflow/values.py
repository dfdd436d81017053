"""Plain values: JSON, durations, and how a value looks inside text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeAlias

#: What every input, parameter and result is made of: None, bool, int, float, str, list, dict with text keys.
Json: TypeAlias = Any
#: A step's id; inside a foreach item `outer[3].inner`.
StepId: TypeAlias = str
#: A run's id: a UUID, lower case.
RunId: TypeAlias = str
#: A duration as written in a file: milliseconds, or text such as `30s`, `1h30m`, `none`.
Duration: TypeAlias = int | str

_PART = re.compile(r"(\d+)(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:\d+(?:ms|s|m|h|d))+")
_UNIT = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@lru_cache(1024)
def duration_ms(text: Duration) -> int:
    """Milliseconds of a duration; 0 for `none`. ValueError if it is not one."""
    if isinstance(text, int):
        return text
    if text == "none":
        return 0
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration; write 500ms, 30s, 5m, 1h30m or none")
    return sum(int(number) * _UNIT[unit] for number, unit in _PART.findall(text))


def duration_text(ms: float) -> str:
    """A duration for people: `0.4s`, `12.3s`, `3m40s`, `2h05m`."""
    if ms < 59_950:
        return f"{ms / 1000:.1f}s" if ms >= 100 or ms == 0 else f"{round(ms)}ms"
    seconds = round(ms / 1000)
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m{seconds:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02d}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02d}h"


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?", re.ASCII)


def moment_ms(text: str) -> int:
    """Milliseconds since the Unix epoch of an RFC 3339 time. ValueError says what is wrong with another text."""
    spelled = text.strip().replace(" ", "T", 1).upper()
    if not _MOMENT.fullmatch(spelled):
        if _WITHOUT_ZONE.fullmatch(text.strip()):
            raise ValueError(
                f"{text!r} says no time zone; write a time with its offset: 2030-01-31T09:00:00Z or ...+01:00"
            )
        raise ValueError(f"{text!r} is not a time; write 2030-01-31T09:00:00Z or 2030-01-31T09:00:00+01:00")
    try:
        moment = datetime.fromisoformat(spelled)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: {error}") from None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


def rfc3339(ms: int) -> str:
    """`2026-01-31T12:00:00.250Z` for milliseconds since the Unix epoch."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(64)  # what happens together is told together
def _second(since: int) -> str:
    return f"{datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%S}"


def derived_uuid(*parts: str | int) -> str:
    """A UUID of version 4 shape that is the same for the same parts."""
    digest = sha256("\0".join(map(str, parts)).encode()).hexdigest()
    variant = "89ab"[int(digest[16], 16) % 4]
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
