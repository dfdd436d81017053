"""CloudEvents 1.0 as they come over HTTP: structured, as a batch, or with their attributes in headers."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from mplp_cli.serving.operations import Call, decoded
from mplp_cli.serving.refusals import RequestError
from mplp_cli.workflow.published import Published, check_type, enriched
from mplp_cli.workflow.values import Json, moment_ms, rfc3339

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
#: Events of one batch.
MOST: Final = 1_000
_LONGEST: Final = 1_000
_ATTRIBUTE: Final = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
_NO_TEXT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_OWN: Final = ("id", "type", "source", "time", "data", "data_base64", "specversion", "recordedtime")


def events_of(call: Call, now: int) -> list[Published]:
    """The events of a request, ready to be published. RequestError says what is wrong with which.

    JSON with attributes in headers (`ce-id` and so on) is the data of one event; without, it is an event itself.
    """
    value = decoded(call.raw, Any)
    if call.content_type == BATCH:
        if not isinstance(value, list) or len(value) > MOST:
            raise RequestError(422, f"a batch is a list of {MOST:,} events at most")
        return [_event(one, now, f"event {place} of the batch") for place, one in enumerate(value)]
    if call.content_type != STRUCTURED and "ce-specversion" in call.sent:
        value = {**_headers(call.sent), "data": value}
    return [_event(value, now, "the event")]


def _headers(sent: Mapping[str, str]) -> dict[str, Json]:
    attributes: dict[str, Json] = {}
    for name, value in sent.items():
        if name.startswith("ce-"):
            try:
                attributes[name.removeprefix("ce-")] = unquote(
                    value.encode("latin-1").decode(), errors="strict"
                )
            except UnicodeDecodeError:
                raise RequestError(400, f"the header `{name}` is not UTF-8") from None
    return attributes


def _event(value: Json, now: int, what: str) -> Published:
    try:
        return enriched(_read(value, now), now)
    except ValueError as error:
        raise RequestError(422, f"{what}: {error}") from None


def _read(value: Json, now: int) -> Published:
    if not isinstance(value, dict):
        raise ValueError("a CloudEvent is a JSON object")
    given = {name: one for name, one in value.items() if one is not None or name == "data"}
    if given.get("specversion") != "1.0":
        raise ValueError('`specversion` must be "1.0"')
    if "data" in given and "data_base64" in given:
        raise ValueError("it has both `data` and `data_base64`")
    more = {name: _attribute(name, one) for name, one in given.items() if name not in _OWN}
    if "data_base64" in given:
        more["data_base64"] = _base64(given["data_base64"])
    return Published(
        id=_text("id", given.get("id")),
        type=check_type(given.get("type")),
        source=_text("source", given.get("source")),
        at=_moment(_text("time", given["time"])) if "time" in given else now,
        data=given.get("data"),
        more=more,
    )


def _attribute(name: str, value: Json) -> Json:
    if not _ATTRIBUTE.fullmatch(name):
        raise ValueError(f"{name!r} is no name of an attribute: lower-case letters and digits")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one kind of numbers
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -(1 << 31) <= value < 1 << 31:
            raise ValueError(f"the attribute `{name}` is no number of 32 bits")
        return value
    if not isinstance(value, str):
        raise ValueError(f"the attribute `{name}` must be text, a whole number, true or false")
    return _text(name, value)


def _text(name: str, value: Json) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{name}` must be text")
    if len(value) > _LONGEST or _NO_TEXT.search(value):
        raise ValueError(f"`{name}` must be one line of text, {_LONGEST:,} characters at most")
    return value


def _moment(text: str) -> int:
    at = moment_ms(text)
    rfc3339(at)  # not every time zone has the first and the last day that can be told
    return at


def _base64(value: Json) -> str:
    try:
        base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        raise ValueError("`data_base64` is not base64") from None
    return str(value)
