"""CloudEvents 1.0 as they come over HTTP: structured, as a batch, or with their attributes in headers."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from mplp_cli.serving.operations import JSON, Call, decoded
from mplp_cli.serving.refusals import RequestError
from mplp_cli.workflow.published import Published, check_type, enriched
from mplp_cli.workflow.values import Json, moment_ms

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
#: Events of one batch.
MOST: Final = 1_000
_LONGEST: Final = 1_000
_ATTRIBUTE: Final = re.compile(r"[a-z0-9]{1,64}", re.ASCII)
_NO_TEXT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_OWN: Final = ("id", "type", "source", "time", "data", "data_base64", "specversion", "recordedtime")


def events_of(call: Call, now: int) -> list[Published]:
    """The events of a request, ready to be published. RequestError says what is wrong with which."""
    if call.content_type == JSON:
        return [_event({**_headers(call.sent), "data": decoded(call.raw, Any)}, now, "the event")]
    value = decoded(call.raw, Any)
    if call.content_type == STRUCTURED:
        return [_event(value, now, "the event")]
    if not isinstance(value, list) or len(value) > MOST:
        raise RequestError(422, f"a batch is a list of {MOST:,} events at most")
    return [_event(one, now, f"event {place} of the batch") for place, one in enumerate(value)]


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
    if "specversion" not in attributes:
        raise RequestError(
            400,
            "the request is no event",
            hint=f"send a CloudEvent as {STRUCTURED}, or with its attributes in headers: ce-specversion, ce-id, ...",
        )
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
    more = {name: one for name, one in given.items() if name not in _OWN}
    for name, one in more.items():
        if not _ATTRIBUTE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an attribute: lower-case letters and digits")
        if not isinstance(one, str | bool | int):
            raise ValueError(f"the attribute `{name}` must be text, a number or true or false")
        if isinstance(one, str):
            _text(name, one)
        elif not isinstance(one, bool) and not -(1 << 31) <= one < 1 << 31:
            raise ValueError(f"the attribute `{name}` is no number of 32 bits")
    if "data_base64" in given:
        more["data_base64"] = _base64(given["data_base64"])
    return Published(
        id=_text("id", given.get("id")),
        type=check_type(given.get("type")),
        source=_text("source", given.get("source")),
        at=moment_ms(_text("time", given["time"])) if "time" in given else now,
        data=given.get("data"),
        more=more,
    )


def _text(name: str, value: Json) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{name}` must be text")
    if len(value) > _LONGEST or _NO_TEXT.search(value):
        raise ValueError(f"`{name}` must be one line of text, {_LONGEST:,} characters at most")
    return value


def _base64(value: Json) -> str:
    try:
        base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        raise ValueError("`data_base64` is not base64") from None
    return str(value)
