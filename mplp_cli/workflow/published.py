"""Published events: what `emit` steps and people tell everybody, and which of them a `wait` step takes. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from mplp_cli.workflow.values import Json, derived_uuid, rfc3339

#: Longest type of an event, in characters.
LONGEST_TYPE = 200
_TYPE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.:/-]{{0,{LONGEST_TYPE - 1}}}", re.ASCII)
_WANTED = re.compile(rf"[A-Za-z0-9*][A-Za-z0-9_.:/*-]{{0,{LONGEST_TYPE - 1}}}", re.ASCII)
#: What `event.` is followed by in the `where` of a `wait` step.
FIELDS = ("id", "type", "source", "time", "data")


class Published(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One published event. `at` is ms since the epoch, `data` JSON; `source` says who published it. `source` and `id`
    together are what it is known by.

    `more` has further attributes of CloudEvents: `subject`, `dataschema`, `datacontenttype` (if it is not JSON),
    `data_base64` (then `data` is null), and extensions such as `correlationid`, `traceparent`, `recordedtime`.
    """

    id: str
    type: str
    source: str
    at: int
    #: Written also if it is null: what is made by a function is no default to leave out.
    data: Any = field(default_factory=lambda: None)
    more: dict[str, Any] = {}


class Cause(
    Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """Why a run exists that nobody started by hand. `by`: `trigger:ID`, `route:ID`, `rule:ID` or `api`; `event` is the
    id of the event."""

    by: str
    event: str = ""


def enriched(event: Published, now: int) -> Published:
    """What is stored of an event that comes from outside: when it was taken in, and what it belongs to."""
    added: dict[str, Json] = {"correlationid": event.id, **event.more, "recordedtime": rfc3339(now)}
    return replace(event, more=added)


def check_type(name: Json) -> str:
    """The type of an event to publish. ValueError if it is not one."""
    if not isinstance(name, str) or not _TYPE.fullmatch(name):
        raise ValueError(
            f"{_short(name)} is not a type of events; it begins with a letter or digit, then letters, digits and"
            f" . _ - : /, {LONGEST_TYPE} at most"
        )
    return name


def check_wanted(name: Json) -> str:
    """The type of events to wait for, where `*` stands for any text. ValueError if it is not one."""
    if not isinstance(name, str) or not _WANTED.fullmatch(name):
        raise ValueError(
            f"{_short(name)} is not a type of events; write one such as `git.tag.created`, or `git.tag.*`"
        )
    return name


def _short(name: Json) -> str:
    text = repr(name)
    return text if len(text) <= 60 else f"{text[:57]}..."


def matches(wanted: str, name: str) -> bool:
    """Whether an event of type `name` is of the type that is wanted."""
    return bool(_pattern(wanted).fullmatch(name)) if "*" in wanted else wanted == name


@lru_cache(256)
def _pattern(wanted: str) -> re.Pattern[str]:
    # Each `*` takes as little as it can and never gives back: no pattern takes long.
    first, *rest = [re.escape(part) for part in re.split(r"\*+", wanted)]
    *inner, last = rest
    return re.compile(first + "".join(f"(?>.*?{part})" for part in inner) + f".*{last}", re.DOTALL)


def emitted_id(run: str, step: str, attempt: int) -> str:
    """The id of the event that an attempt of a step publishes: the same however often the process dies."""
    return derived_uuid(run, step, attempt)


def as_value(event: Published) -> dict[str, Json]:
    """An event as a value: what expressions see of it, and the result of the step that waited for it."""
    return {
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "time": rfc3339(event.at),
        "data": event.data,
    }


def cloud_event(event: Published) -> dict[str, Json]:
    """An event in the JSON format of CloudEvents 1.0."""
    carried: dict[str, Json] = {} if "data_base64" in event.more else {"data": event.data}
    return {
        "specversion": "1.0",
        **{key: value for key, value in as_value(event).items() if key != "data"},
        "datacontenttype": "application/json",
        **event.more,
        **carried,
    }
