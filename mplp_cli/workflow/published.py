"""Published events: what `emit` steps and people tell everybody, and which of them a `wait` step takes. Pure."""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from typing import Any, Final

from msgspec import DecodeError, Struct, field, json
from msgspec.structs import replace

from mplp_cli.workflow.values import Json, derived_uuid, moment_ms, rfc3339

#: Longest type of an event, in characters.
LONGEST_TYPE = 200
_TYPE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.:/-]{{0,{LONGEST_TYPE - 1}}}", re.ASCII)
_WANTED = re.compile(rf"[A-Za-z0-9*][A-Za-z0-9_.:/*-]{{0,{LONGEST_TYPE - 1}}}", re.ASCII)
#: What `event.` is followed by in the `where` of a `wait` step.
FIELDS = ("id", "type", "source", "time", "data")

#: Bytes of JSON that one event may have.
LARGEST: Final = 1 << 20
#: Characters that an id, a source and the like may have.
_LONGEST: Final = 2_000
#: The first moment of the year 10000, in ms since the epoch.
_TOO_LATE: Final = 253_402_300_800_000
_INTEGERS: Final = range(-(1 << 31), 1 << 31)
# Most commands need none of these: they are compiled when they are first used.
_NAME: Final = r"[a-z0-9]{1,100}"
_MEDIA_TYPE: Final = r"(?a)[\w!#$&^.+-]+/[\w!#$&^.+-]+\s*(;.*)?"
_SCHEME: Final = r"[A-Za-z][A-Za-z0-9+.-]*:.+"
#: No part of a URI.
_UNSEEN: Final = r"[\x00-\x20\x7f-\x9f]"
_CONTROL: Final = r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]"
_JSON_TYPE: Final = r"(?ai)application/json\s*(;\s*charset=\"?utf-8\"?\s*)?"


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


def cloud_event(event: Published, number: int | None = None) -> dict[str, Json]:
    """An event in the JSON format of CloudEvents 1.0. Its number on the board goes with it as `sequence`."""
    carried: dict[str, Json] = {} if "data_base64" in event.more else {"data": event.data}
    return {
        "specversion": "1.0",
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "time": rfc3339(event.at),
        "datacontenttype": "application/json",
        **event.more,
        **({} if number is None else {"sequence": str(number)}),
        **carried,
    }


# ---- events that come from outside


def from_cloud_event(document: Json, now: int) -> Published:
    """The event that a document of CloudEvents 1.0 says. ValueError says what is wrong with it, then what to do.

    Without a `time` it is of `now`; with one, that is kept in milliseconds. A `datacontenttype` of JSON, and an
    attribute that is null, is as if it were not there.
    """
    if not isinstance(document, dict):
        raise ValueError(
            f"{_a(document)} is no event; one is a JSON object with specversion, id, source and type"
        )
    given: dict[str, Any] = {
        key: value for key, value in document.items() if value is not None or key in ("data", "data_base64")
    }
    if given.get("specversion") != "1.0":
        said = repr(given["specversion"])[:40] if "specversion" in given else "missing"
        raise ValueError(f'`specversion` is {said}; write "specversion": "1.0"')
    name, source = _text(given, "id"), _text(given, "source")
    if re.search(_UNSEEN, source):
        raise ValueError(
            f"`source` {source!r} has a space or a control character; it is a URI, or a part of one"
        )
    kind = check_type(_text(given, "type"))
    at = now if "time" not in given else event_time(given["time"])
    if "data_base64" in given and given.get("data") is not None:
        raise ValueError("there are both `data` and `data_base64`; an event carries one of them")
    more = {
        key: _attribute(key, value)
        for key, value in given.items()
        if key not in ("specversion", "id", "source", "type", "time", "data")
    }
    if re.fullmatch(_JSON_TYPE, str(more.get("datacontenttype", ""))):
        del more["datacontenttype"]
    event = Published(id=name, type=kind, source=source, at=at, data=given.get("data"), more=more)
    if (size := len(json.encode(document))) > LARGEST:
        raise ValueError(
            f"the event has {size:,} bytes; {LARGEST:,} are the most, send where the data is instead"
        )
    return event


def event_time(text: Json) -> int:
    """A time that an event may have, in ms since the epoch. ValueError if it is none."""
    if not isinstance(text, str):
        raise ValueError(f"`time` is {_a(text)}; write 2030-01-31T09:00:00Z")
    at = moment_ms(text)
    if not 0 <= at < _TOO_LATE:
        raise ValueError(f"`time` {text} is not between the years 1970 and 9999; write when it happened")
    return at


def read_cloud_events(text: bytes, now: int) -> list[Published]:
    """The events of a text: one document, a batch (a JSON list), or a document a line.

    ValueError says which of them is wrong, and how; then none is good.
    """
    try:
        found = json.decode(text)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
        if len(lines) < 2:
            raise ValueError(
                f"this is not JSON: {error}; write one event, a list of them, or one a line"
            ) from None
        return [_on_line(number, line, now) for number, line in lines]
    if not isinstance(found, list):
        return [from_cloud_event(found, now)]
    return [_placed(f"event {number}", document, now) for number, document in enumerate(found, 1)]


def _on_line(number: int, line: bytes, now: int) -> Published:
    try:
        document = json.decode(line)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"line {number} is not JSON: {error}; write one event a line") from None
    return _placed(f"line {number}", document, now)


def _placed(where: str, document: Json, now: int) -> Published:
    try:
        return from_cloud_event(document, now)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _attribute(key: str, value: Any) -> str | int | bool:
    """The value of an optional attribute or an extension. ValueError if it may not be called, or be, so."""
    match key:
        case "subject":
            return _text({key: value}, key)
        case "datacontenttype":
            if not isinstance(value, str) or not re.fullmatch(_MEDIA_TYPE, value):
                raise ValueError(
                    f"`datacontenttype` {_short(value)} is no media type; write one such as text/plain"
                )
            return value
        case "dataschema":
            if not isinstance(value, str) or not re.fullmatch(_SCHEME, value) or re.search(_UNSEEN, value):
                raise ValueError(
                    f"`dataschema` {_short(value)} is no URI; write one such as https://example.com/s.json"
                )
            return value
        case "data_base64":
            return _base64(value)
        case _:
            return _extension(key, value)


def _base64(value: Any) -> str:
    try:
        binascii.a2b_base64(value if isinstance(value, str) else "?", strict_mode=True)
    except (binascii.Error, ValueError):
        raise ValueError("`data_base64` is no base64; use the alphabet with + and /, padded with =") from None
    return str(value)


def _extension(key: str, value: Any) -> str | int | bool:
    if not re.fullmatch(_NAME, key):
        small = re.sub("[^a-z0-9]", "", key.lower())
        hint = f"write `{small}`" if re.fullmatch(_NAME, small) else "rename it"
        raise ValueError(
            f"`{key[:60]}` is no name of an attribute: it has small letters and digits only; {hint}"
        )
    if isinstance(value, str):
        return _checked(key, value)
    if isinstance(value, bool) or (isinstance(value, int) and value in _INTEGERS):
        return value
    raise ValueError(
        f"`{key}` is {_a(value)}; an extension is text, true, false or a number of 32 bits, the rest belongs in `data`"
    )


def _text(given: dict[str, Any], key: str) -> str:
    if key not in given:
        raise ValueError(f"`{key}` is missing; an event has specversion, id, source and type")
    value = given[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{key}` is {_a(value)}; write text that is not empty")
    return _checked(key, value)


def _checked(key: str, value: str) -> str:
    if len(value) > _LONGEST:
        raise ValueError(f"`{key}` has {len(value):,} characters; {_LONGEST:,} are the most")
    if re.search(_CONTROL, value):
        raise ValueError(f"`{key}` has control characters; write it without them")
    return value


def _a(value: Any) -> str:
    """What a value is, for people."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return _short(value) if value else "an empty text"
        case int() | float():
            return f"the number {value!s:.20}"
        case list():
            return "a list"
        case _:
            return "an object"
